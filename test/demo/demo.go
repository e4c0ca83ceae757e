package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/test/fixture"
	"legation.dev/test/load"
)

// demo is all that the demo starts. It belongs to one goroutine.
type demo struct {
	options
	folder    folder
	backends  []*echo.Server     // of the examples
	objects   *fixture.Namespace // of what is changed
	authority *fixture.Authority
	timeline  load.Timeline
	legation  *child
	envoy     *envoy.Envoy
	status    *status
	link      string // of the page
}

// namespace is that of the objects that the demo adds to the examples.
const namespace = "demo"

func newDemo(o options) (*demo, error) {
	path, err := os.MkdirTemp("", "legation-demo-")
	if err != nil {
		return nil, err
	}
	authority, err := fixture.NewAuthority()
	if err != nil {
		return nil, err
	}
	return &demo{options: o, folder: folder{path}, objects: fixture.New(namespace, 0), authority: authority}, nil
}

// close ends everything, the last started first.
func (s *demo) close() error {
	var errs []error
	if s.envoy != nil {
		errs = append(errs, s.envoy.Stop())
	}
	if s.status != nil {
		errs = append(errs, s.status.close())
	}
	if s.legation != nil {
		errs = append(errs, s.legation.stop())
	}
	s.objects.Close()
	for _, b := range s.backends {
		b.Kill()
	}
	return errors.Join(append(errs, os.RemoveAll(s.folder.path))...)
}

// checkPorts finds a taken port before anything is started.
func checkPorts(o options) error {
	for _, p := range []struct {
		flag string
		port int
	}{{"http", o.http}, {"https", o.https}, {"xds", o.xds}, {"page", o.page}, {"web", o.web}, {"api", o.api}} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)))
		if err != nil {
			return fmt.Errorf("port %d cannot be used: %w; choose another, for example: make demo DEMO='-%s %d'", p.port, err, p.flag, p.port+1)
		}
		l.Close()
	}
	return nil
}

// start starts the backends, Legation and Envoy, and waits until Envoy runs what
// the manifests say.
func (s *demo) start(ctx context.Context) error {
	fmt.Println("starting backends, legation serve and Envoy ...")
	if err := s.copyExamples(); err != nil {
		return err
	}
	for name, port := range map[string]int{"web": s.web, "api": s.api} {
		b, err := echo.Start(name, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		s.backends = append(s.backends, b)
	}
	if err := s.prepare(); err != nil {
		return err
	}
	xds := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.xds))
	var err error
	if s.legation, err = startChild(s.binary, "serve", "--source", "dir:"+s.folder.path, "--listen", xds, "--admin=", "--ui", ":"+strconv.Itoa(s.options.page)); err != nil {
		return err
	}
	if s.status, err = newStatus(xds, nodeID); err != nil {
		return err
	}
	if err := s.startEnvoy(ctx, xds); err != nil {
		return err
	}
	if err := s.landed(ctx); err != nil {
		return err
	}
	s.link = pageLink.FindString(s.legation.log.String())
	return nil
}

// pageLink is what legation serve logs of the page.
var pageLink = regexp.MustCompile(`http://[^\s"]+/login\?token=\w+`)

// nodeID is that of the Envoy.
const nodeID = "demo"

func (s *demo) startEnvoy(ctx context.Context, xds string) error {
	var config, complaint bytes.Buffer
	c := exec.CommandContext(ctx, s.binary, "bootstrap", "--node-id", nodeID, "--xds", xds, "--health", "off", "--metrics", "off")
	c.Stdout, c.Stderr = &config, &complaint
	if err := c.Run(); err != nil {
		return fmt.Errorf("legation bootstrap: %w: %s", err, &complaint)
	}
	var err error
	if s.envoy, err = envoy.Start(ctx, envoy.Options{Bootstrap: config.Bytes()}); err != nil {
		return err
	}
	return s.envoy.WaitReady(ctx)
}

// copyExamples copies the example manifests, with the ports of the flags. A host that goes
// does so at once: how long the other changes take is what the demo shows.
func (s *demo) copyExamples() error {
	ours := strings.NewReplacer("  bind-addresses:", "  deletion-window: \"off\"\n  bind-addresses:", "10080", strconv.Itoa(s.http), "10443", strconv.Itoa(s.https),
		"8081", strconv.Itoa(s.web), "8082", strconv.Itoa(s.api))
	files, err := filepath.Glob(filepath.Join(s.examples, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no manifests in %s: run this from the repository's root", s.examples)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := s.folder.write(filepath.Base(f), []byte(ours.Replace(string(text)))); err != nil {
			return err
		}
	}
	return nil
}

// clients are those of the load: to a plain and a TLS host whose Services change,
// and to the example, which does not.
func (s *demo) clients() (all []load.Client) {
	roots := s.authority.Roots()
	for i := range s.options.clients {
		for _, kind := range []load.Kind{load.HTTP1, load.HTTP2, load.WebSocket} {
			for _, secure := range []bool{false, true} {
				all = append(all, s.client(kind, i, secure, &tls.Config{RootCAs: roots, ServerName: tlsHost}))
			}
		}
	}
	return all
}

// pace is the time between two requests of a client.
const pace = 50 * time.Millisecond

func (s *demo) client(kind load.Kind, i int, secure bool, config *tls.Config) load.Client {
	c := load.Client{Name: fmt.Sprintf("%s %d", kind, i), Kind: kind, Oracle: &s.timeline, Every: pace,
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.http))}
	host := plainHost
	switch {
	case secure:
		host, c.TLS = tlsHost, config
		c.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.https))
	case i%2 == 1:
		host = exampleHost
	}
	n := i
	c.Next = func() (string, string) {
		n++
		return host, paths[n%len(paths)]
	}
	return c
}
