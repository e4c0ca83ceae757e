package ui

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/inspect"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/admin"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
	"legation.dev/xds/store"
)

// stage is a Legation of this test: no Envoys but those that it makes, no source but With.
type stage struct {
	*Pages
	handler  http.Handler
	problems *inspect.Problems
	answers  *inspect.Served
	result   atomic.Pointer[translator.Result] // read by requests
	rest     func()                            // ends the look for Problems
	t        testing.TB
}

const token = "the-token-of-this-test"

func newStage(t testing.TB, changes ...input.Change) *stage {
	t.Helper()
	fleets, snapshots := fleet.New(fleet.Config{}), store.New(store.Config{})
	s := &stage{t: t, problems: inspect.NewProblems(slog.New(slog.DiscardHandler), fleets, func(time.Time) []observed.Closing { return nil })}
	service := &admin.Service{Instance: "one", Fleets: fleets, Store: snapshots, Wrong: s.problems.Of}
	s.Pages = &Pages{Admin: service, Store: snapshots, Fleets: fleets, Problems: s.problems, Result: func() translator.Result { return *s.result.Load() },
		Door: Door{Token: func() string { return token }}, Log: slog.New(slog.DiscardHandler)}
	s.answers = &inspect.Served{Admin: service}
	peers, err := admin.NewPeers(service, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.answers.Peers, s.Live = peers, s.answers.Live
	s.result.Store(new(translator.Result))
	s.handler = s.Handler()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.problems.Run(ctx) }()
	s.rest = func() { cancel(); <-ended }
	t.Cleanup(s.rest)
	s.with(changes...)
	return s
}

// with translates and publishes changes, and waits until Problems were looked for.
func (s *stage) with(changes ...input.Change) {
	s.t.Helper()
	before := s.result.Load()
	result := translator.Translate(*before, before.View().With(changes...))
	s.result.Store(&result)
	s.answers.Report(result)
	for f := range result.Fleets() {
		s.Store.Publish(f.Name, f.Snapshot, "test")
	}
	want := len(result.Problems(time.Now()))
	s.problems.Report(result)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(time.Minute); s.problems.Overview().Len() < want; <-tick.C {
		if time.Now().After(limit) {
			s.t.Fatalf("%d Problems are never found", want)
		}
	}
}

// get is the answer to a request of somebody who may look.
func (s *stage) get(path string) (int, string) { return s.serve(request(s.t, path)) }

func (s *stage) serve(r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w.Code, strings.ReplaceAll(string(body), "<wbr>", "") // where a line may break says nothing
}

func request(t testing.TB, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://127.0.0.1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

var row = regexp.MustCompile(`<tr[ >]`)

// rowsOf counts those in the bodies of tables.
func rowsOf(body string) int {
	return len(row.FindAllString(body, -1)) - strings.Count(body, "<thead>")
}
