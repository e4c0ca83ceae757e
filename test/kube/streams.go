//go:build real

package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// kubeletPort is where the API server asks the kubelet of a node.
const kubeletPort = 10250

// idleStream is when a stream ends in which nothing happens, as a kubelet has it.
const idleStream = 4 * time.Hour

// streams is what the API server passes on to a kubelet: `kubectl exec`, `port-forward` and
// `logs`. What comes over the wire is read by the library that container runtimes have.
type streams struct {
	kubelet *kubelet
	server  *http.Server
}

// serveStreams serves at the address of each node, until close. Only the API server may
// come, by a certificate of the cluster.
func (c *Cluster) serveStreams(ctx context.Context, k *kubelet) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.authority.pem)
	s := &streams{kubelet: k, server: &http.Server{ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}}
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", s.exec)
	mux.HandleFunc("/portForward/{namespace}/{pod}", s.portForward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.logs)
	s.server.Handler, k.streams = mux, s
	for i, name := range k.nodes {
		address := NodeAddress(i)
		if err := c.authority.write(c.dir, name, pkix.Name{CommonName: "system:node:" + name}, net.ParseIP(address)); err != nil {
			return err
		}
		pair, err := tls.LoadX509KeyPair(c.certificate(name), c.key(name))
		if err != nil {
			return err
		}
		l, err := tls.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(kubeletPort)),
			&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
		if err != nil {
			return err
		}
		k.done.Go(func() { _ = s.server.Serve(l) }) // it ends by Close
	}
	return nil
}

// sandboxOf is the pod that a request is about; it is answered if there is none.
func (s *streams) sandboxOf(w http.ResponseWriter, r *http.Request) *sandbox {
	b := s.kubelet.box(r.PathValue("namespace") + "/" + r.PathValue("pod"))
	if b == nil || b.sandbox == nil {
		http.Error(w, "this pod is not run", http.StatusNotFound)
		return nil
	}
	return b.sandbox
}

func (s *streams) exec(w http.ResponseWriter, r *http.Request) {
	sandbox := s.sandboxOf(w, r)
	if sandbox == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, sandbox, r.PathValue("pod"), "", r.PathValue("container"), r.Form["command"], options,
		idleStream, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *streams) portForward(w http.ResponseWriter, r *http.Request) {
	sandbox := s.sandboxOf(w, r)
	if sandbox == nil {
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, sandbox, r.PathValue("pod"), "", options, idleStream, remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
}

// logs are the last lines of what a container has said; it follows nothing.
func (s *streams) logs(w http.ResponseWriter, r *http.Request) {
	sandbox := s.sandboxOf(w, r)
	if sandbox == nil {
		return
	}
	text, err := os.ReadFile(filepath.Join(sandbox.dir, filepath.Base(r.PathValue("container"))+".log"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	if n, err := strconv.Atoi(r.FormValue("tailLines")); err == nil {
		lines = lines[max(0, len(lines)-n):]
	}
	_, _ = io.WriteString(w, strings.Join(lines, "")) // who asked may have left
}

// ExecInContainer implements remotecommand.Executor.
func (s *sandbox) ExecInContainer(ctx context.Context, _, _, container string, command []string, in io.Reader, out, errs io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	for _, m := range s.main {
		if m.spec.Name != container {
			continue
		}
		run, err := m.inside(ctx, command...)
		if err != nil {
			return err
		}
		run.Stdin, run.Stdout, run.Stderr = in, out, errs
		var exit *exec.ExitError
		if err = run.Run(); errors.As(err, &exit) {
			return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
		}
		return err
	}
	return fmt.Errorf("there is no container %s", container)
}

// PortForward implements portforward.PortForwarder.
func (s *sandbox) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := s.dial(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	go func() {
		_, _ = io.Copy(conn, stream) // either end may end it
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, conn)
	return err
}
