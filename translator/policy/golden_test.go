package policy

import (
	"os"
	"strings"
	"testing"

	"legation.dev/object"
)

// defaultsPage is Defaults as Values.String prints it.
const defaultsPage = "testdata/defaults.txt"

// TestDefaultsText: the canonical text of the defaults is the one that is
// recorded. A new setting adds a line; no line changes its form.
func TestDefaultsText(t *testing.T) {
	got := Defaults().String() + "\n"
	if *update {
		if err := os.WriteFile(defaultsPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(defaultsPage)
	if err != nil || string(want) != got {
		t.Errorf("defaults are not those of %s (%v):\n%s", defaultsPage, err, got)
	}
}

// TestClusterNames: a hash stands in the name of a cluster, and a cluster that
// is renamed loses its connections. So these bytes stay, whatever is renamed or
// moved here; they are written by hand, and no flag rewrites them.
func TestClusterNames(t *testing.T) {
	for _, c := range []struct {
		annotations map[string]string
		text, hash  string
	}{
		{map[string]string{"max-connections": "10"}, "max-connections=10", "f6292ac6811f"},
		{map[string]string{"upstream-connect-timeout": "2000ms", "max-pending-requests": "7", "idle-timeout": "5s"},
			"max-pending-requests=7,upstream-connect-timeout=2s", "ce7cb498e69c"},
		{map[string]string{"load-balancing": "ring-hash", "hash-by": "header:X-User", "upstream-preset": "tomcat", "upstream-idle-timeout": "10s"},
			"upstream-preset=tomcat,hash-by=header:x-user,load-balancing=ring-hash,upstream-idle-timeout=10s", "a538c896faaf"},
		{map[string]string{"outlier-errors": "off", "health-check-path": "/healthz", "upstream-max-lifetime": "90m", "drain-duration": "1m"},
			"drain-duration=1m0s,health-check-path=/healthz,outlier-errors=off,upstream-max-lifetime=1h30m0s", "902805c480be"},
	} {
		o, errs := OfIngress(object.Ref{}, prefixed(c.annotations))
		o = o.Upstream()
		if len(errs) > 0 || o.String() != c.text || o.Hash() != c.hash {
			t.Errorf("%v:\n%s %s, want\n%s %s (%v)", c.annotations, o, o.Hash(), c.text, c.hash, errs)
		}
	}
}

// prefixed are settings as annotations.
func prefixed(settings map[string]string) map[string]string {
	annotations := map[string]string{}
	for name, text := range settings {
		annotations[Prefix+name] = text
	}
	return annotations
}

// BenchmarkOfIngress reads ten settings between ten annotations of others.
func BenchmarkOfIngress(b *testing.B) {
	annotations := prefixed(map[string]string{
		"idle-timeout": "30s", "load-balancing": "least-request", "max-connections": "100", "max-request-body": "8Mi", "per-try-timeout": "2s",
		"request-timeout": "10s", "retries": "1", "retry-idempotent": "true", "ssl-redirect": "false", "upstream-idle-timeout": "4s",
	})
	for _, name := range strings.Split("abcdefghij", "") {
		annotations["example.com/"+name] = "x"
	}
	of := object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "web"}
	b.ReportAllocs()
	for b.Loop() {
		if o, errs := OfIngress(of, annotations); len(o) != 10 || len(errs) > 0 {
			b.Fatal(o, errs)
		}
	}
}
