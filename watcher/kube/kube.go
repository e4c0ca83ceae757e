// Package kube makes a Kubernetes API server a source of changes.
//
// Client-go's Reflectors list and watch Ingresses, IngressClasses, Services and
// EndpointSlices, each object reduced to what translation reads as soon as it is
// decoded. Nothing else of it is kept.
//
// Of Secrets and ConfigMaps only the metadata is watched; those that an Ingress or an
// IngressClass of ours names are fetched one by one. The metadata of all other Secrets
// is sent to us when one changes and at each full list, but is not kept in memory. The
// alternative, a watch for each Secret by its name, would avoid the full list, but would
// need as many streams as there are certificates.
//
// An error is never taken for a deletion. While the API server cannot be reached, or
// refuses a request, the objects that were read stay, and Source.Waiting says why. What we
// may not read keeps nothing else from being read: see state.complete.
//
// The package writes nothing to the cluster.
//
// Start reading at Source.Run and state.go.
package kube

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"legation.dev/object"
	"legation.dev/translator/input"
)

// Config says what to read. Only REST must be set.
type Config struct {
	// REST has the address of the API server and our credentials. If its QPS is not set,
	// the rate of requests is not limited; the number of concurrent ones always is.
	REST *rest.Config
	// Namespaces are those that are read; none means all. The namespaces of the
	// settings of a class and of its default certificate must be among them.
	Namespaces []string
	// Controllers are those whose IngressClasses are ours, too: we take their place.
	Controllers []string
	// Classes are the IngressClasses that are served; none means all that are ours.
	Classes []string
	// Last is what an earlier process has served: what its classes and fleets name is followed,
	// though they may be gone by now, since the fleets are frozen then.
	Last input.View
	// Refused is how long the API server must refuse something before that counts as its
	// answer; 10 s: when it has just started, or roles are being replaced, it refuses what it
	// will allow in a moment.
	Refused time.Duration
	// Endpoints hears of each change of the endpoints of a Service, and who has written it: a
	// field manager, empty if that is not known. It must not block. nil: nobody wants to know.
	Endpoints func(service object.Ref, by string)
	// Log gets a line for each change of state; nil means slog.Default().
	Log *slog.Logger
}

const defaultRefused = 10 * time.Second

// Source reads an API server. Make it with New.
type Source struct {
	config  Config
	state   *state
	feeds   []*feed
	fetcher *fetcher
}

// New makes a Source; it sends no request yet.
func New(c Config) (*Source, error) {
	if c.REST == nil {
		return nil, errors.New("no address of an API server")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Refused = cmp.Or(c.Refused, defaultRefused)
	if len(c.Namespaces) == 0 {
		c.Namespaces = []string{everyNamespace}
	}
	c.Namespaces = slices.Compact(slices.Sorted(slices.Values(c.Namespaces)))
	clients, err := newClients(c.REST)
	if err != nil {
		return nil, err
	}
	s := &Source{config: c, state: newState(c.Namespaces)}
	s.fetcher = newFetcher(clients, s.state, c)
	s.state.fetch = s.fetcher.ask
	s.feeds = newFeeds(clients, s.state, c)
	for _, f := range s.feeds {
		s.state.unlisted[f] = true
	}
	return s, nil
}

// Run reads until ctx ends, and returns its error. All its goroutines have ended
// then. It must be called once.
func (s *Source) Run(ctx context.Context) error {
	s.fetcher.open()
	s.state.recall(s.config.Last)
	s.config.Last = input.View{}
	var group sync.WaitGroup
	for _, f := range s.feeds {
		group.Go(func() { f.run(ctx) })
	}
	group.Go(func() { s.fetcher.run(ctx) })
	group.Wait()
	return ctx.Err()
}

// Used has objects followed with which fleets are served (input.View.Uses), in place of those
// of the last call. It does not block.
func (s *Source) Used(refs []object.Ref) { s.state.used(refs) }

// Take waits for changes and returns them, each object once. The first call
// waits until every kind was listed and every Secret and ConfigMap that is named
// was fetched, and returns all objects; none, if there are none. What is
// guaranteed of later calls is said at queue.
func (s *Source) Take(ctx context.Context) ([]input.Change, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		list, wake := s.state.take()
		if list != nil {
			return list, nil
		}
		select {
		case <-ctx.Done():
		case <-wake:
		}
	}
}

// FollowedSince is since when all kinds have been followed that say where a request
// goes: Ingresses, Services, EndpointSlices. It is now while one of them is not, but for
// what we may not read.
// Other kinds have no part in that: a certificate is kept without limit.
func (s *Source) FollowedSince(now time.Time) (since time.Time) {
	for _, f := range s.feeds {
		switch f.kind {
		case object.KindIngress, object.KindService, object.KindSlice:
			if s.state.isRefused(f) { // that is an answer: nothing waits for it
				continue
			}
			if t := f.health.followedSince(now); t.After(since) {
				since = t
			}
		}
	}
	return since
}

// Waiting says what was not read yet, and what cannot be followed now, in order;
// none if all is well.
func (s *Source) Waiting() []Condition {
	var list []Condition
	for _, f := range s.feeds {
		if c, ok := f.health.waiting(); ok {
			list = append(list, c)
		}
	}
	return append(list, s.fetcher.waiting()...)
}
