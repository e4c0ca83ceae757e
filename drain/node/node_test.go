package node

import (
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"legation.dev/drain/api"
)

// hang bounds what never comes.
const hang = time.Minute

// apiServer is one with one Node, as far as an answer needs to be odd; the suite of
// test/shutdown asks a real one.
type apiServer struct {
	t      *testing.T
	server *httptest.Server
	dir    string
	told   chan string
	asking chan struct{} // holds that somebody asks

	mu      sync.Mutex // guards the fields below
	token   string
	node    string                                                   // what a question is answered
	watches []func(http.Flusher, http.ResponseWriter, *http.Request) // what the next watches are
	asked   []string
}

func newAPI(t *testing.T) *apiServer {
	a := &apiServer{t: t, dir: t.TempDir(), told: make(chan string, 100), asking: make(chan struct{}, 1), token: "one", node: of("1")}
	a.server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.server.EnableHTTP2 = true
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	a.write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})))
	a.write("token", "one\n")
	return a
}

func (a *apiServer) write(name, text string) {
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// of is a Node of a version with taints.
func of(version string, taints ...string) string {
	var list []string
	for _, t := range taints {
		list = append(list, fmt.Sprintf(`{"key":%q}`, t))
	}
	return fmt.Sprintf(`{"kind":"Node","metadata":{"name":"a","resourceVersion":%q},"spec":{"taints":[%s]}}`, version, strings.Join(list, ","))
}

func (a *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	select {
	case a.asking <- struct{}{}:
	default:
	}
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.String())
	node, allowed := a.node, r.Header.Get("Authorization") == "Bearer "+a.token
	var watch func(http.Flusher, http.ResponseWriter, *http.Request)
	if r.URL.Query().Get("watch") == "true" && allowed {
		watch = rest
		if len(a.watches) > 0 {
			watch, a.watches = a.watches[0], a.watches[1:]
		}
	}
	a.mu.Unlock()
	switch {
	case !allowed:
		http.Error(w, "no", http.StatusUnauthorized)
	case watch != nil:
		watch(w.(http.Flusher), w, r)
	default:
		fmt.Fprint(w, node)
	}
}

// rest is a watch in which nothing happens.
func rest(f http.Flusher, w http.ResponseWriter, r *http.Request) {
	f.Flush()
	<-r.Context().Done()
}

// says is a watch of events, which the server ends then.
func says(events ...string) func(http.Flusher, http.ResponseWriter, *http.Request) {
	return func(_ http.Flusher, w http.ResponseWriter, _ *http.Request) {
		for _, e := range events {
			fmt.Fprintln(w, e)
		}
	}
}

// set changes what is answered from now on.
func (a *apiServer) set(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do()
}

// follow begins. It ends with the test.
func (a *apiServer) follow() {
	ctx, cancel := context.WithCancel(a.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Follow(ctx, Config{Name: "a", API: &api.Client{URL: a.server.URL, Credentials: a.dir}, Taints: DefaultTaints, Log: slog.New(slog.DiscardHandler), Tell: func(why string) { a.told <- why }})
	}()
	a.t.Cleanup(func() { cancel(); <-done })
}

// hears waits for what is told next.
func (a *apiServer) hears(want string) {
	a.t.Helper()
	select {
	case got := <-a.told:
		if got != want {
			a.t.Fatalf("told %q, want %q", got, want)
		}
	case <-time.After(hang):
		a.t.Fatalf("nothing is told, want %q", want)
	}
}

const karpenter = "karpenter.sh/disrupted"

// TestFollow: a taint is told once, whether it was there before or comes by the watch, and
// that it is gone; a version that is too old, an event that is none, one that is endless, and
// a Node that is deleted end a watch and no more.
func TestFollow(t *testing.T) {
	a := newAPI(t)
	a.watches = append(a.watches,
		says(`{"type":"MODIFIED","object":`+of("2", "other", karpenter)+`}`, `{"type":"MODIFIED","object":`+of("3", karpenter)+`}`, `{"type":"MODIFIED","object":`+of("4")+`}`),
		says(`{"type":"ERROR","object":{"code":410}}`),
		says(`{"type":"MODIFIED","object":`+of("5", "ToBeDeletedByClusterAutoscaler")+`}`, `nonsense`),
		says(`{"type":"DELETED","object":`+of("6")+`}`),
		says(strings.Repeat("x", maxObject+1)),
		says(`{"type":"MODIFIED","object":`+strings.Replace(of("7"), `"a"`, `"b"`, 1)+`}`),
		says(`{"type":"MODIFIED","object":`+of("8", karpenter)+`}`))
	a.follow()
	a.hears("taint " + karpenter)
	a.hears("")
	a.hears("taint ToBeDeletedByClusterAutoscaler")
	a.hears("") // the Node is read anew
	a.hears("taint " + karpenter)
	a.hears("")
	a.set(func() {
		for _, asked := range a.asked {
			if strings.Contains(asked, "watch") && (!strings.Contains(asked, "fieldSelector=metadata.name%3Da") || !strings.Contains(asked, "resourceVersion=1&")) {
				t.Errorf("asked for %s", asked)
			}
		}
	})
}

// TestKept: what was last known holds while the API server refuses, answers nonsense, is
// another one, or is away; and a token that was replaced is used.
func TestKept(t *testing.T) {
	a := newAPI(t)
	a.node = of("1", karpenter)
	a.watches = append(a.watches, says())
	a.follow()
	a.hears("taint " + karpenter)
	refused := func() { // and asks again
		a.t.Helper()
		for range 3 { // the first may be from before
			select {
			case <-a.asking:
			case <-time.After(hang):
				t.Fatal("it asks no more")
			}
		}
	}
	a.set(func() { a.token = "two" })
	a.server.CloseClientConnections()
	refused()
	a.set(func() { a.node, a.token = strings.Repeat(" ", maxObject+1), "one" })
	refused()
	a.set(func() { a.node = strings.Replace(of("1"), `"a"`, `"b"`, 1) })
	refused()
	a.set(func() { a.node = of("2"); a.token = "two" })
	refused()
	if len(a.told) > 0 {
		t.Fatalf("told %q", <-a.told)
	}
	a.write("token", "two")
	a.hears("")
}

// TestTokenStays: no redirect has the token sent elsewhere.
func TestTokenStays(t *testing.T) {
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked for %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	a := newAPI(t)
	redirected := make(chan struct{}, 100)
	a.watches = append(a.watches, func(_ http.Flusher, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusFound)
		redirected <- struct{}{}
	}, says(`{"type":"MODIFIED","object":`+of("2", karpenter)+`}`))
	a.follow()
	<-redirected
	a.hears("taint " + karpenter)
}
