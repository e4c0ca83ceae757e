package load

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Services is the Oracle of a configuration that stays: host to the Service
// that must answer with status 200, or 101 to a WebSocket.
type Services map[string]string

// Begin implements Oracle.
func (s Services) Begin(host, _ string) any { return s[host] }

// End implements Oracle.
func (s Services) End(token any, status int, service string) error {
	want := token.(string)
	if (status == http.StatusOK || status == http.StatusSwitchingProtocols) && service == want {
		return nil
	}
	return fmt.Errorf("%s; Service %q was to answer", Answer{status, service}, want)
}

// Timeline is the Oracle of a configuration that changes under load. Who changes
// it says Allow before the change is made and Only (or Forbid) when Envoy has it; between
// the two the old and the new answer are right. An answer is right if it was
// allowed at any time between the request's start and its end. There is no
// clock in it, only the order of these calls.
//
// The zero value allows nothing. A WebSocket's 101 counts as 200.
type Timeline struct {
	mu   sync.Mutex // guards the fields below
	now  uint64     // number of changes so far
	keys map[key]*history
	live map[uint64]int // running requests by the change they began at
}

type key struct{ host, path string }

// still is the end of what is allowed now.
const still = math.MaxUint64

// history is what was allowed for a key, and until which change, that included.
type history struct {
	until map[Answer]uint64
}

// Allow allows an answer from now on, besides those that are.
func (t *Timeline) Allow(host, path string, a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now++
	t.history(key{host, path}).until[a] = still
}

// Only allows nothing else from now on.
func (t *Timeline) Only(host, path string, a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.history(key{host, path})
	for other, until := range h.until {
		if until == still && other != a {
			h.until[other] = t.now
		}
	}
	t.now++
	h.until[a] = still
	h.forget(t.oldest())
}

// Forbid allows an answer no more from now on.
func (t *Timeline) Forbid(host, path string, a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.history(key{host, path})
	if h.until[a] == still {
		h.until[a] = t.now
	}
	t.now++
	h.forget(t.oldest())
}

func (t *Timeline) history(k key) *history {
	if t.keys == nil {
		t.keys, t.live = make(map[key]*history), make(map[uint64]int)
	}
	h := t.keys[k]
	if h == nil {
		h = &history{until: make(map[Answer]uint64)}
		t.keys[k] = h
	}
	return h
}

// oldest is the change at which the oldest running request began.
func (t *Timeline) oldest() uint64 {
	oldest := t.now
	for began := range t.live {
		oldest = min(oldest, began)
	}
	return oldest
}

// forget drops what was withdrawn before the change began.
func (h *history) forget(began uint64) {
	for a, until := range h.until {
		if until < began {
			delete(h.until, a)
		}
	}
}

type begun struct {
	key
	at uint64
}

// Begin implements Oracle.
func (t *Timeline) Begin(host, path string) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		t.keys, t.live = make(map[key]*history), make(map[uint64]int)
	}
	t.live[t.now]++
	return begun{key{host, path}, t.now}
}

// End implements Oracle.
func (t *Timeline) End(token any, status int, service string) error {
	if status == http.StatusSwitchingProtocols {
		status = http.StatusOK
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b, got := token.(begun), Answer{status, service}
	if t.live[b.at]--; t.live[b.at] == 0 {
		delete(t.live, b.at)
	}
	h := t.keys[b.key]
	if h == nil {
		return fmt.Errorf("%s; nothing is allowed for %s%s", got, b.host, b.path)
	}
	if until, ok := h.until[got]; ok && until >= b.at {
		return nil
	}
	return fmt.Errorf("%s; allowed since the request began: %s", got, h.since(b.at))
}

// since lists what was allowed at or after a change.
func (h *history) since(at uint64) string {
	var all []string
	for _, a := range slices.SortedFunc(maps.Keys(h.until), func(a, b Answer) int { return strings.Compare(a.String(), b.String()) }) {
		if h.until[a] >= at {
			all = append(all, a.String())
		}
	}
	return strings.Join(all, ", ")
}
