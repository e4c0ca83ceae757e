package limits

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// budgets are what the bytes of a large request are taken from, all of them and in
// this order.
type budgets []*semaphore.Weighted

// try takes bytes if that needs no wait.
func (b budgets) try(bytes int64) bool {
	for i, s := range b {
		if !s.TryAcquire(bytes) {
			b[:i].give(bytes)
			return false
		}
	}
	return true
}

// take takes bytes when it is their turn. An error says that ctx has ended.
func (b budgets) take(ctx context.Context, bytes int64) error {
	for i, s := range b {
		if err := s.Acquire(ctx, bytes); err != nil {
			b[:i].give(bytes)
			return err
		}
	}
	return nil
}

// give gives bytes back.
func (b budgets) give(bytes int64) {
	for _, s := range b {
		s.Release(bytes)
	}
}
