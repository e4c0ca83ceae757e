package main

import (
	"log/slog"
	"time"

	"legation.dev/xds/history"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// publisher hands snapshots to the store, and logs each new version and leaves it to the history.
func publisher(s *store.Store, book *history.Book, log *slog.Logger) func(string, snapshot.Snapshot, snapshot.Cause) {
	return func(name string, snap snapshot.Snapshot, cause snapshot.Cause) {
		before, _ := s.Watch(name) // nothing, if this is the first
		v, isNew := s.Publish(name, snap, cause.Text, cause.Edits...)
		tellStored(log.With("fleet", name), before.Snapshot.Stored(), snap.Stored())
		if !isNew {
			return
		}
		book.Offer(name, v)
		size := sizeOf(before.Snapshot, snap)
		log.Info("new version", "fleet", name, "version", v.Number, "cause", cause.Text, "added", size.added, "changed", size.changed, "removed", size.removed,
			"bytes", size.bytes, "resources", snap.Len(), "digest", snap.Digest().String())
	}
}

// tellStored logs that what is served was only stored, and when that ends.
func tellStored(log *slog.Logger, before, now time.Time) {
	switch {
	case before.IsZero() && !now.IsZero():
		log.Warn("the source was not read yet: Envoys that start are served what an earlier process has stored, others keep what they have", "age", time.Since(now).Round(time.Second))
	case !before.IsZero() && now.IsZero():
		log.Info("the source was read: what was stored is served no longer")
	}
}

// size is how much a version differs from the one before.
type size struct {
	added, changed, removed int // resources
	bytes                   int // of those that were added or changed, as they are sent to each Envoy
}

func sizeOf(before, after snapshot.Snapshot) (s size) {
	for _, c := range snapshot.Diff(before, after) {
		switch {
		case !c.HasNew:
			s.removed++
			continue
		case c.HadOld:
			s.changed++
		default:
			s.added++
		}
		s.bytes += len(c.New.Wire())
	}
	return s
}
