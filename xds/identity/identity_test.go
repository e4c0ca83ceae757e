package identity

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		uris []string
		want Names
	}{
		{[]string{"spiffe://legation.dev/control-plane"}, Names{ControlPlane: true}},
		{[]string{"spiffe://legation.dev/operator", "spiffe://legation.dev/fleet/a.b", "spiffe://legation.dev/fleet/c"}, Names{Operator: true, Fleets: []string{"a.b", "c"}}},
		{[]string{"spiffe://example.com/operator", "https://legation.dev/operator", "spiffe://legation.dev/operators", "spiffe://legation.dev/fleet/"}, Names{}},
		{[]string{"spiffe://legation.dev/approver"}, Names{Approver: true}},
		{[]string{"spiffe://legation.dev/operator?", "spiffe://legation.dev/operator?a=b", "spiffe://legation.dev/%6fperator", "spiffe://legation.dev/operator#a", "spiffe://legation.dev:443/operator",
			"spiffe://me@legation.dev/operator", "spiffe://legation.dev/operator/", "spiffe://legation.dev//operator", "spiffe:legation.dev/operator", "spiffe://legation.dev/fleet/a%2eb", "spiffe://legation.dev/fleet/a?b", "spiffe://LEGATION.dev/operator"}, Names{}},
		{nil, Names{}},
	} {
		certificate := &x509.Certificate{}
		for _, text := range c.uris {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			certificate.URIs = append(certificate.URIs, u)
		}
		if got := NamesOf(certificate); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %+v, want %+v", c.uris, got, c.want)
		}
	}
}

// TestFolder: what is wrong with files names them; what ends soon is logged once a day.
func TestFolder(t *testing.T) {
	now := time.Now()
	a, err := NewAuthority(now, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair := func(life time.Duration) Pair {
		t.Helper()
		p, err := a.Issue(Operator, now, life)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	lasting, short := pair(300*24*time.Hour), pair(29*24*time.Hour)
	for _, c := range []struct {
		certificate, key, ca []byte
		want                 string
	}{
		{lasting.Certificate, short.Key, a.Certificate, KeyFile},
		{lasting.Certificate, lasting.Key, lasting.Certificate, "is no CA"},
		{lasting.Certificate, lasting.Key, []byte("nothing"), CAFile},
		{lasting.Certificate, lasting.Key, a.Certificate, ""},
	} {
		write(CertificateFile, c.certificate)
		write(KeyFile, c.key)
		write(CAFile, c.ca)
		if _, err := Open(dir, nil); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}

	var log bytes.Buffer
	f, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || strings.Contains(log.String(), "ends soon") {
		t.Errorf("%v: %s", err, &log)
	}
	write(CertificateFile, short.Certificate)
	if f.Look(now) || f.Failure() == "" {
		t.Error("half a pair is in force")
	}
	lent, err := OpenWith(filepath.Join(dir, "later"), Files{lasting.Certificate, lasting.Key, a.Certificate}, slog.New(slog.DiscardHandler))
	if err != nil || !lent.Look(now) || lent.Failure() != "" || lent.pair() == nil {
		t.Errorf("without files yet, what was given is not in force: %v", err)
	}
	write(KeyFile, short.Key)
	lent.dir = dir
	if end, _ := lent.Ends(); !lent.Look(now) || lent.now.pair.Leaf.NotAfter.Equal(end) {
		t.Error("files that come are not in force")
	}
	lent.dir = filepath.Join(dir, "gone")
	if lent.Look(now) || lent.Failure() == "" {
		t.Error("files that were there and are gone are no failure")
	}
	for _, at := range []time.Duration{0, time.Hour, 25 * time.Hour} {
		if !f.Look(now.Add(at)) || f.Failure() != "" {
			t.Errorf("not in force: %s", f.Failure())
		}
	}
	if n := strings.Count(log.String(), "ends soon"); n != 2 {
		t.Errorf("warned %d times in 25 hours, want twice:\n%s", n, &log)
	}
	if end, _ := f.Ends(); end.Sub(now).Round(time.Hour) != 29*24*time.Hour {
		t.Errorf("it ends at %v", end)
	}
	if text := fmt.Sprintf("%v %+v %s %#v", short, short, short, *a); strings.Contains(text, "PRIVATE") {
		t.Errorf("a key is printed: %s", text)
	}
}
