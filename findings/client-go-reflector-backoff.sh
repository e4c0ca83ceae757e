#!/bin/sh
# A Reflector's backoff is not reset by being well again.
#
# client-go v0.37.2, cache.NewReflectorWithOptions with its default backoff.
#
# The guess: once a Reflector lists and watches again, its backoff begins anew, so a
# blip of half a second is over in a second or so. What happens: the steps of the
# backoff are forgotten only when the last *step* is two minutes ago, however well the
# watch went meanwhile. A server that was away for 10 s, then answered without a break
# for 30 s, and is then away for 0.5 s, is not followed for another 10 to 30 s. Each
# kind draws its own jitter, so that the kinds of a controller come back up to 15 s
# apart. Whoever waits for "all kinds are followed" measures that, and not the server.
#
# Seen (six Reflectors, each by itself, one run):
#   away 10s, back after 5.0 s;   away 500ms, back after 18.1 s
#   away 10s, back after 8.5 s;   away 500ms, back after 24.8 s
#
# Needs Go and the Go module proxy; takes 90 s. Fails if a blip is over sooner than 5 s.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// nothing keeps nothing of what is read.
type nothing struct{}

func (nothing) Add(any) error               { return nil }
func (nothing) Update(any) error            { return nil }
func (nothing) Delete(any) error            { return nil }
func (nothing) Replace([]any, string) error { return nil }
func (nothing) Resync() error               { return nil }

// server lists and watches, unless it is away.
type server struct {
	mu       sync.Mutex
	away     bool
	watches  []*watch.FakeWatcher
	followed chan time.Time
}

func (s *server) leave(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
	if away {
		for _, w := range s.watches {
			w.Stop()
		}
		s.watches = nil
	}
}

func (s *server) list(metav1.ListOptions) (runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, io.ErrUnexpectedEOF
	}
	return &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, nil
}

func (s *server) watch(o metav1.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away || o.SendInitialEvents != nil {
		return nil, io.ErrUnexpectedEOF
	}
	w := watch.NewFake()
	s.watches = append(s.watches, w)
	s.followed <- time.Now()
	return w, nil
}

func main() {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		least = time.Hour
	)
	for range 6 {
		group.Go(func() {
			s := &server{followed: make(chan time.Time, 100)}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r := cache.NewReflectorWithOptions(&cache.ListWatch{ListFunc: s.list, WatchFunc: s.watch}, nil, nothing{}, cache.ReflectorOptions{})
			go r.RunWithContext(ctx)
			<-s.followed
			var back [2]time.Duration
			for i, away := range []time.Duration{10 * time.Second, 500 * time.Millisecond} {
				s.leave(true)
				time.Sleep(away)
				s.leave(false)
				begin := time.Now()
				back[i] = (<-s.followed).Sub(begin)
				if i == 0 {
					time.Sleep(30 * time.Second) // watched without a break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			least = min(least, back[1])
			fmt.Printf("away 10s, back after %.1f s;  away 500ms, back after %.1f s\n", back[0].Seconds(), back[1].Seconds())
		})
	}
	group.Wait()
	if least < 5*time.Second {
		fmt.Println("CHANGED: a blip is over sooner than 5 s")
		os.Exit(1)
	}
}
GO
go mod init example.test/backoff 2>/dev/null
go get k8s.io/client-go@v0.37.2 k8s.io/apimachinery@v0.37.2 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go run . 2>/dev/null
