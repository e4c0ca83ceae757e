// Package real runs a build of Legation beside a real Envoy, as a user would: manifests in a
// folder, `legation serve`, `legation bootstrap`. So it can run older builds, too.
//
// What it measures is Envoy's: bytes that it is sent, CPU of its threads, its memory,
// connections of clients. Start reading at Start.
package real

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
	"legation.dev/test/envoy"
)

const (
	// hang bounds what never comes.
	hang = 2 * time.Minute
	// drainSeconds is how long Envoy keeps a chain that was removed (600 by its default);
	// what that costs at its end counts, too.
	drainSeconds = "3"
	// workers is how the names of Envoy's worker threads begin.
	workers = "wrk:"
)

// Side is one build with its Envoy. Its methods are for one caller at a time.
type Side struct {
	Name   string // that of the binary
	build  string // the path of the binary
	folder string
	http   int
	https  int
	listen string // of the control plane
	first  world.Pair
	// Authz is where the authorization server is, as --authz of bootstrap says; empty for
	// none.
	Authz string

	serve *exec.Cmd
	wire  *counter
	envoy *envoy.Envoy
}

// Start starts the control plane, without hosts and without an Envoy. The class has more
// settings than usual, if there are any (Compatible).
func Start(ctx context.Context, build string, backend *net.TCPAddr, more string) (_ *Side, err error) {
	s := &Side{Name: filepath.Base(build), build: build}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", s.Name, err), s.Close())
		}
	}()
	if s.folder, err = os.MkdirTemp("", "legation-bench-"); err != nil {
		return nil, err
	}
	ports := [3]int{}
	for i := range ports {
		if ports[i], err = envoy.Port(); err != nil {
			return nil, err
		}
	}
	s.http, s.https, s.listen = ports[0], ports[1], fmt.Sprintf("127.0.0.1:%d", ports[2])
	if err := writeClass(s.folder, s.http, s.https, backend, more); err != nil {
		return nil, err
	}
	if s.first, err = world.NewPair(); err != nil {
		return nil, err
	}
	if s.wire, err = newCounter(s.listen); err != nil {
		return nil, err
	}
	return s, s.startServe(ctx)
}

// Grow writes the hosts from one number up to another.
func (s *Side) Grow(from, to int) error {
	for i := from; i < to; i++ {
		if err := writeHost(s.folder, i, s.first); err != nil {
			return err
		}
	}
	return nil
}

// startServe starts `legation serve` and waits until it listens.
func (s *Side) startServe(ctx context.Context) error {
	s.serve = exec.CommandContext(ctx, s.build, "serve", "--source", "dir:"+s.folder, "--listen", s.listen, "--admin=", "--log-level", "error")
	s.serve.Stderr = os.Stderr
	s.serve.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.serve.Start(); err != nil {
		return err
	}
	return until(ctx, "legation to listen", func() (bool, error) {
		c, err := net.Dial("tcp", s.listen)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
}

// Connect starts a fresh Envoy, in place of the one before, and waits until it serves the
// last of so many hosts. It returns what the main thread used for that.
func (s *Side) Connect(ctx context.Context, hosts int) (time.Duration, error) {
	if s.envoy != nil {
		if err := s.envoy.Stop(); err != nil {
			return 0, err
		}
	}
	args := []string{"bootstrap", "--xds", s.wire.Addr().String(), "--admin", "unix:" + envoy.AdminPath, "--health", "off", "--metrics", "off"}
	if s.Authz != "" {
		args = append(args, "--authz", s.Authz)
	}
	bootstrap, err := exec.CommandContext(ctx, s.build, args...).Output()
	if err != nil {
		return 0, fmt.Errorf("legation bootstrap: %w", err)
	}
	if s.envoy, err = envoy.Start(ctx, envoy.Options{Bootstrap: bootstrap, Args: []string{"--concurrency", "1", "--drain-time-s", drainSeconds}}); err != nil {
		return 0, err
	}
	if err := s.envoy.WaitReady(ctx); err != nil {
		return 0, err
	}
	if err := s.awaitCertificate(ctx, Host(hosts-1), leafOf(s.first), true); err != nil {
		return 0, err
	}
	return s.settle(ctx)
}

// settle waits until the main thread has nothing to do, and returns what it has used.
func (s *Side) settle(ctx context.Context) (time.Duration, error) {
	last := time.Duration(-1)
	err := until(ctx, "Envoy to rest", func() (bool, error) {
		t, err := proc.ThreadsOf(s.envoy.PID(), workers)
		rests := last >= 0 && t.Main-last < time.Millisecond
		last = t.Main
		return rests, err
	})
	return last, err
}

// Memory is what Envoy has resident, and what of its heap is in use, in bytes.
func (s *Side) Memory(ctx context.Context) (rss, allocated uint64, err error) {
	text, err := s.envoy.Get(ctx, "/memory")
	if err != nil {
		return 0, 0, err
	}
	var m adminv3.Memory
	err = protojson.Unmarshal(text, &m)
	return proc.RSSOf(s.envoy.PID()), m.Allocated, err
}

// Close ends all processes and removes the folder.
func (s *Side) Close() error {
	var errs []error
	if s.envoy != nil {
		errs = append(errs, s.envoy.Stop())
	}
	if s.serve != nil && s.serve.Process != nil {
		errs = append(errs, s.serve.Process.Signal(syscall.SIGTERM), s.serve.Wait())
	}
	if s.wire != nil {
		s.wire.close()
	}
	return errors.Join(append(errs, os.RemoveAll(s.folder))...)
}

// look is the pause between two looks at what is waited for.
const look = 100 * time.Millisecond

// until looks until done.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	tick, limit := time.NewTicker(look), time.NewTimer(hang)
	defer tick.Stop()
	defer limit.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return fmt.Errorf("waiting for %s: not within %s", what, hang)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}
