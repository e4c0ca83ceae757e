package main

import (
	"os"
	"strings"
	"testing"

	"legation.dev/cmd/cli"
)

// TestReadme: the difference that README.md shows is what the command prints.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	before := copyShop(t, "shop.localhost", "shap.localhost", `external-https-port: "10443"`, `external-https-port: "443"`)
	status, stdout, stderr := legation("translate", shop, "--diff", before)
	if status != cli.OK || !strings.Contains(stdout, "ECDS") {
		t.Fatalf("status %d\n%s%s", status, stdout, stderr)
	}
	if !strings.Contains(string(text), "\n$ bin/legation translate examples/shop --diff /tmp/before\n"+stdout+"```\n") {
		t.Errorf("README.md does not show\n%s", stdout)
	}
}
