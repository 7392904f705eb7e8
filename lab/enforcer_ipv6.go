// Two repairs that kube-router 2.1.0 needs before it enforces anything over IPv6: sets whose names its
// own rules know, and a way through its firewall for neighbour discovery.
package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudnativelabs/kube-router/v2/pkg/utils"
	core "k8s.io/api/core/v1"
)

// families maps a family to its name in ipset.
var families = map[core.IPFamily]string{core.IPv4Protocol: "inet", core.IPv6Protocol: "inet6"}

// repair replaces the handlers that need it, in place.
func repair(tables map[core.IPFamily]utils.IPTablesHandler, sets map[core.IPFamily]utils.IPSetHandler) error {
	for family := range sets {
		plain, err := utils.NewIPSet(false)
		if err != nil {
			return err
		}
		sets[family] = familySets{plain, families[family]}
	}
	if six := tables[core.IPv6Protocol]; six != nil {
		opened, err := openNeighbours(six)
		if err != nil {
			return fmt.Errorf("neighbour discovery: %w", err)
		}
		tables[core.IPv6Protocol] = opened
	}
	return nil
}

// familySets are the sets of one family, under the names that the controller gives them.
//
// Upstream creates an IPv6 set as `inet6:NAME` and writes NAME into the rule that uses it:
// ip6tables-restore then refuses all rules ("Set NAME doesn't exist") and every IPv6 packet passes. The
// controller hashes the family into NAME, so no prefix is needed to tell the families apart.
type familySets struct {
	*utils.IPSet
	family string
}

// RefreshSet makes a set of this family; the embedded handler would make one of IPv4.
func (s familySets) RefreshSet(name string, entries [][]string, kind string) {
	if s.Get(name) == nil {
		options := []string{kind, utils.OptionTimeout, "0", "family", s.family}
		s.Sets()[name] = &utils.Set{Parent: s.IPSet, Name: name, Options: options}
	}
	s.IPSet.RefreshSet(name, entries, kind)
}

// Save reads the sets of this family. The embedded handler reads all: it would write back the other
// family's members as they were at that time.
func (s familySets) Save() error {
	if err := s.IPSet.Save(); err != nil {
		return err
	}
	for name, set := range s.Sets() {
		if !isOf(set.Options, s.family) {
			delete(s.Sets(), name)
		}
	}
	return nil
}

// isOf reads the options of a set as `ipset save` prints them.
func isOf(options []string, family string) bool {
	at := slices.Index(options, "family")
	return at >= 0 && at+1 < len(options) && options[at+1] == family
}

// neighbours is the chain that lets the messages of RFC 4861 (types 133 to 136) pass.
const neighbours = "LAB-NEIGHBOURS"

// builtin are the chains that kube-router jumps from; it insists on the first place in each.
var builtin = []string{"INPUT", "FORWARD", "OUTPUT"}

// openTables keep one rule of ours before kube-router's in each builtin chain: a jump to neighbours.
// Upstream rejects the neighbour discovery of a pod under a policy, so some seconds after the policy even
// allowed peers cannot be found any more. To the controller the rule is invisible: it is left out of what
// is listed, and positions are translated. Others (kube-proxy) write to these chains too, so where the
// rule stands is looked up each time.
type openTables struct{ utils.IPTablesHandler }

func openNeighbours(tables utils.IPTablesHandler) (openTables, error) {
	open := openTables{tables}
	if err := tables.ClearChain("filter", neighbours); err != nil { // makes it if need be
		return open, err
	}
	for kind := 133; kind <= 136; kind++ {
		err := tables.Append("filter", neighbours, "-p", "ipv6-icmp", "--icmpv6-type", strconv.Itoa(kind), "-j", "ACCEPT")
		if err != nil {
			return open, err
		}
	}
	for _, chain := range builtin { // a restarted enforcer finds the rules of the one before
		if err := open.toTheTop(chain); err != nil {
			return open, err
		}
	}
	return open, nil
}

// toTheTop makes the jump the first rule of a chain.
func (t openTables) toTheTop(chain string) error {
	if err := t.DeleteIfExists("filter", chain, "-j", neighbours); err != nil {
		return err
	}
	return t.IPTablesHandler.Insert("filter", chain, 1, "-j", neighbours)
}

func (t openTables) Insert(table, chain string, position int, rule ...string) error {
	if !isBuiltin(table, chain) {
		return t.IPTablesHandler.Insert(table, chain, position, rule...)
	}
	if err := t.toTheTop(chain); err != nil {
		return err
	}
	return t.IPTablesHandler.Insert(table, chain, position+1, rule...)
}

func (t openTables) List(table, chain string) ([]string, error) {
	rules, err := t.IPTablesHandler.List(table, chain)
	if err != nil || !isBuiltin(table, chain) {
		return rules, err
	}
	return slices.DeleteFunc(rules, isJump), nil
}

// Delete takes a rule or, as its only word, the position of one.
func (t openTables) Delete(table, chain string, rule ...string) error {
	if len(rule) == 1 && isBuiltin(table, chain) {
		position, err := strconv.Atoi(rule[0])
		if err != nil {
			return err
		}
		rules, err := t.IPTablesHandler.List(table, chain)
		if err != nil {
			return err
		}
		// The list starts with the chain itself, at 0: rule N is at N.
		if ours := slices.IndexFunc(rules, isJump); ours > 0 && ours <= position {
			position++
		}
		rule = []string{strconv.Itoa(position)}
	}
	return t.IPTablesHandler.Delete(table, chain, rule...)
}

func isBuiltin(table, chain string) bool {
	return table == "filter" && slices.Contains(builtin, chain)
}

func isJump(rule string) bool {
	return strings.HasPrefix(rule, "-A ") && strings.HasSuffix(rule, " -j "+neighbours)
}
