//go:build real

package oracle

import (
	"flag"
	"testing"

	"legation.dev/test/kube"
	"legation.dev/test/nginx"
)

var update = flag.Bool("update", false, "write the answers of our own cases into their files")

func TestMain(m *testing.M) { kube.Main(m) }

// TestCases asks the real one what it was asked when the cases were made, and our own.
func TestCases(t *testing.T) {
	cases := nginx.ReadCases(t)
	nginx.Backends(t, cases)
	nginx.StartDNS(t, dnsPort, cases)
	byClass := map[string][]*nginx.Case{}
	var order []string
	for _, c := range cases {
		if byClass[c.Class] == nil {
			order = append(order, c.Class)
		}
		byClass[c.Class] = append(byClass[c.Class], c)
	}
	for _, class := range order {
		t.Run(class, func(t *testing.T) { askCases(t, byClass[class]) })
	}
}

// askCases asks cases that one controller can serve together.
func askCases(t *testing.T, cases []*nginx.Case) {
	first := cases[0]
	var flags []string
	if first.Flags != "" {
		flags = []string{first.Flags}
	}
	o := start(t, flags...)
	var objects []nginx.Manifest
	for _, c := range cases {
		list, err := c.Apart()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, list...)
	}
	o.serve(t, first.Class, first.Settings, objects)
	for _, c := range cases {
		client := &nginx.Client{HTTP: listening + ":80", HTTPS: listening + ":443", Of: c}
		same := 0
		for i, r := range c.Requests {
			got, err := client.Ask(r)
			if err != nil {
				t.Fatal(err)
			}
			if what := nginx.Differ(got, c.Want[i]); what != "" {
				t.Logf("%s, request %d %s: %s", c.Name, i+1, r, what)
			} else {
				same++
			}
		}
		t.Logf("%-32s %2d/%d", c.Name, same, len(c.Requests))
	}
}
