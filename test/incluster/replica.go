//go:build real

package incluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"k8s.io/client-go/rest"

	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
	source "legation.dev/watcher/kube"
	"legation.dev/xds/delta"
)

const (
	// firstReplica is the number (kube.Address) of the first replica: those below
	// are of Wires.
	firstReplica = 200
	pollEvery    = 5 * time.Millisecond
)

// Replica is a control plane. It can be stopped or killed, and started again at
// the same address, without any memory but that of Options.State.
type Replica struct {
	Address string // where Envoys connect
	// Plane is the control plane while it runs in this process, else nil.
	Plane *inprocess.Plane
	// API is its way to the API server: it can be held up and cut.
	API *Wire

	stack   *Stack
	state   string // folder; empty: none
	number  int
	process *process         // nil if it is in this process, or does not run
	conn    *grpc.ClientConn // to Address
}

func (s *Stack) newReplica() (*Replica, error) {
	n := replicas.take()
	r := &Replica{stack: s, number: n, Address: kube.Address(firstReplica+n) + ":18000"}
	api, err := url.Parse(s.options.REST.Host)
	if err == nil {
		r.API, err = newLastingWire(api.Host)
	}
	if err != nil {
		replicas.free(n)
		return nil, err
	}
	if s.options.State {
		if r.state, err = os.MkdirTemp("", "state"); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	r.conn, err = grpc.NewClient(r.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// newLastingWire is a Wire with a port that is below those which the kernel gives to
// clients: nobody takes it while the Wire is broken.
func newLastingWire(to string) (w *Wire, err error) {
	for range 20 {
		if w, err = NewWire(fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(22000)), to); err == nil {
			break
		}
	}
	return w, err
}

// Start starts the replica and waits until it serves what the API server holds.
func (r *Replica) Start(ctx context.Context) error {
	if err := r.Begin(); err != nil {
		return err
	}
	return r.WaitReady(ctx)
}

// Begin starts the replica and does not wait.
func (r *Replica) Begin() (err error) {
	config := *r.stack.options.REST
	if config.Host, err = atWire(config.Host, r.API); err != nil {
		return err
	}
	if r.stack.options.Binary {
		return r.execute(&config)
	}
	s, err := source.New(source.Config{REST: &config, Classes: []string{r.stack.options.Class}, Log: r.stack.options.Log})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", r.Address)
	if err != nil {
		return err
	}
	r.Plane = inprocess.NewPlane(inprocess.PlaneConfig{Source: s, Listener: l, Run: s.Run, StandIn: r.stack.standIn, Log: r.stack.options.Log})
	return nil
}

// atWire is the URL of an API server when it is reached by a Wire.
func atWire(host string, w *Wire) (string, error) {
	u, err := url.Parse(host)
	if err != nil {
		return "", err
	}
	u.Host = w.Address()
	return u.String(), nil
}

// Admin is where the binary answers probes and Prometheus.
func (r *Replica) Admin() string { return kube.Address(firstReplica+r.number) + ":18080" }

// Page is what the binary answers at a path of Admin, whatever the status.
func (r *Replica) Page(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Admin()+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// Metric is the sum of what the binary says of a metric whose name, labels included, begins
// so; 0 if it says nothing of it.
func (r *Replica) Metric(ctx context.Context, prefix string) (sum float64, err error) {
	text, err := r.Page(ctx, "/metrics")
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, prefix) {
			n, wrong := strconv.ParseFloat(value, 64)
			sum, err = sum+n, errors.Join(err, wrong)
		}
	}
	return sum, err
}

// PID is the process id of the binary while it runs.
func (r *Replica) PID() int { return r.process.cmd.Process.Pid }

// execute starts the binary.
func (r *Replica) execute(config *rest.Config) (err error) {
	dir, err := os.MkdirTemp("", "replica")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "kubeconfig")
	if err := kube.WriteKubeconfig(file, config); err != nil {
		return err
	}
	args := append([]string{"serve", "--source", "kube", "--kubeconfig", file, "--class", r.stack.options.Class, "--listen", r.Address, "--plaintext",
		"--admin", r.Admin()}, r.stack.options.Args...)
	if r.state != "" {
		args = append(args, "--state", r.state)
	}
	r.process, err = startBinary(dir, r.stack.options.Build, r.stack.options.Env, args...)
	return err
}

// WaitReady waits until it says that it serves. It fails when ctx or the replica
// ends before.
func (r *Replica) WaitReady(ctx context.Context) error {
	if r.Plane != nil {
		return inprocess.Await(ctx, func() error {
			if _, ok := r.Plane.Published(r.stack.options.Class); !ok {
				return fmt.Errorf("class %s is not published", r.stack.options.Class)
			}
			return nil
		})
	}
	alive, cancel := r.process.alive(ctx)
	defer cancel()
	health := healthpb.NewHealthClient(r.conn)
	err := inprocess.Await(alive, func() error {
		answer, err := health.Check(alive, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && answer.Status != healthpb.HealthCheckResponse_SERVING {
			err = fmt.Errorf("it is %s", answer.Status)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w; its last lines:\n%s", err, r.process.log.last())
	}
	return nil
}

// Stop ends the replica as SIGTERM does, for good if the Stack is closed.
func (r *Replica) Stop() error { return r.end((*process).stop) }

// Kill ends the binary as kill -9 does.
func (r *Replica) Kill() error { return r.end((*process).kill) }

func (r *Replica) end(process func(*process) error) error {
	plane, running := r.Plane, r.process
	r.Plane, r.process = nil, nil
	switch {
	case plane != nil:
		return plane.Close()
	case running != nil:
		return process(running)
	}
	return nil
}

// close is Stop for good.
func (r *Replica) close() error {
	err := r.Stop()
	if r.conn != nil {
		err = errors.Join(err, r.conn.Close())
	}
	if r.state != "" {
		err = errors.Join(err, os.RemoveAll(r.state))
	}
	replicas.free(r.number)
	return errors.Join(err, r.API.Close())
}

// running is what an Envoy that is connected here runs.
type running struct {
	id     string
	status delta.Status
}

// envoys are those that are connected.
func (r *Replica) envoys(ctx context.Context) (list []running, err error) {
	switch {
	case r.process != nil:
		return askStatus(ctx, r.conn)
	case r.Plane != nil:
		for _, e := range r.Plane.Envoys() {
			list = append(list, running{e.ID, e.Status})
		}
	}
	return list, nil
}
