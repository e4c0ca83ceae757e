package admin

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// HTTP is what probes and Prometheus ask for. All its fields must be set.
type HTTP struct {
	// Ready is closed when there is something to serve.
	Ready <-chan struct{}
	// Waiting says what was not read yet, and what cannot be followed now.
	Waiting func() []string
	// Metrics are those of /metrics.
	Metrics prometheus.Gatherer
	// Level is the least level that is logged.
	Level *slog.LevelVar
}

// headerTimeout bounds how long a client may take for the head of a request.
const headerTimeout = 5 * time.Second

// Server answers these paths:
//
//	/livez    200 while the process answers at all
//	/readyz   200 once Envoys are served, else 503; says what it waits for, or what cannot be followed now
//	/metrics  for Prometheus
//
// and these only to who is on the same machine, in the pod, or has a port-forward:
//
//	/loglevel        the least level that is logged; PUT with debug, info, warn or error changes it
//	/debug/pprof/    profiles (net/http/pprof)
//
// A replica that cannot follow its source is ready all the same: what it has is
// better than nothing, and Envoys that asked no replica would get nothing.
func (h HTTP) Server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive", nil) })
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("/loglevel", near(h.loglevel))
	mux.HandleFunc("/debug/pprof/", near(pprof.Index))
	mux.HandleFunc("/debug/pprof/cmdline", near(pprof.Cmdline))
	mux.HandleFunc("/debug/pprof/profile", near(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", near(pprof.Symbol))
	mux.HandleFunc("/debug/pprof/trace", near(pprof.Trace))
	return &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
}

// near answers only requests from a loopback address: the admin address is for
// probes and Prometheus, and has no other guard.
func near(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !from.Addr().Unmap().IsLoopback() {
			say(w, http.StatusForbidden, "only from the same machine or pod; kubectl port-forward leads there", nil)
			return
		}
		handle(w, r)
	}
}

// levelBytes is more than the name of any level has.
const levelBytes = 16

func (h HTTP) loglevel(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodPut:
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, levelBytes))
		var level slog.Level
		if err == nil {
			err = level.UnmarshalText(bytes.TrimSpace(text))
		}
		if err != nil {
			say(w, http.StatusBadRequest, "want debug, info, warn or error", []string{err.Error()})
			return
		}
		h.Level.Set(level)
	default:
		w.Header().Set("Allow", "GET, PUT")
		say(w, http.StatusMethodNotAllowed, "GET or PUT", nil)
		return
	}
	say(w, http.StatusOK, strings.ToLower(h.Level.Level().String()), nil)
}

func (h HTTP) readyz(w http.ResponseWriter, _ *http.Request) {
	list := h.Waiting()
	select {
	case <-h.Ready:
	default:
		say(w, http.StatusServiceUnavailable, "not ready: nothing is published yet", list)
		return
	}
	if len(list) > 0 {
		say(w, http.StatusOK, "ready, but not everything can be followed; what was read stays", list)
		return
	}
	say(w, http.StatusOK, "ready", nil)
}

func say(w http.ResponseWriter, code int, what string, list []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	text := strings.Join(append([]string{what}, list...), "\n  ")
	_, _ = fmt.Fprintln(w, text) // the client may have left
}
