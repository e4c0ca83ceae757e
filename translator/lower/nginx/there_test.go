package nginx

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestThere: what each version made of an annotation, the one that is asked for first.
func TestThere(t *testing.T) {
	said := map[string]string{Prefix + "permanent-redirect": "https://new$request_uri", Prefix + "temporal-redirect": "https://ok.test/?a=b&c=%", Prefix + locationSnippet: "etag on;",
		Prefix + "app-root": "/$1", Prefix + serverSnippet: "", "other.io/permanent-redirect": "$"}
	for text, want := range map[string]struct {
		begins  string
		dropped bool
	}{"1.11": {"1.11 ", false}, "v1.9.6": {"1.11 ", false}, "1.12.0": {"1.12 to 1.15 ", true}, "1.15.1": {"1.12 to 1.15 ", true}} {
		v, err := ParseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		list := There(v, said)
		if len(list) != 3 || list[0].Field != field(locationSnippet) || list[1].Field != field("permanent-redirect") || list[2].Field != field("temporal-redirect") {
			t.Fatalf("%s: %+v", text, list)
		}
		for _, told := range list {
			if told.Dropped != (want.dropped && told.Field != field(locationSnippet)) || !strings.HasPrefix(told.Text, want.begins) {
				t.Errorf("%s: %+v", text, told)
			}
		}
	}
	for _, bad := range []string{"", "2.1", "1", "1.16", "1.x", "latest"} {
		if _, err := ParseVersion(bad); err == nil {
			t.Errorf("%q is a version", bad)
		}
	}
}

// TestRefusedThere: what 1.12 to 1.15 drop an Ingress for is what ingress-nginx's own parser
// was seen to.
func TestRefusedThere(t *testing.T) {
	text, err := os.ReadFile("testdata/there.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		fate, values, ok := strings.Cut(rest, " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		seen[name] = true
		for values = strings.TrimSpace(values); values != ""; values = strings.TrimSpace(values) {
			quoted, err := strconv.QuotedPrefix(values)
			if err != nil {
				t.Fatal(name, err)
			}
			values = values[len(quoted):]
			value, _ := strconv.Unquote(quoted)
			if refusedThere(name, value) != (fate == "dropped") {
				t.Errorf("%s: %s is to be %s", name, quoted, fate)
			}
		}
	}
	for name := range takes {
		if !seen[name] {
			t.Errorf("nobody has seen what is made of %s", name)
		}
	}
	if len(seen) != len(takes) {
		t.Errorf("%d annotations were seen, and %d are known", len(seen), len(takes))
	}
}

// TestMoreOpen: only with a value that keeps something out.
func TestMoreOpen(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        bool
	}{{"limit-connections", "5", true}, {"limit-connections", "0", false}, {"proxy-ssl-verify", "on", true}, {"proxy-ssl-verify", "off", false}, {"mirror-target", "x", false}} {
		if got := MoreOpen(field(c.name), c.value) != ""; got != c.want {
			t.Errorf("%s=%s: %t", c.name, c.value, got)
		}
	}
	if MoreOpen("spec.rules", "") != "" {
		t.Error("a field that is no annotation is more open")
	}
}
