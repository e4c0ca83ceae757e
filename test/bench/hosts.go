package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"legation.dev/test/bench/real"
	"legation.dev/test/envoy"
)

const (
	fewHosts      = 10 // of the Envoy whose memory is subtracted
	others        = 20 // connections that no change may touch
	pairs         = 15 // of runs of requests, one of each build
	connections   = 8
	perConnection = 2500 // requests of a run
)

// tlsHosts measures what a TLS host costs a real Envoy that has many; with -beside, of
// other builds of legation in turns.
func (b *bench) tlsHosts() error {
	return b.beside(func(sides []*real.Side) error {
		for _, s := range sides {
			if err := b.hostsOf(s); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
		if b.options.turns == 0 {
			return nil
		}
		return b.changeHosts(sides)
	})
}

// requests measures what a request costs the workers of a real Envoy.
func (b *bench) requests() error {
	return b.beside(func(sides []*real.Side) error {
		for _, s := range sides {
			err := s.Grow(0, fewHosts)
			if err == nil {
				_, err = s.Connect(b.ctx, fewHosts)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
		return b.request(sides)
	})
}

// beside runs f with this tree's build of legation and those of -beside, which have a
// backend in common.
func (b *bench) beside(f func([]*real.Side) error) error {
	return b.besideOn("", func(sides []*real.Side, _ *net.TCPAddr) error { return f(sides) })
}

// besideOn is beside with the address of the backend, in a class with more settings.
func (b *bench) besideOn(more string, f func([]*real.Side, *net.TCPAddr) error) (err error) {
	folder, err := os.MkdirTemp("", "legation-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	builds := []string{filepath.Join(folder, "this tree")}
	if err := b.build(builds[0]); err != nil {
		return err
	}
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })}
	go server.Serve(backend) // until Close
	defer server.Close()
	var sides []*real.Side
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, build := range append(builds, split(b.options.beside)...) {
		s, err := real.Start(b.ctx, build, backend.Addr().(*net.TCPAddr), more)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	return f(sides, backend.Addr().(*net.TCPAddr))
}

// build builds the command of this tree.
func (b *bench) build(path string) error {
	root, err := envoy.Root()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, "go", "build", "-o", path, "./cmd/legation")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	return cmd.Run()
}

// hostsOf measures fresh Envoys: with few hosts, and with all.
func (b *bench) hostsOf(s *real.Side) error {
	if err := s.Grow(0, fewHosts); err != nil {
		return err
	}
	few, err := s.Connect(b.ctx, fewHosts)
	if err != nil {
		return err
	}
	rssFew, heapFew, err := s.Memory(b.ctx)
	if err != nil {
		return err
	}
	if err := s.Grow(fewHosts, b.options.hosts); err != nil {
		return err
	}
	all, err := s.Connect(b.ctx, b.options.hosts)
	if err != nil {
		return err
	}
	rss, heap, err := s.Memory(b.ctx)
	more := uint64(b.options.hosts - fewHosts)
	b.results.Hosts = append(b.results.Hosts, Hosts{Build: s.Name, Hosts: b.options.hosts, RSS: (rss - rssFew) / more,
		Heap: (heap - heapFew) / more, CPU: (all - few) / time.Duration(more)})
	return err
}

// changeHosts changes one host at each side in turns.
func (b *bench) changeHosts(sides []*real.Side) error {
	costs := map[string][]real.Cost{} // by build and kind
	touched := map[string]int{}
	for turn := range b.options.turns {
		for _, kind := range append([]string{""}, real.Kinds()...) {
			for _, s := range sides {
				o, err := s.Others(others)
				if err != nil {
					return fmt.Errorf("%s: %w", s.Name, err)
				}
				cost, err := s.Change(b.ctx, kind, b.options.hosts+turn)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", s.Name, kind, err)
				}
				n, _ := o.Touched()
				touched[s.Name+kind] += n
				costs[s.Name+kind] = append(costs[s.Name+kind], cost)
				if err := o.Close(); err != nil {
					return err
				}
			}
		}
	}
	for _, s := range sides {
		rest := medianOf(costs[s.Name], func(c real.Cost) int64 { return int64(c.CPU) })
		for _, kind := range real.Kinds() {
			list := costs[s.Name+kind]
			b.results.HostChanges = append(b.results.HostChanges, HostChange{Build: s.Name, Change: kind, Times: len(list),
				Bytes:   medianOf(list, func(c real.Cost) int64 { return c.Bytes }),
				CPU:     time.Duration(medianOf(list, func(c real.Cost) int64 { return int64(c.CPU) }) - rest),
				Touched: touched[s.Name+kind], Others: others * len(list)})
		}
	}
	return nil
}

// request runs the same requests at each side in turns, which begins in turns, too.
func (b *bench) request(sides []*real.Side) error {
	used := make([][]int64, len(sides))
	for turn := range pairs {
		for k := range sides {
			i := (turn + k) % len(sides)
			cpu, err := sides[i].Requests(connections, perConnection)
			if err != nil {
				return fmt.Errorf("%s: %w", sides[i].Name, err)
			}
			used[i] = append(used[i], int64(cpu))
		}
	}
	for i, s := range sides {
		row := Request{Build: s.Name, Runs: pairs, Each: connections * perConnection, CPU: time.Duration(medianOf(used[i], self))}
		for n := range used[i] {
			row.ratios = append(row.ratios, float64(used[0][n])/float64(used[i][n]))
		}
		slices.Sort(row.ratios)
		row.Ratio, row.Low, row.High = row.ratios[pairs/2], row.ratios[pairs/4], row.ratios[pairs-1-pairs/4]
		b.results.Requests = append(b.results.Requests, row)
	}
	return nil
}

func self(n int64) int64 { return n }

func medianOf[T any](list []T, of func(T) int64) int64 {
	values := make([]int64, len(list))
	for i, x := range list {
		values[i] = of(x)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
