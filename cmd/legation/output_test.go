package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/cmd/cli"
	"legation.dev/xds/admin/adminv1"
)

// lists are a command line for each command that lists, and a name that it prints.
var lists = map[string]string{
	"fleet": "one", "problems --severity info": "ingress/shop/a", "history": "7", "holds": "secret/shop/web",
	"traffic": "shop/web", "snapshot": "cds/shop/web/80", "diff": "cds/shop/web/80", "diff --by object": "service/shop/web",
	"explain ingress/shop/a": "cds/shop/web/80",
}

// TestOutputs: every command that lists has the same flags, prints one JSON object with names
// in small letters, the same as YAML, what a template takes of it, names alone, and tables
// with or without headers and more columns.
func TestOutputs(t *testing.T) {
	address := answering(t, &answers{})
	small := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for line, name := range lists {
		says := func(flags ...string) string {
			t.Helper()
			status, out, errs := legation(append(append(strings.Fields(line), "--address", address), flags...)...)
			if status == cli.Wrong {
				t.Fatalf("legation %s %q: %s", line, flags, errs)
			}
			return out
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(says("-o", "json")), &object); err != nil {
			t.Errorf("legation %s -o json: %v", line, err)
		}
		for key := range object {
			if !small.MatchString(key) {
				t.Errorf("legation %s -o json has a field %q", line, key)
			}
			if got := says("-o", "yaml"); !strings.Contains(got, key+":") {
				t.Errorf("legation %s -o yaml has no %s:\n%s", line, key, got)
			}
			_ = says("-o", "jsonpath="+key)
		}
		if got := says("-o", "name"); !strings.Contains("\n"+got, "\n"+name+"\n") {
			t.Errorf("legation %s -o name: %q, want %q", line, got, name)
		}
		table, wide, bare := says(), says("-o", "wide"), says("--no-headers")
		if len(wide) < len(table) || strings.Count(bare, "\n") >= strings.Count(table, "\n") && line != "diff" && line != "diff --by object" {
			t.Errorf("legation %s: a wide table is %d long, a table %d; without headers\n%s", line, len(wide), len(table), bare)
		}
		if status, _, errs := legation(append(strings.Fields(line), "-o", "xml")...); status != cli.Wrong || !strings.Contains(errs, "want table, wide, yaml, json, name or jsonpath=TEMPLATE") {
			t.Errorf("legation %s -o xml: %d, %s", line, status, errs)
		}
	}
	if _, got, _ := legation("problems", "--address", address, "-o", "jsonpath={.problems[*].code}"); got != "NoService CertificateEnds" {
		t.Errorf("a template takes %q", got)
	}
	if status, _, errs := legation("problems", "--address", address, "-o", "jsonpath={.problems[*"); status != cli.Wrong || !strings.Contains(errs, "want a template as kubectl has it") {
		t.Errorf("a wrong template: %d, %s", status, errs)
	}
}

// TestStatuses: the exit statuses of the help.
func TestStatuses(t *testing.T) {
	address := answering(t, &answers{})
	for line, want := range map[string]int{
		"history": cli.OK, "fleet": cli.Failure, "problems": cli.Failure, "problems --in nowhere": cli.OK, "fleet nobody": cli.Failure,
		"fleet -o": cli.Wrong, "explain ingress/shop/a": cli.Failure, "flet": cli.Wrong,
	} {
		if status, _, errs := legation(append(strings.Fields(line), "--address", address)...); status != want {
			t.Errorf("legation %s: %d, want %d; %s", line, status, want, errs)
		}
	}
	if status, _, errs := legation("problms"); status != cli.Wrong || !strings.Contains(errs, `"problms": did you mean problems?`) {
		t.Errorf("%d, %s", status, errs)
	}
	_, long, _ := legation("version")
	if _, flag, _ := legation("--version"); flag != long {
		t.Errorf("--version prints %q, version %q", flag, long)
	}
}

// TestPlugin: by its other name it is a plugin of kubectl, and says so.
func TestPlugin(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nowhere/config")
	t.Setenv("HOME", t.TempDir())
	var out, errs bytes.Buffer
	if status := runAs("/usr/local/bin/kubectl-legation", []string{"fleet", "--help"}, &out, &errs); status != cli.OK || !strings.Contains(out.String(), "kubectl legation fleet") {
		t.Errorf("%d, %s%s", status, &out, &errs)
	}
	if status := runAs("kubectl-legation", []string{"fleet"}, &out, &errs); status != cli.Failure || !strings.Contains(errs.String(), "kubectl legation: no API server") {
		t.Errorf("%d, %s", status, &errs)
	}
}

// TestCompletion: what there is comes from who is asked.
func TestCompletion(t *testing.T) {
	address := answering(t, &answers{})
	for _, c := range []struct{ line, want string }{
		{"fleet", "edge"}, {"history --fleet", "edge"}, {"diff", "7"}, {"snapshot --version", "7"}, {"explain", "service/shop/web"},
		{"history --object", "service/shop/web"}, {"traffic", "shop/web"}, {"approve", "edge"},
	} {
		words := strings.Fields(c.line)
		args := append([]string{"__complete", words[0], "--address", address}, words[1:]...)
		if _, out, errs := legation(append(args, "")...); !strings.Contains("\n"+out, "\n"+c.want+"\n") {
			t.Errorf("after %q comes %q, want %q\n%s", c.line, out, c.want, errs)
		}
	}
}

// TestTableEscapes: what comes from elsewhere cannot move the cursor.
func TestTableEscapes(t *testing.T) {
	var b bytes.Buffer
	f := &outputFlags{output: formatTable}
	list := []*adminv1.Problem{{Severity: "error", Message: "a\x1b[2Jb", Since: timestamppb.New(time.Unix(1000, 0))}}
	if err := f.writeProblems(&b, list, time.Unix(2000, 0)); err != nil || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%q, %v", b.String(), err)
	}
}
