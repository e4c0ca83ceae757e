//go:build real

package nginx

import (
	"flag"
	"fmt"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/differences.tsv, and take out of testdata/open.tsv what is mended")

const (
	differencesFile = "testdata/differences.tsv"
	openFile        = "testdata/open.tsv"
	// notYet is the reason of a row until somebody knows a better one.
	notYet = "not built yet"
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
		d, o := clients[i].askAll(t)
		differ, open = append(differ, d...), append(open, o...)
		equal := len(c.Requests) - len(d) - len(o)
		total, same = total+len(c.Requests), same+equal
		t.Logf("%-32s %2d/%d", c.Name, equal, len(c.Requests))
	}
	t.Logf("%-32s %d/%d, %.1f %%", "all", same, total, 100*float64(same)/float64(total))
	hold(t, differ)
	holdOpen(t, open)
}

// askAll asks all requests of a case. What is let through is not among what differs.
func (c *Client) askAll(t *testing.T) (differs, open []row) {
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
		case found.What != "":
			differs = append(differs, found)
		}
	}
	return differs, open
}

// hold holds what differs against the table.
func hold(t *testing.T, now []row) {
	t.Helper()
	listed, err := readRows(differencesFile)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := writeRows(differencesFile, reasoned(now, listed, notYet)); err != nil {
			t.Fatal(err)
		}
		return
	}
	v := judge(now, listed)
	for _, r := range v.Unlisted {
		t.Errorf("%s, request %s: %s", r.Case, r.Request, r.What)
	}
	for _, r := range v.Changed {
		t.Errorf("%s, request %s differs otherwise than its row says: %s", r.Case, r.Request, r.What)
	}
	for _, r := range v.Stale {
		t.Errorf("%s, request %s: the answer is that of ingress-nginx: remove the row (-update does)", r.Case, r.Request)
	}
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
