package translator

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"legation.dev/translator/policy"
)

// withoutEnvoy are the settings whose behaviour is not that of Envoy, or that no
// test on a real one can tell from their absence, with the reason.
var withoutEnvoy = map[string]string{
	"external-name-suffixes": "what is outside of them never gets to Envoy: a cluster without endpoints, as with external-names off; scenario names-refused",
	"slow-start":             "a share of the requests that grows with time: Envoy's own random draws, of which no count tells in a short test",
}

// TestEverySetting: each setting stands in a scenario, which shows its effect on
// the snapshot, and in a test on the real Envoy, or there is a reason why not.
func TestEverySetting(t *testing.T) {
	scenarios := contents(t, "testdata/*.txtar")
	real := contents(t, "../test/*/*_test.go", "../test/inprocess/*.go")
	for _, s := range policy.Table() {
		name := regexp.QuoteMeta(s.Name)
		if !regexp.MustCompile(`(legation\.dev/|[{, ])` + name + `: `).MatchString(scenarios) {
			t.Errorf("%s stands in no scenario", s.Name)
		}
		_, excused := withoutEnvoy[s.Name]
		if tested := strings.Contains(real, `"`+s.Name+`"`); tested == excused {
			t.Errorf("%s: in a test on a real Envoy: %t; reason why not: %q", s.Name, tested, withoutEnvoy[s.Name])
		}
	}
}

// contents are those of all files that match.
func contents(t *testing.T, patterns ...string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pattern, err)
		}
		for _, file := range files {
			if strings.Contains(file, "test/deploy/") {
				continue // the chart only hands settings on
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}
