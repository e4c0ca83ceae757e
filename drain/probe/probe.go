// Package probe answers the kubelet and Prometheus beside an Envoy: whether it
// lives, whether it is ready, and what it and its kernel do.
//
// It only asks and never gives an order: to start or end it changes nothing for
// Envoy.
package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"legation.dev/drain/host"
)

const (
	// headerTimeout bounds the wait for the headers of a request.
	headerTimeout = 5 * time.Second
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

// Start listens and serves. Whoever calls it calls Close.
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
	mux.HandleFunc("GET /ready", c.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 2}))
	s := &Server{address: listener.Addr().String(), done: make(chan struct{}),
		http: &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.Log.Error("probes and metrics are not served any more", "error", err)
		}
	}()
	c.Log.Info("serving probes and metrics", "address", s.address)
	return s, nil
}

// Address is where it listens.
func (s *Server) Address() string { return s.address }

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

// ready is 200 while Envoy has its configuration and does not drain.
func (c *Config) ready(w http.ResponseWriter, r *http.Request) {
	ready, err := c.Metrics.Envoy.Ready(r.Context())
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case !ready:
		http.Error(w, "Envoy has no configuration yet, or drains", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ready")
	}
}
