package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImport: the ConfigMap of a class is what the old one says, and what is open is told.
func TestImport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "old.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {proxy-body-size: 8m, ssl-redirect: 'false'}\n")
	status, stdout, stderr := legation("settings", "import", "--nginx-configmap", file)
	if status != 0 || !strings.Contains(stdout, "max-request-body: 8Mi") || !strings.Contains(stdout, `ssl-redirect: "false"`) || !strings.Contains(stderr, "proxy-body-size  setting") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	write("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {use-gzip: 'true'}\n")
	if status, _, stderr := legation("settings", "import", "--nginx-configmap", file); status != 1 || !strings.Contains(stderr, "use-gzip  lost") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	write("kind: Secret\n")
	if status, _, stderr := legation("settings", "import", "--nginx-configmap", file); status != 1 || !strings.Contains(stderr, `kind is "Secret"`) {
		t.Errorf("status %d\n%s", status, stderr)
	}
	args := "/nginx-ingress-controller --publish-service=$(POD_NAMESPACE)/c --default-ssl-certificate edge/wild --disable-svc-external-name=false --enable-metrics=false --tcp-services-configmap=a/b --nosuch"
	status, stdout, stderr = legation("settings", "import", "--nginx-args", args, "--https-port", "0")
	if status != 1 || !strings.Contains(stdout, "default-tls-secret: edge/wild") || !strings.Contains(stdout, `external-names: "true"`) || !strings.Contains(stdout, `http-port: "8080"`) || strings.Contains(stdout, "https-port") ||
		strings.Contains(stdout, "nosuch") || !strings.Contains(stderr, "2 of 6 keys and arguments") || !strings.Contains(stderr, "elsewhere  legation serve --publish-service") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	if status, _, stderr := legation("settings", "import", "--nginx-args", "--v=2 oops"); status != 1 || !strings.Contains(stderr, `--nginx-args: "oops" is no argument`) {
		t.Errorf("status %d\n%s", status, stderr)
	}
}
