package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"legation.dev/test/bench/real"
)

const pushTurns = 9

// pushes are how many hosts with how many paths each are new at once.
var pushes = [...]struct{ hosts, paths int }{{300, 1}, {1, 300}}

// push measures what new hosts cost the main thread of a real Envoy, plain ones and those with
// authentication, CORS, limits and header changes, in turns: in a class that takes the place of
// ingress-nginx's, and in another one.
func (b *bench) push() error {
	if err := b.pushIn("compatible", real.Compatible); err != nil {
		return err
	}
	return b.pushIn("other", "")
}

// pushIn measures it in a class with these settings.
func (b *bench) pushIn(class, settings string) error {
	return b.besideOn(settings, func(sides []*real.Side, backend *net.TCPAddr) (err error) {
		s := sides[0]
		end, err := b.authorize(s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		if err := s.Grow(0, 1); err != nil {
			return err
		}
		if _, err := s.Connect(b.ctx, 1); err != nil {
			return err
		}
		for _, p := range pushes {
			if err := b.pushOn(s, Push{Class: class, Hosts: p.hosts, Paths: p.paths}, real.Pushed(backend)); err != nil {
				return err
			}
		}
		return nil
	})
}

// pushOn pushes as many hosts and paths as a row has, of each kind in turns.
func (b *bench) pushOn(s *real.Side, of Push, kinds []real.Feature) error {
	costs := make([][]real.Cost, len(kinds))
	for turn := range pushTurns {
		for k := range kinds {
			k = (k + turn) % len(kinds)
			c, err := s.Push(b.ctx, kinds[k], of.Hosts, of.Paths)
			if err != nil {
				return fmt.Errorf("%s: %w", kinds[k].Name, err)
			}
			costs[k] = append(costs[k], c)
		}
	}
	for k, f := range kinds {
		row := pushOf(costs[k], costs[0])
		row.Class, row.Feature, row.Hosts, row.Paths = of.Class, f.Name, of.Hosts, of.Paths
		b.results.Pushes = append(b.results.Pushes, row)
	}
	return nil
}

// pushOf sums up the turns of one kind beside those of plain ones.
func pushOf(costs, plain []real.Cost) Push {
	ratios := make([]float64, len(costs))
	for i := range costs {
		ratios[i] = float64(costs[i].CPU) / float64(plain[i].CPU)
	}
	slices.Sort(ratios)
	n := len(ratios)
	return Push{Runs: n, Ratio: ratios[n/2], Low: ratios[n/4], High: ratios[n-1-n/4],
		Bytes: medianOf(costs, func(c real.Cost) int64 { return c.Bytes }),
		CPU:   time.Duration(medianOf(costs, func(c real.Cost) int64 { return int64(c.CPU) }))}
}
