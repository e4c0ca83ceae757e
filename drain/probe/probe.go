// Package probe answers the kubelet and Prometheus beside an Envoy: whether it
// lives, whether it is ready, and what it and its kernel do.
//
// It only asks and never gives an order: to start or end it changes nothing for
// Envoy.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"legation.dev/drain/admin"
	"legation.dev/drain/host"
)

const (
	// headerTimeout bounds the wait for the headers of a request.
	headerTimeout = 5 * time.Second
	// idleTimeout bounds the rest of a connection between two requests.
	idleTimeout = 2 * time.Minute
	// closeTimeout is how long Close waits for an answer that is under way.
	closeTimeout = time.Second
)

// Config of a Server. Metrics, PID and Log are required.
type Config struct {
	// Address is the host and port to listen on.
	Address string
	Metrics *Metrics
	// PID is the process id of Envoy, if it is known here.
	PID func() (pid int, ok bool)
	Log *slog.Logger
}

// Server answers /live, /ready and /metrics.
type Server struct {
	address string
	http    *http.Server
	done    chan struct{} // closed when it does not serve any more
}

// Start listens and serves. The caller must call Close.
func Start(c Config) (*Server, error) {
	registry, err := c.registry()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", c.live)
	mux.Handle("GET /ready", &readiness{envoy: c.Metrics.Envoy})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 2}))
	s := &Server{address: listener.Addr().String(), done: make(chan struct{}),
		http: &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.Log.Error("probes and metrics are not served any more", "error", err)
		}
	}()
	c.Log.Info("serving probes and metrics", "address", s.address)
	return s, nil
}

// Close ends it.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.http.Shutdown(ctx) // an error means that an answer is still under way
	s.http.Close()
	<-s.done
}

func (c *Config) registry() (*prometheus.Registry, error) {
	kernel, err := host.New(c.PID)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.Metrics, kernel, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry, nil
}

// live is 200 while Envoy's main thread answers, whatever it says: it is no sign
// of ill health to drain, or to wait for a control plane.
func (c *Config) live(w http.ResponseWriter, r *http.Request) {
	if _, err := c.Metrics.Envoy.Ready(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "live")
}

// ready is 200 while Envoy serves what it is to serve and does not drain.
func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if err := r.err(request.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// readiness of one Envoy after another: a container that restarts begins anew.
type readiness struct {
	envoy *admin.Client
	// whole says that this Envoy once had all of its listeners. What it rejects later is a
	// change, which takes nothing away.
	whole atomic.Bool
}

// err says why Envoy is not ready; nil if it is. It asks for what belongs to everybody,
// the listeners, and not for what belongs to one Service, such as a cluster that is
// warming: who breaks his own must not stop a roll-out. (A control plane sends a fresh
// Envoy its listeners when it has answered for everything else.)
func (r *readiness) err(ctx context.Context) error {
	ready, err := r.envoy.Ready(ctx)
	if err != nil || !ready {
		r.whole.Store(false)
		return cmp.Or(err, errors.New("Envoy has no configuration yet, or drains"))
	}
	if r.whole.Load() {
		return nil
	}
	missing, err := r.envoy.Missing(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("Envoy lacks %s: not there yet, or rejected", strings.Join(missing, ", "))
	}
	r.whole.Store(true)
	return nil
}
