package ui

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The times and the number of those who are told of changes.
const (
	lookEvery = time.Second
	// refreshEvery is how long a page rests at most: it shows ages.
	refreshEvery = 15 * time.Second
	// tellTime bounds how long who is told may take to read a line.
	tellTime = 10 * time.Second
	// mostLive is how many are told at once. Others see the same when they reload.
	mostLive = 100
	// liveFor is how long one is told, and then asks anew: a token may have become another.
	liveFor = 10 * time.Minute
)

// events tells a page, by server-sent events, that it should ask again: once for each change,
// at most once a second, and once more when Envoys may have answered to it.
func (p *Pages) events(w http.ResponseWriter, r *http.Request) {
	if p.live.Add(1) > mostLive {
		p.live.Add(-1)
		http.Error(w, "too many pages are told of changes; reload to see them", http.StatusServiceUnavailable)
		return
	}
	defer p.live.Add(-1)
	to := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	_ = to.SetReadDeadline(time.Time{}) // that of the request; an error shows when something is told
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	end := time.NewTimer(liveFor)
	defer end.Stop()
	last, told, settling := p.stamp(), time.Now(), false
	for ok := tell(w, to, "retry: 2000\n\n"); ok; {
		select {
		case <-r.Context().Done():
			return
		case <-end.C:
			return
		case <-p.Ended:
			return
		case <-tick.C:
		}
		now := p.stamp()
		changed := now != last
		if changed || settling || time.Since(told) >= refreshEvery {
			last, told = now, time.Now()
			ok = tell(w, to, "data: changed\n\n")
		}
		settling = changed
	}
}

// tell writes a line at once; false if the client does not take it.
func tell(w io.Writer, to *http.ResponseController, line string) bool {
	err := to.SetWriteDeadline(time.Now().Add(tellTime))
	if err == nil {
		_, err = io.WriteString(w, line)
	}
	if err == nil {
		err = to.Flush()
	}
	// By HTTP/2 a deadline ends a stream also if nothing is written.
	return err == nil && to.SetWriteDeadline(time.Time{}) == nil
}

// stamp differs when pages may show something else. It costs no more than there are fleets
// and Envoys.
func (p *Pages) stamp() string {
	var b strings.Builder
	for _, name := range p.Store.Fleets() {
		v, _ := p.Store.Watch(name)
		fmt.Fprintf(&b, "%s %d;", name, v.Number)
	}
	fmt.Fprintf(&b, "%d;", p.Problems.Changes())
	nodes := p.Fleets.Nodes()
	fmt.Fprintf(&b, "%d", len(nodes))
	return b.String()
}
