// Package ui is the web page of a Legation: what commands tell, in a browser. It only
// looks: nothing that is served, written or held can be changed by it.
//
// A page is made of values that never change (a result of translation, versions of the
// store, a look for Problems), written into memory, and then sent. So a client that does
// not read holds up nothing but its own connection. A page costs what it shows, at most
// MostRows rows, and what changed since somebody looked last; it never goes through all
// objects for a request. Without JavaScript each page is whole; with it, live.go tells a
// page when to ask again.
//
// The package makes no answer of its own: those are of inspect and xds/admin, for commands
// too. It never shows a body of a resource.
//
// Start reading at Pages.Handler.
package ui

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/inspect"
	"legation.dev/translator"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/fleet"
	"legation.dev/xds/store"
)

// Pages are made of these; all but Ended and Log must be set.
type Pages struct {
	// Admin answers for all replicas.
	Admin    adminv1.AdminServer
	Store    *store.Store
	Fleets   *fleet.Registry
	Problems *inspect.Problems
	// Result is the newest one.
	Result func() translator.Result
	// Live adds to what was decided what all replicas know of it, as inspect.Served does.
	Live func(context.Context, []inspect.Why) ([]*adminv1.Replica, error)
	Door Door
	// Ended ends who is told of changes, when it is closed; nil never is.
	Ended <-chan struct{}
	Log   *slog.Logger

	live    atomic.Int64 // who is told of changes
	ends    *inspect.Ends
	times   *inspect.Timeline
	leaving *inspect.Draining
}

//go:embed templates static
var files embed.FS

var layout = template.Must(template.New("").Funcs(template.FuncMap{"pieces": pieces}).ParseFS(files, "templates/*.html"))

// page is one of the pages.
type page struct {
	Path, Name string
	make       func(*Pages, *http.Request) (*sheet, error)
}

// menu are the pages in the order of their links.
var menu = []page{
	{"/", "Fleet", (*Pages).fleet},
	{"/problems", "Problems", (*Pages).problems},
	{"/search", "Search", (*Pages).search},
	{"/timeline", "Timeline", (*Pages).timeline},
	{"/certificates", "Certificates", (*Pages).certificates},
	{"/holds", "Holds", (*Pages).holds},
	{"/drains", "Drains", (*Pages).drains},
}

// compare is the page that the timeline leads to.
var compare = page{"/diff", "Difference", (*Pages).diff}

// Handler answers everything.
func (p *Pages) Handler() http.Handler {
	mux := http.NewServeMux()
	p.ends = &inspect.Ends{Store: p.Store, Result: p.Result}
	p.times, p.leaving = &inspect.Timeline{Store: p.Store}, &inspect.Draining{Result: p.Result}
	for _, one := range append(slices.Clone(menu), compare) {
		at := one.Path
		if at == "/" {
			at = "/{$}"
		}
		mux.Handle("GET "+at, p.inside(p.page(one)))
	}
	mux.HandleFunc("GET /static/", serveStatic)
	mux.Handle("GET /events", p.inside(http.HandlerFunc(p.events)))
	mux.HandleFunc("GET /login", p.login)
	mux.HandleFunc("POST /login", p.enter)
	return p.guarded(mux)
}

// answerTime bounds how long a page waits for other replicas.
const answerTime = 3 * time.Second

// page makes a page whole before anything of it is sent.
func (p *Pages) page(one page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		s, err := one.make(p, r.WithContext(ctx))
		code := http.StatusOK
		if err != nil {
			if s == nil {
				s = &sheet{}
			}
			code, s.Lead, s.Tone, s.Sections = statusOf(err), clean(status.Convert(err).Message()), "bad", nil
		}
		s.Title, s.Path, s.Menu = one.Name, one.Path, menu
		p.write(w, code, "page", s)
	}
}

// statusOf is an error as HTTP has it. What people ask for and is not there is no failure.
func statusOf(err error) int {
	switch status.Code(err) {
	case codes.NotFound, codes.OutOfRange:
		return http.StatusNotFound
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// write sends what a template makes.
func (p *Pages) write(w http.ResponseWriter, code int, name string, data any) {
	var b bytes.Buffer
	if err := layout.ExecuteTemplate(&b, name, data); err != nil {
		p.log().Error("a page cannot be made", "template", name, "error", err)
		http.Error(w, "this page cannot be made; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the client may have left
}

func (p *Pages) log() *slog.Logger {
	if p.Log == nil {
		return slog.Default()
	}
	return p.Log
}

func serveStatic(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	http.FileServerFS(files).ServeHTTP(w, r)
}

// The times of a server of pages. Reading is bounded because a request is small; writing,
// because a page is made before it is sent, and who does not read it must not keep it.
const (
	headTime  = 5 * time.Second
	readTime  = 10 * time.Second
	writeTime = 30 * time.Second
	restTime  = 2 * time.Minute
	headBytes = 32 << 10
)

// Server serves the pages, by TLS if the door has certificates.
func (p *Pages) Server() *http.Server {
	s := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: headTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: restTime,
		MaxHeaderBytes: headBytes, ErrorLog: slog.NewLogLogger(p.log().Handler(), slog.LevelDebug)}
	if p.Door.Gate != nil {
		s.TLSConfig = p.Door.Gate.PeopleTLS()
	}
	return s
}

var errNoToken = errors.New("no token")
