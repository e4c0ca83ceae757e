package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
)

// ingress is one of a group, with the codes that lint is to tell of it.
type ingress struct {
	namespace, path string // shop and / if empty
	annotations     []string
	codes           string
	verdict         inspect.Verdict
}

// causes are groups of Ingresses that share a host, and what is to be told of each: what
// stands in one, and what only several of them show.
var causes = map[string][]ingress{
	"nothing":              {{"", "", nil, "", inspect.Unchanged}},
	"a setting":            {{"", "", []string{"proxy-body-size: 8m"}, "", inspect.Unchanged}},
	"no effect":            {{"", "", []string{"proxy-buffer-size: 16k"}, "NoEffect", inspect.Unchanged}},
	"unknown":              {{"", "", []string{"secure-backends: 'true'"}, "UnknownAnnotation", inspect.Unchanged}},
	"a unit":               {{"", "", []string{"proxy-connect-timeout: 50s"}, "ValueIgnored", inspect.Unchanged}},
	"a bad range":          {{"", "", []string{"whitelist-source-range: 10.0.0.0/99"}, "PathsClosed SettingIgnored", inspect.NotAllowed}},
	"arguments":            {{"", "", []string{"rewrite-target: /$1?a=b"}, "BadRewrite", inspect.NotAllowed}},
	"a firewall":           {{"", "", []string{"enable-modsecurity: 'true'"}, "PathsClosed", inspect.NotAllowed}},
	"dropped there":        {{"", "", []string{"permanent-redirect: https://new$request_uri"}, "DroppedThere", inspect.Different}},
	"more open":            {{"", "", []string{"limit-connections: '5'"}, "MoreOpen", inspect.Undecided}},
	"a mirror":             {{"", "", []string{"mirror-target: http://web.shop.svc.cluster.local$request_uri"}, "", inspect.Unchanged}},
	"a mirror elsewhere":   {{"", "", []string{"mirror-target: http://web.tools.svc:80$request_uri"}, "", inspect.Unchanged}},
	"a mirror of nobody":   {{"", "", []string{"mirror-target: http://web.shop.svc:81$request_uri"}, "NotCopied", inspect.Undecided}},
	"a mirror outside":     {{"", "", []string{"mirror-target: https://copy.example.net$request_uri"}, "NameCopied", inspect.Undecided}},
	"a canary alone":       {{"", "", []string{"canary: 'true'", "canary-weight: '9'"}, "CanaryAlone", inspect.Undecided}},
	"a snippet":            {{"", "", []string{"configuration-snippet: 'more_set_headers \"a: b\";'"}, "ServedThere", inspect.Unchanged}},
	"patterns of another":  {{"", "/a", []string{"use-regex: 'true'"}, "HostPatterns", inspect.Unchanged}, {"", "/b", nil, "", inspect.Unchanged}},
	"paths without a rule": {{"", "/a", []string{"whitelist-source-range: 10.0.0.0/8"}, "HostLends", inspect.Unchanged}, {"", "/b", nil, "", inspect.Unchanged}},
	"a guard of another": {{"", "/", []string{"server-snippet: 'auth_request /check;'"}, "PathsClosed ServedThere SnippetNotUnderstood", inspect.NotAllowed},
		{"", "/b", nil, "ClosedByAnother", inspect.NotAllowed}},
	"certificates for another": {{"", "/", []string{"auth-tls-secret: shop/none"}, "ClientsClosed", inspect.NotAllowed}, {"", "/b", nil, "ClosedByAnother", inspect.NotAllowed}},
	"another namespace":        {{"", "/", nil, "HostClaimed", inspect.Unchanged}, {"tools", "/b", nil, "HostShared", inspect.Unchanged}},
	"the same path":            {{"", "/", nil, "", inspect.Unchanged}, {"", "/", nil, "PathTaken", inspect.Undecided}},
}

// told is what lint is to say of Ingresses, and says.
type told struct {
	codes    map[string]string // by object, sorted
	verdicts map[inspect.Verdict]int
}

// manifests writes at least n Ingresses of a class of ingress-nginx, with all causes in
// turn, and returns what is to be told.
func manifests(t testing.TB, n int) (folder string, want told) {
	t.Helper()
	var b strings.Builder
	b.WriteString("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx, parameters: {kind: ConfigMap, name: all, namespace: all, scope: Namespace}}\n" +
		"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: all, namespace: all}\ndata: {namespace-hosts: '0', namespace-routes: '0', namespace-tls-hosts: '0', namespace-bytes: '0'}\n")
	for _, namespace := range []string{"shop", "tools"} {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: %s}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n", namespace)
	}
	want = told{map[string]string{}, map[inspect.Verdict]int{}}
	names := slices.Sorted(maps.Keys(causes))
	for host := 0; len(want.codes) < n; host++ {
		for i, one := range causes[names[host%len(names)]] {
			namespace, name := cmp.Or(one.namespace, "shop"), fmt.Sprintf("i%04d-%d", host, i)
			fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n  namespace: %s\n  labels: {team: team-%d}\n  annotations:\n    example.com/a: b\n", name, namespace, host%3)
			for _, a := range one.annotations {
				b.WriteString("    nginx.ingress.kubernetes.io/" + a + "\n")
			}
			fmt.Fprintf(&b, "spec:\n  ingressClassName: nginx\n  rules: [{host: h%d.test, http: {paths: [{path: %s, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]\n",
				host, cmp.Or(one.path, "/"))
			want.codes["Ingress "+namespace+"/"+name] = one.codes
			want.verdicts[one.verdict]++
		}
	}
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "all.yaml"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, want
}

// TestLint: of 2,000 Ingresses all that is known to be wrong is told, with its place, and
// nothing else.
func TestLint(t *testing.T) {
	folder, want := manifests(t, 2000)
	status, out, _ := legation("lint", folder, "-o", "json")
	if status != 1 {
		t.Error("the exit status does not say that something is refused")
	}
	var l inspect.Lint
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(l.Verdicts, want.verdicts) || l.Ingresses != len(want.codes) {
		t.Errorf("%d Ingresses: %v, want %v", l.Ingresses, l.Verdicts, want.verdicts)
	}
	got := map[string][]string{}
	for _, p := range l.Problems {
		if got[p.Object] = append(got[p.Object], string(p.Code)); p.File == "" || p.Field == "" || want.codes[p.Object] == "" {
			t.Errorf("%+v is invented, or has no place", p)
		}
	}
	for object, codes := range want.codes {
		list := slices.Compact(slices.Sorted(slices.Values(got[object])))
		if text := strings.Join(list, " "); text != codes {
			t.Errorf("%s: %q, want %q", object, text, codes)
		}
	}
	for _, c := range l.Causes {
		if c.Objects == 0 || c.Do == "" || len(c.Examples) != min(3, c.Objects) {
			t.Errorf("a cause without an example or advice: %+v", c)
		}
	}
}

// BenchmarkLint lints 2,000 Ingresses of a folder.
func BenchmarkLint(b *testing.B) {
	folder, _ := manifests(b, 2000)
	for b.Loop() {
		legation("lint", folder, "-o", "json")
	}
}

// TestLintBaseline: what was recorded counts for nothing; what is new does.
func TestLintBaseline(t *testing.T) {
	folder, want := manifests(t, len(causes))
	record := filepath.Join(t.TempDir(), "known.json")
	if status, _, text := legation("lint", folder, "--record", record); status != 0 {
		t.Fatal(text)
	}
	if status, out, _ := legation("lint", folder, "--baseline", record); status != 0 || !strings.HasPrefix(out, fmt.Sprintf("%d Ingresses: %[1]d move unchanged", len(want.codes))) {
		t.Errorf("%d: %s", status, out)
	}
	folder, more := manifests(t, 2*len(want.codes))
	refused := fmt.Sprintf(", %d would be refused", more.verdicts[inspect.NotAllowed]-want.verdicts[inspect.NotAllowed])
	if status, out, _ := legation("lint", folder, "--baseline", record); status != 1 || !strings.Contains(out, refused) {
		t.Errorf("%d: %s, want%s", status, out, refused)
	}
}

// TestLintFormats: what other programs read can be read.
func TestLintFormats(t *testing.T) {
	folder, _ := manifests(t, len(causes))
	_, out, _ := legation("lint", folder, "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) < len(causes) || rows[0][0] != "verdict" {
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
	for by, want := range map[string]string{"namespace": "\nNAMESPACE  UNCHANGED ", "label=team": "\nteam-2 ", "label=none": "\n(none) "} {
		if _, out, _ := legation("lint", folder, "--by", by); !strings.Contains(out, want) {
			t.Errorf("--by %s: no %q in\n%s", by, want, out)
		}
	}
}

// TestLintVersion: what the version that they come from made of a value comes first, and
// decides whether it is a difference.
func TestLintVersion(t *testing.T) {
	folder, _ := manifests(t, len(causes))
	for version, want := range map[string]string{"1.11": "ServedThere,Ingress shop/", "1.15.1": "DroppedThere,Ingress shop/"} {
		_, out, _ := legation("lint", folder, "-o", "csv", "--nginx-version", version)
		i := strings.Index(out, "https://new$request_uri")
		if line := out[strings.LastIndex(out[:max(0, i)], "\n")+1:]; i < 0 || !strings.Contains(line[:min(len(line), 80)], want) {
			t.Errorf("%s: no %q in %s", version, want, out)
		}
	}
	for _, args := range [][]string{{"--nginx-version", "2"}, {"--by", "label="}, {"--by", "team"}} {
		if status, _, _ := legation(append([]string{"lint", folder}, args...)...); status != cli.Wrong {
			t.Errorf("%v: status %d", args, status)
		}
	}
}
