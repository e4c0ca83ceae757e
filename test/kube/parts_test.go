//go:build real

package kube

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestAuthority: what the authority writes is a pair of key and certificate that
// its own certificate vouches for, at the address it was made for.
func TestAuthority(t *testing.T) {
	a, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := a.write(dir, "apiserver", pkix.Name{CommonName: "apiserver"}, net.IPv4(127, 0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.pem) {
		t.Fatal("the authority's certificate does not parse")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1"}); err != nil {
		t.Error(err)
	}
}

// TestProcess: a process is started once, ended, and started again; an error has
// its last words.
func TestProcess(t *testing.T) {
	p := &Process{name: "sh", args: []string{"/bin/sh", "-c", "echo started; exec cat /dev/zero >/dev/null"},
		log: filepath.Join(t.TempDir(), "sh.log")}
	for range 2 {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if !p.Running() {
			t.Fatal("it does not run")
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if p.Running() {
			t.Fatal("it runs after Kill")
		}
	}
	cause := errors.New("not ready")
	p.args[2] = "echo last words"
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if err := p.failure(cause); !errors.Is(err, cause) || !strings.Contains(err.Error(), "last words") {
		t.Errorf("got %v", err)
	}
}
