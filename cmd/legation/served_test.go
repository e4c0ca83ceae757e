package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"legation.dev/cmd/cli"
	"legation.dev/translator/input"
)

// servingFile has a Legation serve manifests until the test ends, and says where.
func servingFile(t *testing.T, manifests string) string {
	t.Helper()
	_, address := servingFolder(t, manifests)
	return address
}

// servingFolder is servingFile, and says in which folder they are, too.
func servingFolder(t *testing.T, manifests string) (folder, address string) {
	t.Helper()
	return servingWith(t, manifests, func(*serving) {})
}

// servingWith is servingFolder, with more of what is served.
func servingWith(t *testing.T, manifests string, with func(*serving)) (folder, address string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "all.yaml"), []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	flags := sourceFlags{source: folderSource + folder}
	source, err := flags.open(input.View{}, log)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	serve := &serving{source: source, xds: listener, history: 8, log: log}
	with(serve)
	go func() { ended <- serve.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		source.close()
	})
	address = listener.Addr().String()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if status, _, _ := legation("history", "--address", address); status == cli.OK {
			return folder, address
		}
	}
	t.Fatal("nothing is served")
	return "", ""
}

// TestServedCommands: certs, plan and why ask a running Legation.
func TestServedCommands(t *testing.T) {
	address := servingFile(t, whyManifests+"---\napiVersion: v1\nkind: Service\nmetadata: {name: idle, namespace: calm}\nspec: {ports: [{port: 80}]}\n")
	for name, c := range map[string]struct {
		stdin  string
		args   []string
		status int
		want   []string // in this order; the end of the output after a line feed
	}{
		"why":         {"", []string{"why", "https://web.test/", "--from", "10.1.2.3"}, 0, []string{"certificate a stand-in", "rule Prefix / of Ingress shop/web", "answer of cluster shop/web/80", "problem", "shop/missing", "running at 0 of 0 Envoys"}},
		"why, barred": {"", []string{"why", "https://web.test/", "--from", "192.0.2.1"}, 1, []string{"guard address: this client is answered 403"}},
		"why, wrong":  {"", []string{"why", "ftp://web.test/"}, 2, []string{"want http://HOST/PATH"}},
		"certs":       {"", []string{"certs", "list"}, 1, []string{"ENDS LEFT STATE", "stand-in legation"}},
		"certs show":  {"", []string{"certs", "show", "web.test"}, 1, []string{"fleet legation", "state stand-in"}},
		"plan": {"apiVersion: v1\nkind: Service\nmetadata: {name: nobody, namespace: shop}\nspec: {ports: [{port: 80}]}\n", []string{"plan", "-f", "-"}, 1,
			[]string{"1 object, 0 of them as they are now", "fleet legation: ", "CDS", "shop/nobody/80", "There would be:", "NoSelector", "manifests:", "There would be no more:", "NoService"}},
		"plan, a mistake": {"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: new, namespace: shop}\nspec:\n  ingressClassName: legation\n  rules: [{host: new.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: none, port: {number: 80}}}}]}}]\n",
			[]string{"plan", "-f", "-"}, 1, []string{"1 object", "VHDS", "ingress/new.test", "There would be:", "NoService", "Ingress shop/new"}},
		"plan, nothing":           {"", []string{"plan"}, 2, []string{"name manifests with -f"}},
		"why, nobody's host":      {"", []string{"why", "http://wbe.test/"}, 1, []string{"answer 404", "hint no Ingress has host wbe.test", "hint did you mean host web.test?"}},
		"why, nobody's fleet":     {"", []string{"why", "http://web.test/", "--class", "legatoin"}, 1, []string{`there is no fleet "legatoin"; there are: legation`}},
		"certs, nobody's fleet":   {"", []string{"certs", "list", "--fleet", "legatoin"}, 1, []string{`there is no fleet "legatoin"; there are: legation`}},
		"certs, nobody's host":    {"", []string{"certs", "show", "nobody.example"}, 1, []string{"hosts default-certificate", "state stand-in"}},
		"holds, nobody's fleet":   {"", []string{"holds", "--fleet", "x"}, 1, []string{`there is no fleet "x"`}},
		"traffic, nobody's fleet": {"", []string{"traffic", "--fleet", "x"}, 1, []string{`there is no fleet "x"`}},
		"traffic, no Service":     {"", []string{"traffic", "shop/wb"}, 1, []string{"no Service shop/wb is known here: did you mean shop/web?"}},
		"traffic, none yet":       {"", []string{"traffic", "shop/web"}, 0, []string{"No Envoy has reported"}},
		"problems, no namespace":  {"", []string{"problems", "--in", "shpo"}, 1, []string{"no object of namespace shpo is known here: did you mean shop?"}},
		"problems, far away":      {"", []string{"problems", "--in", "production"}, 1, []string{"no object of namespace production is known here\n"}},
		"problems, well":          {"", []string{"problems", "--in", "calm"}, 0, []string{"nothing is wrong"}},
		"history, no object":      {"", []string{"history", "--object", "ingress/shop/wbe"}, 1, []string{"no Ingress shop/wbe is known here: did you mean shop/web?"}},
		"explain, no object":      {"", []string{"explain", "ingress/shop/opne"}, 1, []string{"no Ingress shop/opne is known here: did you mean shop/open?"}},
		"errors, none":            {"{\"time\":\"2020-01-01T00:00:00Z\",\"host\":\"web.test\",\"status\":503}\n", []string{"errors", "web.test", "--log", "-"}, 0, []string{"no errors in 1 line of 1 log, of status 500 and above (--status 400"}},
		"errors, one":             {fmt.Sprintf("{\"time\":%q,\"host\":\"web.test\",\"status\":413,\"details\":\"request_payload_too_large\",\"route\":\"shop/web Prefix /\",\"client\":\"192.0.2.1\"}\n", time.Now().Format(time.RFC3339)), []string{"errors", "web.test", "--status", "400", "--log", "-"}, 1, []string{"413 - shop/web - 192.0.2.1 the body is larger"}},
		"errors, no file":         {"", []string{"errors", "web.test", "--log", "nowhere"}, 1, []string{"open nowhere"}},
		"history, no version":     {"", []string{"history", "--object", "service/calm/idle"}, 0, []string{"No version that is kept is one of these."}},
		"plan, a deletion":        {"", []string{"plan", "--without", "ingress/shop/open"}, 1, []string{"removed VHDS ingress/open.test", "CanaryAlone"}},
	} {
		var out strings.Builder
		root := rootCommand()
		root.SetIn(strings.NewReader(c.stdin))
		args := c.args
		if args[0] != "errors" {
			args = append(args, "--address", address)
		}
		if status := cli.Run(t.Context(), root, args, &out, &out); status != c.status {
			t.Errorf("%s: exit status %d, want %d\n%s", name, status, c.status, &out)
		}
		rest := strings.Join(strings.Fields(out.String()), " ")
		for _, text := range c.want {
			_, after, ok := strings.Cut(rest, strings.TrimSuffix(text, "\n"))
			if !ok || strings.HasSuffix(text, "\n") && after != "" {
				t.Errorf("%s: no %q, in this order, in\n%s", name, text, &out)
			}
			rest = after
		}
	}
	_, text, _ := legation("why", "http://open.test/", "--address", address, "-o", "json")
	var got struct {
		Fleets []struct {
			Host    string
			Objects []string
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Fleets) != 1 || got.Fleets[0].Host != "open.test" || len(got.Fleets[0].Objects) < 2 {
		t.Errorf("%v in %s", err, text)
	}
}
