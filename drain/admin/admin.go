// Package admin asks a running Envoy, through its admin interface, what a drain
// has to know, and gives it the orders of a drain.
//
// It decides nothing. What Envoy does not say, or says in another form, is an
// error and never a zero: to take an unread gauge for an idle Envoy would cut
// off clients that are connected.
//
// Start reading at New; reading.go has the statistics.
package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Timeout bounds one question. Envoy's main thread answers; a large push
	// keeps it for 1.4 s (measured with 10,000 filter chains).
	Timeout = 3 * time.Second
	// maxAnswer is as many bytes as are read of an answer. The hosts of 10,000
	// clusters with 10 endpoints each are about 100 MB.
	maxAnswer = 256 << 20
)

// Client of the admin interface of one Envoy. Its methods may be called from
// any goroutine.
type Client struct {
	address, network, dialled string
	http                      *http.Client
}

// New makes a Client for "unix:PATH" or HOST:PORT. It does not dial; the error
// says what is wrong with the address.
func New(address string) (*Client, error) {
	network, dialled := "tcp", address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("admin address %q: the path of the socket must be absolute", address)
		}
		network, dialled = "unix", path
	} else if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return nil, fmt.Errorf("admin address %q: want unix:PATH or HOST:PORT", address)
	}
	c := &Client{address: address, network: network, dialled: dialled}
	c.http = &http.Client{Timeout: Timeout, Transport: &http.Transport{DialContext: c.dial, MaxIdleConnsPerHost: 1}}
	return c, nil
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, c.network, c.dialled)
}

// PID is the process that listens on the socket, as the kernel tells it. It is
// unknown over TCP, and in another PID namespace.
func (c *Client) PID(ctx context.Context) (pid int, ok bool) {
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		return 0, false
	}
	defer conn.Close()
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, false
	}
	var peer *unix.Ucred
	err = raw.Control(func(fd uintptr) { peer, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || peer == nil || peer.Pid <= 0 {
		return 0, false
	}
	return int(peer.Pid), true
}

// Address is the one that New was given.
func (c *Client) Address() string { return c.address }

// FailHealth makes Envoy fail its health checks and tell each client that asks
// for something to leave. Twice is as once.
func (c *Client) FailHealth(ctx context.Context) error {
	return c.order(ctx, "/healthcheck/fail")
}

// PassHealth takes FailHealth back.
func (c *Client) PassHealth(ctx context.Context) error {
	return c.order(ctx, "/healthcheck/ok")
}

// DrainListeners makes Envoy drain over its drain time without closing a
// listener or itself. Twice is as once.
func (c *Client) DrainListeners(ctx context.Context) error {
	return c.order(ctx, "/drain_listeners?graceful&skip_exit")
}

// Quit ends Envoy immediately.
func (c *Client) Quit(ctx context.Context) error { return c.order(ctx, "/quitquitquit") }

func (c *Client) order(ctx context.Context, path string) error {
	_, err := c.ask(ctx, http.MethodPost, path)
	return err
}

// Ready reports whether Envoy has its configuration and does not drain. An error
// means that there was no answer.
func (c *Client) Ready(ctx context.Context) (bool, error) {
	_, err := c.ask(ctx, http.MethodGet, "/ready")
	var status *StatusError
	if errors.As(err, &status) {
		return false, nil
	}
	return err == nil, err
}

// StatusError is an answer other than 200.
type StatusError struct {
	Path   string
	Status int
	Body   string // its beginning
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("Envoy's admin interface answers %s with %d: %.200s", e.Path, e.Status, e.Body)
}

// Draining is the state of an Envoy whose health checks were told to fail.
const Draining = "DRAINING"

// Info is what Envoy says of itself.
type Info struct {
	State   string // "LIVE", Draining, "PRE_INITIALIZING", "INITIALIZING"
	Workers int
	// DrainTime is --drain-time-s.
	DrainTime time.Duration
	Uptime    time.Duration // of this process
}

// Info asks for it.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var answer struct {
		State   string `json:"state"`
		Uptime  string `json:"uptime_current_epoch"`
		Options struct {
			Concurrency int    `json:"concurrency"`
			DrainTime   string `json:"drain_time"`
		} `json:"command_line_options"`
	}
	if err := c.read(ctx, "/server_info", &answer); err != nil {
		return Info{}, err
	}
	drain, err := time.ParseDuration(answer.Options.DrainTime)
	if err != nil {
		return Info{}, fmt.Errorf("/server_info: drain_time: %w", err)
	}
	uptime, err := time.ParseDuration(cmp.Or(answer.Uptime, "0s"))
	if err != nil {
		return Info{}, fmt.Errorf("/server_info: uptime_current_epoch: %w", err)
	}
	return Info{State: answer.State, Workers: answer.Options.Concurrency, DrainTime: drain, Uptime: uptime}, nil
}

func (c *Client) read(ctx context.Context, path string, answer any) error {
	body, err := c.ask(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (c *Client) ask(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://envoy"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking Envoy at %s: %w", c.address, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("asking Envoy at %s for %s: %w", c.address, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{Path: path, Status: resp.StatusCode, Body: string(body)}
	}
	return body, nil
}
