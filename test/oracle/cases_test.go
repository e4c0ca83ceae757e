//go:build real

package oracle

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"legation.dev/test/kube"
	"legation.dev/test/nginx"
)

var update = flag.Bool("update", false, "write the answers of our own cases into their files")

func TestMain(m *testing.M) { kube.Main(m) }

// older are the requests of handed cases that 1.11, which is asked here, answers otherwise
// than 1.15.1, whose answers are in the files and win.
var older = map[string]string{
	"32-redirects 2":              "a variable in permanent-redirect is let by",
	"43-behind-a-load-balancer 3": "X-Original-Forwarded-Host is not sent",
}

// TestCases asks the real one what it was asked when the cases were made, and our own.
func TestCases(t *testing.T) {
	cases := nginx.ReadCases(t)
	nginx.Backends(t, cases)
	nginx.StartDNS(t, dnsPort, cases)
	byClass := map[string][]*nginx.Case{}
	for _, c := range cases {
		byClass[c.Class] = append(byClass[c.Class], c)
	}
	seen := map[string]bool{}
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		t.Run(class, func(t *testing.T) { askCases(t, byClass[class], seen) })
	}
	for name := range older {
		if differs, asked := seen[name]; asked && !differs {
			t.Errorf("%s is answered as by 1.15.1: take it out of the list", name)
		}
	}
}

// askCases asks cases that one controller can serve together.
func askCases(t *testing.T, cases []*nginx.Case, seen map[string]bool) {
	o := start(t, strings.Fields(cases[0].Flags)...)
	o.serve(t, cases)
	for _, c := range cases {
		var answers []nginx.Answer
		for _, r := range c.Requests {
			got, err := o.client(c).Ask(r)
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, got)
		}
		if own(c) && *update {
			if err := c.Record(answers); err != nil {
				t.Error(err)
			}
			continue
		}
		if len(c.Want) == 0 {
			t.Errorf("case %s has no answers: -update writes them", c.Name)
			continue
		}
		for i, got := range answers {
			name, what := fmt.Sprint(c.Name, " ", i+1), nginx.Differ(got, c.Want[i])
			seen[name] = what != ""
			if what != "" && older[name] == "" {
				t.Errorf("%s, %s: %s", name, c.Requests[i], what)
			}
		}
	}
}

// own reports whether a case is one of ours: those that were handed are of 1.15.1.
func own(c *nginx.Case) bool { return c.Number >= "60" }
