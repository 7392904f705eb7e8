package main

import (
	"strings"
	"testing"
)

func TestAnswersEachTextInOrder(t *testing.T) {
	for _, c := range []struct {
		strict   bool
		in, want string
	}{
		{false, `["a: yes", "b: 0777"]`, `[{"json":{"a":true}},{"json":{"b":511}}]`},
		{false, `["a: 1\na: 2"]`, `[{"json":{"a":2}}]`},
		{true, `["a: 1\na: 2"]`, `[{"error":"yaml: unmarshal errors:\n  line 2: key \"a\" already set in map"}]`},
		{false, `["a: [", "-0.0"]`, `[{"error":"yaml: line 1: did not find expected node content"},{"json":-0}]`},
		{false, `[]`, `[]`},
	} {
		var out strings.Builder
		if err := judge(strings.NewReader(c.in), &out, c.strict); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(out.String()); got != c.want {
			t.Errorf("strict=%v %s: got %s, want %s", c.strict, c.in, got, c.want)
		}
	}
}

func TestRefusesInputThatIsNoJSONArray(t *testing.T) {
	if err := judge(strings.NewReader(`{"a": 1}`), &strings.Builder{}, false); err == nil {
		t.Error("an object was taken for an array")
	}
}
