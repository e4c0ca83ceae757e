package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"legation.dev/inspect"
)

// planted are annotations of Ingresses, the verdict on them and the code behind it; each
// index of an Ingress has those of its remainder.
var planted = []struct {
	annotation string // without the prefix of ingress-nginx
	verdict    inspect.Verdict
	code       string
}{
	{"", inspect.Unchanged, ""},
	{"proxy-body-size: 8m", inspect.Unchanged, ""},
	{"proxy-buffer-size: 16k", inspect.Unchanged, "NoEffect"},
	{"secure-backends: 'true'", inspect.Unchanged, "UnknownAnnotation"},
	{"proxy-connect-timeout: 50s", inspect.Unchanged, "ValueIgnored"},
	{"whitelist-source-range: 10.0.0.0/99", inspect.NotAllowed, "PathsClosed"},
	{"rewrite-target: /$1?a=b", inspect.NotAllowed, "BadRewrite"},
	{"enable-modsecurity: 'true'", inspect.NotAllowed, "PathsClosed"},
}

// manifests writes n Ingresses of a class of ingress-nginx.
func manifests(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx}\n")
	b.WriteString("---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n")
	for i := range n {
		annotations := ""
		if a := planted[i%len(planted)].annotation; a != "" {
			annotations = "\n    nginx.ingress.kubernetes.io/" + a
		}
		fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i%d\n  namespace: shop\n  annotations:%s\n"+
			"spec:\n  ingressClassName: nginx\n  rules: [{host: h%d.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]\n", i, annotations, i)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "all.yaml"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestLint: all that is planted is found, and nothing else.
func TestLint(t *testing.T) {
	const each = 10
	folder := manifests(t, each*len(planted))
	status, out, _ := legation("lint", folder, "-o", "json")
	if status != 1 {
		t.Error("the exit status does not say that something is refused")
	}
	var l inspect.Lint
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		t.Fatal(err)
	}
	want, codes := map[inspect.Verdict]int{}, map[string]int{}
	for _, p := range planted {
		want[p.verdict] += each
		if p.code != "" {
			codes[p.code] += each
		}
	}
	for _, v := range inspect.Verdicts {
		if l.Verdicts[v] != want[v] {
			t.Errorf("%s: %d Ingresses, want %d", v, l.Verdicts[v], want[v])
		}
	}
	got := map[string]int{}
	for _, p := range l.Problems {
		got[string(p.Code)]++
		if p.File == "" || !strings.HasPrefix(p.Field, "metadata.annotations.") {
			t.Errorf("%+v names no place", p)
		}
	}
	delete(got, "SettingIgnored") // says why the address range closes its paths
	for code := range got {
		if got[code] != codes[code] {
			t.Errorf("%s: %d, want %d", code, got[code], codes[code])
		}
	}
	for code := range codes {
		if got[code] == 0 {
			t.Errorf("%s is not found", code)
		}
	}
}

// TestLintBaseline: what was recorded counts for nothing; what is new does.
func TestLintBaseline(t *testing.T) {
	folder, record := manifests(t, len(planted)), filepath.Join(t.TempDir(), "known.json")
	if status, _, text := legation("lint", folder, "--record", record); status != 0 {
		t.Fatal(text)
	}
	if status, out, _ := legation("lint", folder, "--baseline", record); status != 0 || !strings.HasPrefix(out, "8 Ingresses: 8 move unchanged") {
		t.Errorf("%d: %s", status, out)
	}
	if status, out, _ := legation("lint", manifests(t, 2*len(planted)), "--baseline", record); status != 1 || !strings.Contains(out, "3 would be refused") {
		t.Errorf("%d: %s", status, out)
	}
}

// TestLintFormats: what other programs read can be read.
func TestLintFormats(t *testing.T) {
	folder := manifests(t, len(planted))
	_, out, _ := legation("lint", folder, "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) < len(planted)-2 || rows[0][0] != "verdict" {
		t.Errorf("csv: %v, %q", err, rows)
	}
	_, out, _ = legation("lint", folder, "-o", "sarif")
	var report struct {
		Version string
		Runs    []struct {
			Results []struct {
				RuleID    string
				Locations []any
			}
		}
	}
	if err := json.NewDecoder(bytes.NewBufferString(out)).Decode(&report); err != nil || report.Version != "2.1.0" || len(report.Runs) != 1 || len(report.Runs[0].Results) != len(rows)-1 {
		t.Fatalf("sarif: %v, %+v", err, report)
	}
	for _, r := range report.Runs[0].Results {
		if r.RuleID == "" || len(r.Locations) != 1 {
			t.Errorf("sarif: %+v", r)
		}
	}
	if _, out, _ := legation("lint", folder, "--by", "namespace"); !strings.Contains(out, "\nshop ") {
		t.Errorf("no namespace in\n%s", out)
	}
}
