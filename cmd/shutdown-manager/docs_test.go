package main

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

// foreign are flags of others that docs/shutdown.md names.
var foreign = []string{"drain-time-s", "disable-hot-restart", "event-ttl", "field-selector"}

// TestDocs: docs/shutdown.md names no flag that is not there, and its examples
// give one number in both places.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/shutdown.md")
	if err != nil {
		t.Fatal(err)
	}
	known := slices.Clone(foreign)
	for _, c := range rootCommand().Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	}
	for _, m := range regexp.MustCompile(`--([a-z][a-z-]+)`).FindAllSubmatch(text, -1) {
		if !slices.Contains(known, string(m[1])) {
			t.Errorf("there is no flag --%s", m[1])
		}
	}
	pod := regexp.MustCompile(`terminationGracePeriodSeconds: (\d+)`).FindSubmatch(text)
	flags := regexp.MustCompile(`--grace-period=(\d+)s`).FindAllSubmatch(text, -1)
	if pod == nil || len(flags) != 3 {
		t.Fatalf("%d examples with a grace period, want 3", len(flags))
	}
	for _, f := range flags {
		if string(f[1]) != string(pod[1]) {
			t.Errorf("--grace-period=%ss, but terminationGracePeriodSeconds: %s", f[1], pod[1])
		}
	}
}
