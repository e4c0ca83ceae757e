package admin

import (
	"fmt"
	"net/http"
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
}

// headerTimeout bounds how long a client may take for the head of a request.
const headerTimeout = 5 * time.Second

// Server answers these paths:
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
	_, _ = fmt.Fprintln(w, text) // whoever asked may have left
}
