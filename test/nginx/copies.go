//go:build real

package nginx

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// copiesPort is the backend that gets copies of requests.
const copiesPort = 18012

// CopiedHeader names a request that is copied: the backend that answers it waits for the copy,
// and says in its place what that was.
const CopiedHeader = "X-Echo-Copied"

// copyWait is how long it waits for one that never comes.
const copyWait = 5 * time.Second

// copies are those that came and are not told yet, by the address where they came and their name.
var copies = struct {
	sync.Mutex
	came map[string]chan string
}{came: map[string]chan string{}}

// copyOf has the copy of a request, once it is there.
func copyOf(r *http.Request) chan string {
	copies.Lock()
	defer copies.Unlock()
	key := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr).IP.String() + " " + r.Header.Get(CopiedHeader)
	if copies.came[key] == nil {
		copies.came[key] = make(chan string, 1)
	}
	return copies.came[key]
}

// copied is what the copy of a request was that is named so; empty for another request, and for
// one that asks who it is of, which comes before the copy.
func copied(r *http.Request, body int) string {
	if r.Header.Get(CopiedHeader) == "" || asksWho(r) {
		return ""
	}
	came := copyOf(r)
	if r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr).Port == copiesPort {
		select {
		case came <- fmt.Sprintf("%s %s %s body=%d", r.Method, r.Host, r.RequestURI, body):
		default: // one is there already
		}
		return ""
	}
	select {
	case what := <-came:
		return what
	case <-time.After(copyWait):
		return "none"
	}
}
