// Command yaml is the judge of scalar resolution: a JSON array of YAML texts on
// stdin -> the API server's YAML layer -> a JSON array of {"json": value} or
// {"error": message} on stdout, one per text. With -strict a duplicate key is an error.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"os"

	"sigs.k8s.io/yaml"
)

type answer struct {
	JSON  json.RawMessage `json:"json,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	strict := flag.Bool("strict", false, "refuse duplicate keys")
	flag.Parse()
	if err := judge(os.Stdin, os.Stdout, *strict); err != nil {
		log.Fatal(err)
	}
}

func judge(in io.Reader, out io.Writer, strict bool) error {
	var texts []string
	if err := json.NewDecoder(in).Decode(&texts); err != nil {
		return err
	}
	convert := yaml.YAMLToJSON
	if strict {
		convert = yaml.YAMLToJSONStrict
	}
	answers := make([]answer, len(texts))
	for i, text := range texts {
		if value, err := convert([]byte(text)); err != nil {
			answers[i].Error = err.Error()
		} else {
			answers[i].JSON = value
		}
	}
	return json.NewEncoder(out).Encode(answers)
}
