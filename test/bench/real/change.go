package real

import (
	"context"
	"os"
	"time"

	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
)

// The kinds of changes of one TLS host.
const (
	Add    = "add"
	Renew  = "renew" // another certificate
	Remove = "remove"
)

// Kinds are those of a host's life, in order.
func Kinds() []string { return []string{Add, Renew, Remove} }

// Cost is what one change costs an Envoy.
type Cost struct {
	Bytes int64         // that it was sent, with gRPC's
	CPU   time.Duration // of the main thread
}

// watched is for how long Envoy is watched after a change: until what was replaced has
// drained.
const watched = 4 * time.Second

// Change changes the i-th host, waits until clients see that, and returns what the
// time from the change to the end of the drain cost. A change of kind "" changes nothing: what
// Envoy uses meanwhile.
func (s *Side) Change(ctx context.Context, kind string, i int) (c Cost, err error) {
	before, err := proc.ThreadsOf(s.envoy.PID(), workers)
	if err != nil {
		return c, err
	}
	bytes, over := s.wire.bytes.Load(), time.After(watched)
	if err := s.change(ctx, kind, i); err != nil {
		return c, err
	}
	select {
	case <-over:
	case <-ctx.Done():
		return c, ctx.Err()
	}
	after, err := proc.ThreadsOf(s.envoy.PID(), workers)
	return Cost{Bytes: s.wire.bytes.Load() - bytes, CPU: after.Main - before.Main}, err
}

func (s *Side) change(ctx context.Context, kind string, i int) error {
	switch kind {
	case Add:
		if err := writeHost(s.folder, i, s.first); err != nil {
			return err
		}
		return s.awaitCertificate(ctx, Host(i), leafOf(s.first), true)
	case Renew:
		next, err := world.NewPair()
		if err != nil {
			return err
		}
		if err := writeHost(s.folder, i, next); err != nil {
			return err
		}
		return s.awaitCertificate(ctx, Host(i), leafOf(next), true)
	case Remove:
		_, last, err := s.certificate(i)
		if err != nil {
			return err
		}
		if err := os.Remove(hostFile(s.folder, i)); err != nil {
			return err
		}
		return s.awaitCertificate(ctx, Host(i), last, false)
	}
	return nil
}

// certificate is what the i-th host presents.
func (s *Side) certificate(i int) (string, []byte, error) {
	conn, leaf, err := s.dialTLS(Host(i))
	if err != nil {
		return "", nil, err
	}
	return Host(i), leaf, conn.Close()
}
