//go:build real

package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"legation.dev/test/load"
)

// standIn is what presents shows for a certificate that is none of ours.
const standIn = "stand-in"

// presented is a certificate as an Answer of a Timeline.
func presented(serial string) load.Answer { return load.Answer{Status: 200, Service: serial} }

// presents is the number of the certificate that an address presents to a new
// connection for a host.
func (w *suite) presents(address, host string) (string, error) {
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true}) // it is verified below
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", err
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: w.authority.Roots(), DNSName: host}); err != nil {
		return standIn, nil
	}
	return leaf.SerialNumber.String(), nil
}

// handshakes are clients that open a new connection for each look at a
// certificate. An oracle says which one is right.
type handshakes struct {
	suite  *suite
	oracle load.Timeline
	done   sync.WaitGroup
	made   atomic.Int64

	mu       sync.Mutex // guards failures
	failures []error
}

// failuresKept bounds what is told of failures; their number is that of all.
const failuresKept = 10

// look shakes hands once with a host and judges.
func (h *handshakes) look(address, host string) {
	token := h.oracle.Begin(host, "")
	serial, err := h.suite.presents(address, host)
	verdict := h.oracle.End(token, 200, serial)
	if h.suite.ctx.Err() != nil {
		return
	}
	h.made.Add(1)
	if err == nil {
		err = verdict
	}
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.failures = append(h.failures, fmt.Errorf("%s %s: %w", time.Now().Format("15:04:05.000"), host, err))
	}
}

// begin lets one more client look at hosts in turns, so often, until end.
func (h *handshakes) begin(ctx context.Context, address string, every time.Duration, hosts ...*host) {
	h.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				h.look(address, hosts[i%len(hosts)].name)
			case <-ctx.Done():
				return
			}
		}
	})
}

// more waits until so many further handshakes were made.
func (h *handshakes) more(n int64) {
	h.suite.t.Helper()
	until := h.made.Load() + n
	h.suite.await(func() error {
		if made := h.made.Load(); made < until {
			return fmt.Errorf("%d of %d handshakes are made", made, until)
		}
		return nil
	})
}

// end ends the clients, whose context has ended, and fails the test if one failed.
func (h *handshakes) end() {
	h.suite.t.Helper()
	h.done.Wait()
	h.suite.t.Logf("%d handshakes, %d failed", h.made.Load(), len(h.failures))
	if len(h.failures) > 0 {
		h.suite.t.Error(errors.Join(h.failures[:min(len(h.failures), failuresKept)]...))
	}
}
