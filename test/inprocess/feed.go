package inprocess

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"legation.dev/controller"
	"legation.dev/object"
	"legation.dev/translator/input"
)

// sorted are the changes in an order that does not change from run to run.
func sorted(objects map[object.Ref]input.Change) []input.Change {
	var list []input.Change
	for _, c := range objects {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b input.Change) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return list
}

// feed is the Source.
type feed struct {
	wake chan struct{} // holds a value when there are changes

	mu      sync.Mutex // guards the fields below
	changes []input.Change
	given   uint64

	taken     uint64        // the last number that Take handed out; of the Loop's goroutine
	published atomic.Uint64 // the last number whose change is in the store
}

func newFeed(given uint64, first []input.Change) *feed {
	f := &feed{wake: make(chan struct{}, 1)}
	f.give(given, first)
	return f
}

func (f *feed) give(number uint64, changes []input.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes, f.given = append(f.changes, changes...), number
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Take implements controller.Source.
func (f *feed) Take(ctx context.Context) ([]input.Change, error) {
	select {
	case <-f.wake:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := coalesced(f.changes)
	f.changes, f.taken = nil, f.given
	return all, nil
}

// FollowedSince implements controller.Source: nothing is ever missed.
func (f *feed) FollowedSince(time.Time) time.Time { return time.Time{} }

// coalesced keeps the last change of each object.
func coalesced(changes []input.Change) []input.Change {
	last := map[object.Ref]int{}
	for i, c := range changes {
		last[c.Ref] = i
	}
	var out []input.Change
	for i, c := range changes {
		if last[c.Ref] == i {
			out = append(out, c)
		}
	}
	return out
}

var _ controller.Source = (*feed)(nil)
