//go:build real

package incluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/test/kube"
	"legation.dev/xds/bootstrap"
)

// Envoy is an Envoy on a node of its own.
type Envoy struct {
	*envoy.Envoy
	ID string // node.id
	// HTTP and HTTPS are the addresses of its listeners with default ports.
	HTTP, HTTPS string
	// XDS is its way to a replica: it can be led to another, held up and cut.
	XDS *Wire

	number int
}

// newEnvoy starts an Envoy that is led to a replica.
func (s *Stack) newEnvoy(ctx context.Context, at *Replica) (*Envoy, error) {
	n := envoys.take()
	wire, err := NewWire(kube.Address(n)+":18000", at.Address)
	if err != nil {
		envoys.free(n)
		return nil, err
	}
	e := &Envoy{number: n, ID: fmt.Sprintf("envoy-%d", n), XDS: wire,
		HTTP: net.JoinHostPort(kube.NodeAddress(n), "80"), HTTPS: net.JoinHostPort(kube.NodeAddress(n), "443")}
	if err := e.start(ctx, s); err != nil {
		return nil, errors.Join(err, e.end())
	}
	return e, nil
}

// start starts the process on its node. The admin address is replaced by test/envoy.
func (e *Envoy) start(ctx context.Context, s *Stack) error {
	config, err := bootstrap.New(bootstrap.Config{NodeID: e.ID, Class: s.options.Class, XDSAddress: e.XDS.Address(),
		Admin: "unix:/admin.sock", Certificate: s.certificate})
	if err != nil {
		return err
	}
	if s.options.Bootstrap != nil {
		s.options.Bootstrap(config)
	}
	text, err := bootstrap.Render(config, bootstrap.YAML)
	if err != nil {
		return err
	}
	// It outlives ctx, which bounds the start: Stop ends it.
	e.Envoy, err = envoy.Start(context.WithoutCancel(ctx), envoy.Options{Bootstrap: text, Args: s.options.EnvoyArgs, OwnNetwork: true})
	if err != nil {
		return err
	}
	return kube.Connect(e.PID(), e.number)
}

// end ends it and its way to the replica.
func (e *Envoy) end() error {
	var err error
	if e.Envoy != nil {
		err = e.Envoy.Stop()
	}
	err = errors.Join(err, e.XDS.Close())
	envoys.free(e.number)
	return err
}

// Ask sends a request for a host and returns the status and the Service that answered:
// "200 web", "404 ", or an error.
func (e *Envoy) Ask(ctx context.Context, host, path string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.HTTP+path, nil)
	if err != nil {
		return err.Error()
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, answer.Header.Get(echo.HeaderService))
}
