package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"legation.dev/authz"
	"legation.dev/test/bench/real"
)

const (
	featurePairs  = 9 // turns, in each of which every feature and the plain route are asked once
	featureEach   = 250
	byEnvoy       = "external auth, by Envoy's own ext_authz on a bare Envoy"
	besideByEnvoy = "external auth, to a plain route and what ext_authz adds on a bare Envoy"
)

// features measures what one feature on a route costs the workers of a real Envoy, beside a
// plain route of the same Envoy.
func (b *bench) features() error {
	return b.besideOn("", func(sides []*real.Side, backend *net.TCPAddr) (err error) {
		s, list := sides[0], real.Features(backend)
		end, err := b.authorize(s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		if err := errors.Join(s.Grow(0, 1), s.Offer(list, backend)); err != nil {
			return err
		}
		if _, err := s.Connect(b.ctx, 1); err != nil {
			return err
		}
		if err := s.Ready(b.ctx, list); err != nil {
			return err
		}
		bare, err := real.StartBare(b.ctx, backend)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, bare.Close()) }()
		return b.prices(s, bare, list)
	})
}

// authorize starts an authorization server for a side.
func (b *bench) authorize(s *real.Side) (end func() error, err error) {
	folder, err := os.MkdirTemp("", "legation-authz-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- authz.New(authz.Config{Local: true}).Serve(ctx, l) }()
	s.Authz = "unix:" + path
	return func() error {
		cancel()
		return errors.Join(<-done, os.RemoveAll(folder))
	}, nil
}

// prices asks each feature in turns, which begin in turns, too. The plain route of a turn is
// what all others of it are compared with.
func (b *bench) prices(s *real.Side, bare *real.Bare, list []real.Feature) error {
	used := map[string][]int64{}
	note := func(name string, cpu time.Duration, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		used[name] = append(used[name], int64(cpu))
		return nil
	}
	for turn := range featurePairs {
		for k := range list {
			f := list[(turn+k)%len(list)]
			cpu, err := s.Price(f, connections, featureEach)
			if err := note(f.Name, cpu, err); err != nil {
				return err
			}
		}
		asked, err := bare.Price(true, connections, featureEach)
		plain, wrong := bare.Price(false, connections, featureEach)
		if err := errors.Join(note(byEnvoy, asked, err), note("bare", plain, wrong)); err != nil {
			return err
		}
		own := used[real.Plain][turn] + int64(asked-plain)
		used[besideByEnvoy] = append(used[besideByEnvoy], own)
	}
	for _, f := range list {
		b.price(f.Name, used[f.Name], used[real.Plain])
	}
	b.price(byEnvoy, used[byEnvoy], used["bare"])
	b.price(besideByEnvoy, used["external auth"], used[besideByEnvoy])
	return nil
}

func (b *bench) price(name string, used, beside []int64) {
	ratios := make([]float64, len(used))
	for i := range used {
		ratios[i] = float64(used[i]) / float64(beside[i])
	}
	slices.Sort(ratios)
	n := len(ratios)
	b.results.Prices = append(b.results.Prices, Price{Feature: name, Runs: n, Each: connections * featureEach, CPU: time.Duration(medianOf(used, self)),
		Ratio: ratios[n/2], Low: ratios[n/4], High: ratios[n-1-n/4]})
}
