//go:build real

package faults

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/incluster"
	"legation.dev/translator/input"
)

var (
	loops       = flag.Int("loops", 20, "how often the Secret of TestSecret goes through all it can suffer")
	secureHosts = flag.Int("secure-hosts", 200, "how many TLS hosts TestSecret has")
	liveBound   = flag.Duration("live", 10*time.Second, "how late a certificate may be live in TestSecret; 1 s is promised (R26), on a machine that has nothing else to do")
)

// inARow is how many handshakes in a row must show a new certificate before it
// is taken for that of all of Envoy's workers: they follow its main thread.
const inARow = 20

// TestSecret: the Secret of one of many TLS hosts is missing, late, half-written,
// of two halves that do not match, deleted, created again and rotated, over and
// over. That host presents its last good certificate all the time, over restarts
// and a move to another replica too, and no handshake of another host fails.
func TestSecret(t *testing.T) {
	w := newSuite(t, 2, grace, incluster.Options{Replicas: 2})
	others := w.addHosts("tls", 0, *secureHosts-1)
	s := newSuffering(w, &host{name: "suffers.test", secret: "suffers.test", moved: steady})
	w.settle()
	l, endLoad := w.load(w.clientsOf(w.Envoys[0], others, time.Second, *secureHosts-1, 20, 20)...)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	s.begin(ctx, others)
	for i := range *loops {
		s.missing()
		if i == 0 {
			s.good() // before that, there was nothing to keep
			s.missing()
			s.restart()
		}
		s.good()
		s.bad(func(o *corev1.Secret) { o.Data[corev1.TLSPrivateKeyKey] = nil })
		s.bad(func(o *corev1.Secret) {
			o.Data[corev1.TLSPrivateKeyKey] = w.certificate(s.host).Data[corev1.TLSPrivateKeyKey]
		})
		s.missing()
		s.good()
		s.good()
	}
	w.more(l, 100)
	cancel()
	s.end()
	endLoad()
	t.Logf("%d times a certificate came, the latest was live after %s", s.times, s.slowest.Round(time.Millisecond))
	if s.slowest > *liveBound {
		t.Errorf("a certificate was live only after %s", s.slowest)
	}
}

// suffering is the host whose Secret suffers, and the handshakes of all.
type suffering struct {
	handshakes
	*host
	times   int           // a good certificate came
	slowest time.Duration // from the write to the first handshake with it
}

// newSuffering writes the Ingress of h. It has no Secret yet, and a stand-in may
// be presented.
func newSuffering(w *suite, h *host) *suffering {
	s := &suffering{host: h}
	s.suite = w
	w.apply(w.ingress(h))
	s.oracle.Allow(h.name, "", presented(standIn))
	return s
}

// begin starts handshakes with all hosts.
func (s *suffering) begin(ctx context.Context, others []*host) {
	s.suite.t.Helper()
	for _, h := range others {
		s.oracle.Only(h.name, "", presented(serialOf(s.suite.t, h.certificate)))
	}
	address := s.suite.Envoys[0].HTTPS
	s.handshakes.begin(ctx, address, 10*time.Millisecond, others...)
	for range 2 {
		s.handshakes.begin(ctx, address, 10*time.Millisecond, s.host)
	}
}

// serialOf is the number of the certificate in a Secret.
func serialOf(t *testing.T, secret *corev1.Secret) string {
	t.Helper()
	block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.String()
}

// good writes a new certificate and waits until it is presented, alone.
func (s *suffering) good() {
	w := s.suite
	w.t.Helper()
	secret := w.certificate(s.host)
	serial := serialOf(w.t, secret)
	s.oracle.Allow(s.name, "", presented(serial))
	w.apply(secret)
	written := time.Now()
	var first time.Duration
	for seen := 0; seen < inARow; seen++ {
		got, err := w.presents(w.Envoys[0].HTTPS, s.name)
		switch {
		case err != nil:
			w.t.Fatal(err)
		case got != serial:
			seen = -1
			if time.Since(written) > hang {
				w.t.Fatalf("certificate %s is not presented; %s is", serial, got)
			}
		case first == 0:
			first = time.Since(written)
		}
	}
	s.times++
	s.slowest = max(s.slowest, first)
	s.oracle.Only(s.name, "", presented(serial))
}

// bad writes a certificate with a flaw, and waits until it could have done harm.
func (s *suffering) bad(flaw func(*corev1.Secret)) {
	s.suite.t.Helper()
	secret := s.suite.certificate(s.host)
	flaw(secret)
	s.suite.apply(secret)
	s.seen(func(now *input.Secret) bool {
		return now != nil && bytes.Equal(now.Certificate, secret.Data[corev1.TLSCertKey]) && bytes.Equal(now.Key, secret.Data[corev1.TLSPrivateKeyKey])
	})
}

// missing deletes the Secret.
func (s *suffering) missing() {
	s.suite.t.Helper()
	if err := k.Delete(s.suite.limited(), s.suite.certificate(s.host)); err != nil {
		s.suite.t.Fatal(err)
	}
	s.seen(func(now *input.Secret) bool { return now == nil })
}

// restart replaces both replicas by ones without memory, and moves the Envoy.
func (s *suffering) restart() {
	w := s.suite
	w.t.Helper()
	for _, r := range w.Replicas {
		if err := r.Stop(); err != nil {
			w.t.Fatal(err)
		}
		if err := r.Start(w.limited()); err != nil {
			w.t.Fatal(err)
		}
		w.settle()
		s.more(inARow)
	}
	w.Envoys[0].XDS.Lead(w.Replicas[1].Address)
	w.settle()
	s.more(3 * 300) // 3 s: more than a control plane waits after a reconnect
}

// seen waits until all replicas see the Secret so, and the Envoy has what came of
// it; then for some handshakes.
func (s *suffering) seen(so func(*input.Secret) bool) {
	w := s.suite
	w.t.Helper()
	w.await(func() error {
		for _, r := range w.Replicas {
			if now, _ := r.Plane.Result().View().Secret(w.namespace + "/" + s.secret); !so(now) {
				return fmt.Errorf("replica %s sees another Secret", r.Address)
			}
			if refs, _ := r.Plane.Behind(incluster.Class); len(refs) > 0 {
				return fmt.Errorf("the Envoy lacks %.300v", refs)
			}
		}
		return nil
	})
	s.more(inARow)
}
