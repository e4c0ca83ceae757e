package main

import (
	"errors"
	"fmt"
	"time"

	"legation.dev/test/bench/clients"
	"legation.dev/test/bench/peer"
	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
)

// with runs f on a setup and closes it.
func (b *bench) with(kind peer.Kind, f func(*setup) error) error {
	s, err := b.open(kind)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.close())
}

// latency measures one Envoy: from a change handed to the control plane to its
// arrival, for endpoints, for virtual hosts, and for endpoints right after a
// virtual host.
func (b *bench) latency() error {
	return b.with(peer.Legation, func(s *setup) error {
		b.results.FreshLoad = Load{Took: s.loaded.Took, Bytes: s.loaded.Bytes, Resources: s.loaded.Resources, Server: s.started.Took}
		if err := s.connect(1); err != nil {
			return err
		}
		for _, c := range []changes{
			{kind: world.Endpoint, count: 1000, every: 5 * time.Millisecond},
			{kind: world.Path, count: 100, every: 50 * time.Millisecond},
			{kind: world.Endpoint, after: world.Path, count: 200, every: 25 * time.Millisecond},
		} {
			c.count = min(c.count, s.size.Services)
			var o outcome
			err := b.profiled(s, "latency-"+c.name(), func() (err error) { o, err = s.measure(c); return })
			if err != nil {
				return fmt.Errorf("%s: %w", c.name(), err)
			}
			b.results.Latency = append(b.results.Latency, Latency{Change: c.name(), Count: c.count, Latencies: o.Latencies,
				CPU: o.CPU / time.Duration(c.count), Bytes: o.Received.Bytes / int64(c.count)})
		}
		return nil
	})
}

func (c changes) name() string {
	if c.after == "" {
		return c.kind
	}
	return c.kind + " right after " + c.after
}

// fanout measures one endpoint change to many Envoys, in turns with the bare
// server, so that both see the same machine.
func (b *bench) fanout() error {
	return b.with(peer.Legation, func(legation *setup) error {
		return b.with(peer.Bare, func(bare *setup) error {
			for _, n := range b.options.streams {
				if err := b.fanTo(n, legation, bare); err != nil {
					return fmt.Errorf("%d Envoys: %w", n, err)
				}
			}
			return nil
		})
	})
}

// turns is how often the servers take turns; the costs of all turns are added.
const turns = 4

func (b *bench) fanTo(n int, setups ...*setup) error {
	rows := make([]Fanout, len(setups))
	for i, s := range setups {
		if err := s.connect(n); err != nil {
			return fmt.Errorf("%s: %w", s.kind, err)
		}
		rows[i] = Fanout{Server: s.kind, Envoys: n}
	}
	takeTurns := func() error {
		for range turns {
			for i, s := range setups {
				if err := rows[i].turn(s, b.isolated(n)); err != nil {
					return fmt.Errorf("%s: %w", s.kind, err)
				}
			}
		}
		return nil
	}
	if err := b.profiled(setups[0], fmt.Sprintf("fan-out-%d", n), takeTurns); err != nil {
		return err
	}
	for i, s := range setups {
		if err := rows[i].memory(s); err != nil {
			return err
		}
	}
	b.results.Fanout = append(b.results.Fanout, rows...)
	return nil
}

// isolated is a row of changes to n Envoys that are far enough apart for each to
// have arrived everywhere before the next.
func (b *bench) isolated(n int) changes {
	c := changes{kind: world.Endpoint, count: 10, every: 250 * time.Millisecond}
	switch {
	case n <= 10:
		c.count, c.every = 100, 10*time.Millisecond
	case n <= 100:
		c.count, c.every = 25, 60*time.Millisecond
	}
	c.count = min(c.count, b.options.services)
	return c
}

// turn adds one row of changes; times are those of the last turn but for the
// worst, CPU and bytes are means.
func (f *Fanout) turn(s *setup, c changes) error {
	o, err := s.measure(c)
	if err != nil {
		return err
	}
	f.Changes += c.count
	f.totalCPU += o.CPU
	f.totalClientCPU += o.ClientCPU
	f.received += o.Received.Bytes
	f.First, f.Last = o.First, o.Last
	f.Worst = max(f.Worst, o.Max)
	pushes := time.Duration(f.Changes * f.Envoys)
	f.CPU, f.ClientCPU, f.Bytes = f.totalCPU/pushes, f.totalClientCPU/pushes, f.received/int64(pushes)
	return nil
}

func (f *Fanout) memory(s *setup) error {
	var before, after proc.Usage
	err := calls(call{s.server, "Server.Usage", nothing, &before}, call{s.server, "Server.Memory", nothing, &after})
	f.Heap, f.RSS = after.Heap, before.RSS
	return err
}

// rate measures 50 changes a second for 10 s.
func (b *bench) rate() error {
	c := changes{kind: world.Endpoint, count: 500, every: 20 * time.Millisecond}
	if b.options.short {
		c.count = 50
	}
	return b.with(peer.Legation, func(s *setup) error {
		for _, n := range b.options.streams {
			if err := s.connect(n); err != nil {
				return err
			}
			var o outcome
			err := b.profiled(s, fmt.Sprintf("rate-%d", n), func() (err error) { o, err = s.measure(c); return })
			if err != nil {
				return fmt.Errorf("%d Envoys: %w", n, err)
			}
			over := time.Duration(c.count) * c.every
			b.results.Rate = append(b.results.Rate, Rate{Envoys: n, Changes: c.count, Over: over, Latencies: o.Latencies,
				Cores: float64(o.CPU) / float64(over), CPU: o.CPU / time.Duration(c.count*n),
				PerResponse: float64(o.Received.Resources) / float64(o.Received.Responses)})
		}
		return nil
	})
}

// reconnect measures the return of all Envoys at once, with all they had.
func (b *bench) reconnect() error {
	return b.with(peer.Legation, func(s *setup) error { return b.reconnectTo(s, b.options.streams) })
}

func (b *bench) reconnectTo(s *setup, streams []int) error {
	for _, n := range streams {
		for _, changed := range []bool{false, true} {
			var row Reconnect
			err := b.profiled(s, fmt.Sprintf("reconnect-%d-%v", n, changed), func() (err error) { row, err = s.comeBack(n, changed); return })
			if err != nil {
				return fmt.Errorf("%d Envoys: %w", n, err)
			}
			b.results.Reconnect = append(b.results.Reconnect, row)
			if row.Resources != 0 {
				return fmt.Errorf("%d Envoys were sent %d resources that they had", n, row.Resources)
			}
		}
	}
	return nil
}

// comeBack connects n Envoys at once. That all of them have been taken in shows
// in the arrival of one change, which is made when all have said what they have; or,
// if changed, while they are away, so that nobody has all that is wanted.
func (s *setup) comeBack(n int, changed bool) (Reconnect, error) {
	row := Reconnect{Server: s.kind, Envoys: n, Changed: changed}
	var before, after, settled proc.Usage
	var connected clients.Connected
	var made []clients.Change
	var received clients.Received
	var arrived clients.Latencies
	connect := call{s.clients, "Clients.Connect", clients.ConnectArgs{Envoys: n}, &connected}
	change := call{s.server, "Server.Change", peer.ChangeArgs{Kind: world.Endpoint, First: s.next, Count: 1}, &made}
	if changed {
		connect, change = change, connect
	}
	err := calls(
		call{s.clients, "Clients.Close", nothing, &nothing},
		call{s.clients, "Clients.Reset", nothing, &nothing},
		call{s.server, "Server.ResetPeaks", nothing, &nothing},
		call{s.server, "Server.Usage", nothing, &before},
		connect, change,
	)
	if err != nil {
		return row, err
	}
	s.next = (s.next + 1) % s.size.Services
	err = calls(
		call{s.clients, "Clients.Await", clients.AwaitArgs{Changes: made}, &arrived},
		call{s.server, "Server.Usage", nothing, &after},
		call{s.clients, "Clients.Received", nothing, &received},
		call{s.server, "Server.Memory", nothing, &settled},
	)
	row.Took = made[0].At + arrived.Max - connected.Start
	row.CPU = (after.CPU - before.CPU) / time.Duration(n)
	row.Resources = received.Resources - int64(n) // the one that changed
	row.PeakHeap, row.PeakRSS, row.Heap = after.PeakHeap, after.PeakRSS, settled.Heap
	return row, err
}

// peers measures go-control-plane's caches with its own server in the same way,
// with few changes: each takes about a second of CPU.
func (b *bench) peers() error {
	var errs []error
	for _, kind := range []peer.Kind{peer.Legation, peer.SnapshotCache, peer.LinearCache} {
		err := b.with(kind, func(s *setup) error {
			for _, n := range b.options.peers {
				if err := b.peerAt(s, n); err != nil {
					return fmt.Errorf("%d Envoys: %w", n, err)
				}
			}
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", kind, err))
		}
	}
	return errors.Join(errs...)
}

func (b *bench) peerAt(s *setup, n int) error {
	back, err := s.comeBack(n, false)
	if err != nil {
		return err
	}
	s.envoys = n
	row := Fanout{Server: s.kind, Envoys: n}
	if err := row.turn(s, b.spaced(n)); err != nil {
		return err
	}
	if err := row.memory(s); err != nil {
		return err
	}
	b.results.Peers = append(b.results.Peers, Peer{Fanout: row, Load: s.loaded.Took, Reconnect: back})
	return nil
}

// spaced is a row of changes that go-control-plane's server has the time for.
func (b *bench) spaced(n int) changes {
	if b.options.short {
		return changes{kind: world.Endpoint, count: 5, every: 200 * time.Millisecond}
	}
	return changes{kind: world.Endpoint, count: 5, every: time.Second + time.Duration(n)*20*time.Millisecond}
}
