package nginx

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// at is an answer of a backend, own one of the proxy.
func at(status, port int) Answer { return Answer{Status: status, Upstream: &upstream{Port: port}} }
func own(status int) Answer      { return Answer{Status: status} }

func TestDiffer(t *testing.T) {
	found := map[string]string{"location": "/"}
	for _, test := range []struct {
		name      string
		got, want Answer
		Differ    string
	}{
		{"equal", at(200, 1), at(200, 1), ""},
		{"status", own(503), own(403), "status 503, not 403"},
		{"no backend", own(404), at(200, 18001), "status 404, not 200; upstream none, not there"},
		{"other backend", at(200, 2), at(200, 1), "upstream.port 2, not 1"},
		{"another case's backend", Answer{Upstream: &upstream{Foreign: "127.0.0.9"}}, at(0, 0), "upstream.foreign 127.0.0.9, not none"},
		{"header too many", Answer{Status: 302, Headers: found}, own(302), "headers.location /, not none"},
		{"no answer", Answer{Error: "EOF"}, own(400), "error EOF, not none; status none, not 400"},
		{"counts", Answer{Counts: map[string]int{"200@1": 2}}, Answer{Counts: map[string]int{"200@1": 1, "503@-": 1}},
			"counts.200@1 2, not 1; counts.503@- none, not 1"},
	} {
		if got := Differ(test.got, test.want); got != test.Differ {
			t.Errorf("%s: %q, want %q", test.name, got, test.Differ)
		}
	}
}

func TestLetThrough(t *testing.T) {
	many := func(served, refused int) Answer {
		return Answer{Counts: map[string]int{"200@1": served, "503@-": refused}}
	}
	for _, test := range []struct {
		name      string
		got, want Answer
		through   bool
	}{
		{"refused by both", own(503), own(403), false},
		{"served where nginx refuses", at(200, 1), own(403), true},
		{"redirect of a backend where nginx refuses", at(302, 1), own(401), true},
		{"served where nginx leads to a login", at(200, 1), own(302), true},
		{"redirect of our own where nginx refuses", own(308), own(403), false},
		{"refused by the backend itself", at(401, 1), own(401), false},
		{"served by both", at(200, 2), at(200, 1), false},
		{"a backend's 404 in both", at(404, 1), at(404, 1), false},
		{"served where the backend refused", at(200, 1), at(404, 1), false},
		{"more than the limit", many(7, 8), many(6, 9), true},
		{"fewer than the limit", many(5, 10), many(6, 9), false},
	} {
		if got := LetThrough(test.got, test.want); got != test.through {
			t.Errorf("%s: %t, want %t", test.name, got, test.through)
		}
	}
}

func TestJudge(t *testing.T) {
	listed := []row{{"01-a", "1 GET /", "status 1, not 2", "why"}, {"01-a", "2 GET /", "status 1, not 2", "why"}, {"02-b", "1 GET /", "x", "why"}}
	now := []row{{Case: "01-a", Request: "1 GET /", What: "status 1, not 2"}, {Case: "01-a", Request: "2 GET /", What: "status 3, not 2"}, {Case: "03-c", Request: "1 GET /", What: "y"}}
	want := verdict{Unlisted: now[2:], Changed: now[1:2], Stale: listed[2:]}
	if d := cmp.Diff(want, judge(now, listed)); d != "" {
		t.Error(d)
	}
}

// TestRows: a table is read as it was written, and a row without a reason is refused.
func TestRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.tsv")
	rows := []row{{"a", "1", "x", "old"}, {"b", "2", "y", "new"}}
	if err := writeRows(path, rows); err != nil {
		t.Fatal(err)
	}
	got, err := readRows(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]row{{"a", "1", "x", "old"}, {"b", "2", "y", "new"}}, got); d != "" {
		t.Error(d)
	}
	if err := writeRows(path, []row{{Case: "a", Request: "1", What: "x"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := readRows(path); err == nil {
		t.Error("a row without a reason is read")
	}
	if got, err := readRows(path + ".none"); len(got) > 0 || err != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
}
