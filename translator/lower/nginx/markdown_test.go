package nginx

import (
	"flag"
	"os"
	"testing"

	"legation.dev/translator/policy"
)

var update = flag.Bool("update", false, "rewrite docs/ingress-nginx.md")

// page is generated from the table.
const page = "../../../docs/ingress-nginx.md"

// TestTable: each annotation that is a setting says one of ours that an Ingress may have,
// and nothing else is among the words; the others say why.
func TestTable(t *testing.T) {
	known := map[string]bool{}
	for _, s := range policy.Table() {
		known[s.Name] = s.Scopes&policy.OnIngress != 0
	}
	for i, a := range annotations {
		if i > 0 && annotations[i-1].name >= a.name {
			t.Errorf("%s is not in order", a.name)
		}
		if says := len(words[a.name]) > 0; says != (a.as == setting) {
			t.Errorf("%s is among the words: %t", a.name, says)
		}
		for _, w := range words[a.name] {
			if !known[w.Setting] {
				t.Errorf("%s: an Ingress has no setting %s", a.name, w.Setting)
			}
		}
		if a.as == notYet || a.as != setting && a.why == "" {
			t.Errorf("%s says no reason", a.name)
		}
	}
}

// TestMarkdown holds docs/ingress-nginx.md against the table.
func TestMarkdown(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(Markdown()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Markdown() {
		t.Errorf("%s is not what the table says: run go test ./translator/lower/nginx -update", page)
	}
}
