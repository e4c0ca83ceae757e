package translator

import (
	"strings"
	"testing"
	"time"

	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
)

// TestCertificateEnds: a certificate is a Problem before it ends, another one
// after, and what it says of its end follows.
func TestCertificateEnds(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1, TLS: 1})
	fleet, ok := Translate(Result{}, input.View{}.With(w.All()...)).Fleet(worlds.Class)
	if !ok {
		t.Fatal("there is no fleet")
	}
	end := fleet.CertificateEnd(time.Time{})
	if end.IsZero() {
		t.Fatal("no certificate has an end")
	}
	for _, c := range []struct {
		left    time.Duration
		problem string // the beginning of its message; empty: none
		ahead   bool
	}{
		{15 * 24 * time.Hour, "", true},
		{13 * 24 * time.Hour, "the certificate ends at ", true},
		{time.Second, "the certificate ends at ", true},
		{0, "the certificate expired at ", false},
		{-365 * 24 * time.Hour, "the certificate expired at ", false},
	} {
		now := end.Add(-c.left)
		var got []string
		for _, p := range fleet.Problems(now) {
			got = append(got, p.Message)
		}
		if want := c.problem != ""; (len(got) == 1) != want || want && !strings.HasPrefix(got[0], c.problem) {
			t.Errorf("%v before its end: %q, want %q", c.left, got, c.problem)
		}
		if ahead := fleet.CertificateEnd(now).Equal(end); ahead != c.ahead {
			t.Errorf("%v before its end: it is ahead: %v", c.left, ahead)
		}
	}
}
