package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/xds/identity"
)

var (
	set    = Set{Namespace: "edge", Release: "edge-legation", Classes: []string{"public", "internal"}}
	valid  = lives{pair: 90 * day, authority: 300 * day}
	begins = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

const day = 24 * time.Hour

// cluster is a namespace with Secrets.
type cluster map[string]*corev1.Secret

// pass does what plan says at a time, and returns the names of what was written.
func (c cluster) pass(t *testing.T, now time.Time) (names []string, next time.Time) {
	t.Helper()
	write, next, err := plan(set, c, valid, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range write {
		names = append(names, s.Name)
		c[s.Name] = s
	}
	if again, _, err := plan(set, c, valid, now); err != nil || len(again) != 0 {
		t.Errorf("at %v there is more to write: %v, %v", now, again, err)
	}
	if !next.After(now) {
		t.Errorf("at %v it is to be looked at again at %v", now, next)
	}
	return names, next
}

// trusts wants each owner's certificate to be one that each other owner accepts at a time.
func (c cluster) trusts(t *testing.T, others cluster, now time.Time) {
	t.Helper()
	for _, mine := range set.Owners() {
		pair, err := tls.X509KeyPair(c[mine.Secret].Data[identity.CertificateFile], c[mine.Secret].Data[identity.KeyFile])
		if err != nil {
			t.Fatal(err)
		}
		for _, theirs := range set.Owners() {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(others[theirs.Secret].Data[identity.CAFile])
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				t.Errorf("%v: %s is not accepted by %s: %v", now, mine.Secret, theirs.Secret, err)
			}
		}
	}
}

func (c cluster) clone() cluster {
	d := cluster{}
	for name, s := range c {
		d[name] = s
	}
	return d
}

// TestRenewals: over five years, looked at only when plan says, all is valid at all times;
// also between owners of which one has the Secrets of a look before. The CA keeps its key.
func TestRenewals(t *testing.T) {
	c := cluster{}
	names, next := c.pass(t, begins)
	if len(names) != len(set.Names()) {
		t.Fatalf("made were %q, want %q", names, set.Names())
	}
	key, tickets := c[set.Authority()].Data[identity.KeyFile], c[set.Tickets()]
	looks, authorities := 0, 0
	for now := next; now.Before(begins.Add(5 * 365 * day)); now = next {
		before := c.clone()
		names, next = c.pass(t, now)
		looks++
		if len(names) == 0 || names[0] == set.Authority() {
			authorities++
		}
		c.trusts(t, before, now)
		before.trusts(t, c, now)
		c.trusts(t, c, next)
	}
	if !bytes.Equal(key, c[set.Authority()].Data[identity.KeyFile]) || c[set.Tickets()] != tickets {
		t.Error("the key of the CA, or the Secret of session tickets, is another one")
	}
	if roots := bytes.Count(c[set.ControlPlane()].Data[identity.CAFile], []byte("BEGIN CERTIFICATE")); roots != 1 {
		t.Errorf("%d CAs are trusted, want 1", roots)
	}
	if looks < 25 || authorities < 8 {
		t.Errorf("%d looks, and the CA was renewed in %d", looks, authorities)
	}
}

// TestTaken: what is there is left as it is, but for what is missing, cannot be used, has
// another name or is of another CA.
func TestTaken(t *testing.T) {
	for what, s := range map[string]struct {
		spoil func(cluster)
		want  string
	}{
		"nothing":          {func(cluster) {}, ""},
		"a class is new":   {func(c cluster) { delete(c, "edge-legation-xds-envoy-internal") }, "edge-legation-xds-envoy-internal"},
		"tickets deleted":  {func(c cluster) { delete(c, set.Tickets()) }, set.Tickets()},
		"a key is damaged": {func(c cluster) { c[set.ControlPlane()].Data[identity.KeyFile] = []byte("x") }, set.ControlPlane()},
		"a name is another's": {func(c cluster) { c[set.ControlPlane()].Data = c["edge-legation-xds-operator"].Data },
			set.ControlPlane()},
		"a CA is trusted, too": {func(c cluster) {
			other, err := identity.NewAuthority(begins, day)
			if err != nil {
				panic(err)
			}
			of := c[set.Authority()].Data
			of[identity.CAFile] = append(bytes.Clone(of[identity.CAFile]), other.Certificate...)
		}, "edge-legation-xds edge-legation-xds-operator edge-legation-xds-approver edge-legation-xds-envoy-public edge-legation-xds-envoy-internal"},
		"the CA is another": {func(c cluster) {
			other, err := identity.NewAuthority(begins, 300*day)
			if err != nil {
				panic(err)
			}
			of := c[set.Authority()].Data
			of[identity.CertificateFile], of[identity.KeyFile] = other.Certificate, other.Key
		}, "edge-legation-xds-ca edge-legation-xds edge-legation-xds-operator edge-legation-xds-approver edge-legation-xds-envoy-public edge-legation-xds-envoy-internal"},
	} {
		c := cluster{}
		c.pass(t, begins)
		s.spoil(c)
		if names, _ := c.pass(t, begins.Add(time.Hour)); strings.Join(names, " ") != s.want {
			t.Errorf("%s: written were %q, want %q", what, names, s.want)
		}
		c.trusts(t, c, begins.Add(time.Hour))
	}
}

// TestForeign: pairs without the Secret of their CA are somebody else's, and so is a CA that
// cannot be read: nothing is written.
func TestForeign(t *testing.T) {
	for what, spoil := range map[string]func(cluster){
		"no CA":      func(c cluster) { delete(c, set.Authority()) },
		"no key":     func(c cluster) { delete(c[set.Authority()].Data, identity.KeyFile) },
		"it is none": func(c cluster) { c[set.Authority()].Data = c[set.ControlPlane()].Data },
	} {
		c := cluster{}
		c.pass(t, begins)
		spoil(c)
		if write, _, err := plan(set, c, valid, begins.Add(1000*day)); err == nil || len(write) != 0 || !strings.Contains(err.Error(), set.Authority()) {
			t.Errorf("%s: %d are written, %v", what, len(write), err)
		}
	}
}
