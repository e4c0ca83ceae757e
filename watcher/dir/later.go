package dir

import (
	"context"
	"sync"
	"time"

	"legation.dev/translator/input"
)

// Later is a folder that cannot be opened yet: it is tried again until it can be. What an
// earlier process has read may be served meanwhile.
type Later struct {
	root string
	how  Config
	last []input.Object

	mu     sync.Mutex // guards what follows
	source *Source    // nil: not opened yet
	err    error      // why
}

// OpenLater opens a folder as soon as it can be. See Open and Source.Recall.
func OpenLater(root string, last []input.Object, how Config) *Later {
	l := &Later{root: root, how: how, last: last}
	_ = l.try() // Waiting tells it
	return l
}

// try opens the folder, or keeps the reason why it cannot be.
func (l *Later) try() *Source {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.source == nil {
		if l.source, l.err = Open(l.root, l.how); l.err != nil {
			return nil
		}
		l.source.Recall(l.last)
		l.last = nil
	}
	return l.source
}

// Take is that of Source, as soon as the folder can be opened.
func (l *Later) Take(ctx context.Context) ([]input.Change, error) {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		if s := l.try(); s != nil {
			return s.Take(ctx)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// FollowedSince is zero for a folder that is open, and now for one that is not.
func (l *Later) FollowedSince(now time.Time) time.Time {
	if l.Waiting() != nil {
		return now
	}
	return time.Time{}
}

// Waiting is why the folder is not open; nil if it is.
func (l *Later) Waiting() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close ends the watch.
func (l *Later) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.source == nil {
		return nil
	}
	return l.source.Close()
}
