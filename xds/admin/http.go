package admin

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
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
	// Stored is since when what is served has not been read from the source; zero if it was
	// read by this process.
	Stored func() time.Time
	// Metrics are those of /metrics.
	Metrics prometheus.Gatherer
	// Level is the least level that is logged.
	Level *slog.LevelVar
}

// headerTimeout bounds how long a client may take for the head of a request.
const headerTimeout = 5 * time.Second

// Server answers these paths, to everybody:
//
//	/livez    200 while the process answers at all
//	/readyz   200 once Envoys are served, else 503; says what it waits for, or what cannot be followed now
//	/metrics  for Prometheus
//
// A replica that cannot follow its source is ready all the same: what it has is
// better than nothing, and Envoys that asked no replica would get nothing.
func (h HTTP) Server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive", nil) })
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
}

// Debug answers these paths. It is for a Unix socket, whose mode says who may ask: where a
// request comes from says nothing, since one that an Envoy on the same machine passes on
// comes from there, too.
//
//	/loglevel        the least level that is logged; PUT with debug, info, warn or error changes it
//	/debug/pprof/    profiles (net/http/pprof)
func (h HTTP) Debug() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/loglevel", h.loglevel)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
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
	if at := h.Stored(); !at.IsZero() {
		say(w, http.StatusOK, fmt.Sprintf("ready, with what was stored %s ago: the source was not read yet, Envoys that start get that, and others keep what they have",
			time.Since(at).Round(time.Second)), list)
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
