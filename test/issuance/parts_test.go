//go:build real

package issuance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
)

// Where what is not in Kubernetes listens, in the network of the test.
const (
	acme       = "127.0.0.1:14000"
	management = "127.0.0.1:15000"
	nameserver = "127.0.0.1:8053"
)

// lifetime is that of each certificate. cert-manager renews it after two thirds.
const lifetime = 90 * time.Second

// built is the path of something that `make issuance` makes.
func built(t *testing.T, parts ...string) string {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(append([]string{root, ".tools", "issuance"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make issuance`", err)
	}
	return path
}

// run runs a program until the test ends; what it said is shown if the test fails.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = file, file
	c.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1") // it sleeps up to 15 s before it looks at a challenge
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
		file.Close()
		if text, err := os.ReadFile(file.Name()); t.Failed() {
			t.Logf("%s said (%v):\n%s", filepath.Base(program), err, text[max(0, len(text)-20_000):])
		}
	})
}

// certificateAuthority runs Pebble, and a DNS by which all names are at one address. roots are
// those of the certificates that it issues.
func certificateAuthority(ctx context.Context, t *testing.T, address string) (roots *x509.CertPool) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "pebble.json")
	text := fmt.Sprintf(`{"pebble": {"listenAddress": %q, "managementListenAddress": %q, "certificate": %q, "privateKey": %q, "httpPort": 80, "tlsPort": 443,
		"profiles": {"default": {"description": "short", "validityPeriod": %d}}}}`,
		acme, management, built(t, "certs", "cert.pem"), built(t, "certs", "key.pem"), int(lifetime.Seconds()))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, built(t, "pebble-challtestsrv"), "-defaultIPv4", address, "-defaultIPv6", "", "-dnsserver", nameserver,
		"-management", "127.0.0.1:8055", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	run(t, built(t, "pebble"), "-config", config, "-dnsserver", nameserver)
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(built(t, "certs", "pebble.minica.pem"))
	if err != nil || !trusted.AppendCertsFromPEM(pem) {
		t.Fatal("Pebble's own CA: ", err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	defer client.CloseIdleConnections()
	roots = x509.NewCertPool()
	err = inprocess.Await(ctx, func() error {
		answer, err := client.Get("https://" + management + "/roots/0")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && !roots.AppendCertsFromPEM(text) {
			err = fmt.Errorf("no root in %q", text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// solverImage is the image of the pods that answer challenges.
const solverImage = "quay.io/jetstack/cert-manager-acmesolver"

// images are those of cert-manager's pods that cert-manager itself makes.
func images() (map[string]kube.Image, error) {
	root, err := envoy.Root()
	if err != nil {
		return nil, err
	}
	return map[string]kube.Image{solverImage: {Programs: map[string]string{"cert-manager": filepath.Join(root, ".tools", "issuance", "cert-manager")},
		Config: kube.ImageConfig{User: "1000:1000", Entrypoint: []string{"cert-manager", "acmesolver"}}}}, nil
}

// certManager defines the kinds of cert-manager and runs its controllers.
func certManager(ctx context.Context, t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(built(t, "crds"), "*.yaml"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%d kinds of cert-manager, %v", len(files), err)
	}
	if err := cluster.Define(ctx, files...); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config")
	if err := kube.WriteKubeconfig(config, cluster.REST()); err != nil {
		t.Fatal(err)
	}
	run(t, built(t, "cert-manager"), "controller", "-kubeconfig", config, "-solver-image", solverImage+":test", "-nameserver", nameserver)
}
