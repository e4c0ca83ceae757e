package docs

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// alertFolder has the rules of the chart, and the tests of promtool.
const alertFolder = root + "/deploy/helm/legation/alerts/"

// runbookURL begins the address of a chapter of docs/runbook.md.
const runbookURL = "https://legation.dev/docs/runbook.md#"

// rule is an alert.
type rule struct {
	Alert, Expr string
	Annotations map[string]string
}

// alerts are those of all files, by name.
func alerts(t *testing.T) map[string]rule {
	t.Helper()
	all := map[string]rule{}
	for _, file := range alertFiles(t, false) {
		var list struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal([]byte(read(t, file)), &list); err != nil {
			t.Fatal(err)
		}
		for _, g := range list.Groups {
			for _, r := range g.Rules {
				all[r.Alert] = r
			}
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d alerts were found", len(all))
	}
	return all
}

// alertFiles are those with the rules, or those that test them.
func alertFiles(t *testing.T, tests bool) (list []string) {
	t.Helper()
	files, err := filepath.Glob(alertFolder + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.yaml") == tests {
			list = append(list, f)
		}
	}
	return list
}

// TestRunbook: each alert has a chapter and says where it is, each chapter has an alert, and
// says what it means for requests, how to see it, and what to do.
func TestRunbook(t *testing.T) {
	page, all := read(t, root+"/docs/runbook.md"), alerts(t)
	for name, r := range all {
		if want := runbookURL + strings.ToLower(name); r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", name, r.Annotations["runbook_url"], want)
		}
		if !hasAnchor(page, strings.ToLower(name)) {
			t.Errorf("docs/runbook.md has no chapter %s", name)
		}
	}
	chapters := strings.Split(page, "\n### ")[1:]
	for _, c := range chapters {
		name, text, _ := strings.Cut(c, "\n")
		if _, ok := all[name]; !ok {
			t.Errorf("docs/runbook.md has a chapter of %s, which is no alert", name)
		}
		for _, part := range []string{"**Requests:** ", "**See:** ", "**Do:** "} {
			if !strings.Contains(text, "\n"+part) {
				t.Errorf("docs/runbook.md: %s lacks %s", name, part)
			}
		}
	}
}

// TestAlertsAreTested: promtool sees each alert fire, and later not.
func TestAlertsAreTested(t *testing.T) {
	type look struct {
		Alertname string
		Expected  []any `json:"exp_alerts"`
	}
	fired, cleared := map[string]bool{}, map[string]bool{}
	for _, file := range alertFiles(t, true) {
		var list struct {
			Tests []struct {
				Looks []look `json:"alert_rule_test"`
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, file)), &list); err != nil {
			t.Fatal(err)
		}
		for _, one := range list.Tests {
			now := map[string]bool{} // what fires; looks are in order of time
			for _, l := range one.Looks {
				cleared[l.Alertname] = cleared[l.Alertname] || now[l.Alertname] && len(l.Expected) == 0
				now[l.Alertname] = len(l.Expected) > 0
				fired[l.Alertname] = fired[l.Alertname] || len(l.Expected) > 0
			}
		}
	}
	for name := range alerts(t) {
		if !fired[name] || !cleared[name] {
			t.Errorf("of %s it is tested that it fires: %t, and that it clears: %t", name, fired[name], cleared[name])
		}
	}
}

var (
	named   = regexp.MustCompile("`(?:kubectl [^`]*-- )?((?:legation|shutdown-manager) [^`]*)`")
	use     = regexp.MustCompile(`Use: +(?:use \+ )?"([a-z-]+)?`)
	ordered = regexp.MustCompile(`\.command\("([a-z]+)"`)
	option  = regexp.MustCompile(`--[a-z][a-z-]+`)
)

// TestRunbookCommands: the commands and flags that the runbook and the alerts name exist.
func TestRunbookCommands(t *testing.T) {
	commands := map[string][]string{}
	source := map[string]string{}
	for _, program := range []string{"legation", "shutdown-manager"} {
		files, err := filepath.Glob(root + "/cmd/" + program + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text := read(t, f)
			source[program] += text
			for _, m := range append(use.FindAllStringSubmatch(text, -1), ordered.FindAllStringSubmatch(text, -1)...) {
				commands[program] = append(commands[program], m[1])
			}
		}
	}
	text := read(t, root+"/docs/runbook.md")
	for name, r := range alerts(t) {
		text += fmt.Sprint(name, r.Annotations)
	}
	seen := 0
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		seen++
		words := strings.Fields(m[1])
		if !slices.Contains(commands[words[0]], words[1]) {
			t.Errorf("`%s`: there is no such command", m[1])
		}
		for _, f := range option.FindAllString(m[1], -1) {
			if !strings.Contains(source[words[0]], `"`+f[2:]+`"`) {
				t.Errorf("`%s`: no command has %s", m[1], f)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands were looked at", seen)
	}
}
