package server

import (
	"runtime"
	"slices"
	"sync"

	"legation.dev/xds/store"
)

// broadcaster hands each new version of a fleet to its share of the streams, one after
// the other. Waking 1,000 handlers for each version costs more than what they then
// send: so one broadcaster for each core sends itself, and wakes the handler of a stream
// only when sending might have to wait. The diagram at stream shows its part.
//
// server and fleet never change. streams is guarded by mu; join and leave change it,
// run copies it. Nothing is sent with mu held.
type broadcaster struct {
	server *Server
	fleet  string

	mu      sync.Mutex
	streams []*stream
}

// pause is after how many streams a broadcaster lets others run: those who write what
// it has sent.
const pause = 16

// join adds st to the broadcaster of its fleet that has the fewest streams. There is
// one for each core.
func (s *Server) join(st *stream) *broadcaster {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.broadcasters[st.fleet]
	if all == nil {
		for range runtime.GOMAXPROCS(0) {
			h := &broadcaster{server: s, fleet: st.fleet}
			all = append(all, h)
			view, _ := s.store.Watch(st.fleet)
			s.readers.Go(func() { h.run(view) })
		}
		s.broadcasters[st.fleet] = all
	}
	h := slices.MinFunc(all, func(a, b *broadcaster) int { return a.len() - b.len() })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams = append(h.streams, st)
	return h
}

func (h *broadcaster) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams)
}

// leave takes st out; it may still be offered a version that is being handed out.
func (h *broadcaster) leave(st *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.streams, st)
	h.streams = slices.Delete(h.streams, i, i+1)
}

// run waits for versions newer than that of view until the server stops.
func (h *broadcaster) run(view store.View) {
	var streams []*stream
	for {
		select {
		case <-view.Changed:
		case <-h.server.stopping:
			return
		}
		view, _ = h.server.store.Watch(h.fleet)
		h.mu.Lock()
		streams = append(streams[:0], h.streams...)
		h.mu.Unlock()
		for i, st := range streams {
			if i%pause == pause-1 {
				runtime.Gosched()
			}
			st.offer(view)
		}
		clear(streams) // those that end meanwhile are not to be kept
	}
}
