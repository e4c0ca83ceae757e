//go:build real

package nginx

import (
	"flag"
	"fmt"
	"testing"
)

var update = flag.Bool("update", false, "write the list of docs/differences.md, and take out of testdata/open.tsv what is mended")

const (
	openFile = "testdata/open.tsv"
)

// TestCases asks what ingress-nginx was asked.
func TestCases(t *testing.T) {
	cases := ReadCases(t)
	for _, c := range cases {
		if c.Want == nil {
			t.Fatalf("case %s has no answers: go test -tags real ./test/oracle -run TestCases -update asks for them", c.Name)
		}
	}
	Backends(t, cases)
	clients := Serve(t, cases)
	var differ, open []row
	total, same := 0, 0
	for i, c := range cases {
		d, o, known := clients[i].askAll(t)
		differ, open = append(differ, d...), append(open, o...)
		equal := len(c.Requests) - len(d) - len(o) - known
		total, same = total+len(c.Requests), same+equal
		t.Logf("%-32s %2d/%d", c.Name, equal, len(c.Requests))
	}
	t.Logf("%-32s %d/%d, %.1f %%", "all", same, total, 100*float64(same)/float64(total))
	for _, r := range differ {
		t.Errorf("%s, request %s: %s, which is none of the Differences", r.Case, r.Request, r.What)
	}
	holdOpen(t, open)
}

// askAll asks all requests of a case. What is let through is not among what differs, and
// neither is what is known to, which is counted.
func (c *Client) askAll(t *testing.T) (differs, open []row, known int) {
	t.Helper()
	for i, r := range c.Of.Requests {
		got, err := c.Ask(r)
		if err != nil {
			t.Fatal(err)
		}
		found := row{Case: c.Of.Name, Request: fmt.Sprint(i+1, " ", r), What: Differ(got, c.Of.Want[i])}
		switch {
		case LetThrough(got, c.Of.Want[i]):
			open = append(open, found)
		case found.What == "":
		case isKnown(Asked{c.Of, r}, got, c.Of.Want[i]):
			known++
		default:
			differs = append(differs, found)
		}
	}
	return differs, open, known
}

func isKnown(a Asked, got, want Answer) bool {
	_, all := Known(a, got, want)
	return all
}

// holdOpen holds what is let through against the list, which -update only shortens.
func holdOpen(t *testing.T, now []row) {
	t.Helper()
	listed, err := readRows(openFile)
	if err != nil {
		t.Fatal(err)
	}
	v := judge(now, listed)
	for _, r := range v.Unlisted {
		t.Errorf("%s, request %s is let through, and ingress-nginx refuses or redirects it: %s", r.Case, r.Request, r.What)
	}
	for _, r := range v.Changed {
		t.Errorf("%s, request %s is let through otherwise than its row says: %s", r.Case, r.Request, r.What)
	}
	kept := judge(v.Stale, listed).Stale // those that are let through still
	if *update {
		if err := writeRows(openFile, kept); err != nil {
			t.Fatal(err)
		}
	} else {
		for _, r := range v.Stale {
			t.Errorf("%s, request %s is not let through any more: remove the row (-update does)", r.Case, r.Request)
		}
	}
	for _, r := range kept {
		t.Logf("OPEN: %s, request %s: %s (%s)", r.Case, r.Request, r.What, r.Reason)
	}
}
