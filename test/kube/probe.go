//go:build real

package kube

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probesFaster is how much sooner this kubelet asks than the object says.
const probesFaster = 5

// probe asks until ctx ends, and tells each result that counts: successes and failures
// that came often enough in a row. Without a probe all is well.
func (m *member) probe(ctx context.Context, p *corev1.Probe, tell func(well bool)) {
	if p == nil {
		tell(true)
		return
	}
	select {
	case <-time.After(time.Duration(p.InitialDelaySeconds) * time.Second / probesFaster):
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(time.Duration(max(1, p.PeriodSeconds)) * time.Second / probesFaster)
	defer tick.Stop()
	for successes, failures := int32(0), int32(0); ; {
		if m.ask(ctx, p) {
			successes, failures = successes+1, 0
		} else {
			successes, failures = 0, failures+1
		}
		switch {
		case ctx.Err() != nil:
			return
		case successes >= max(1, p.SuccessThreshold):
			tell(true)
		case failures >= max(1, p.FailureThreshold):
			tell(false)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ask is one look.
func (m *member) ask(ctx context.Context, p *corev1.Probe) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(1, p.TimeoutSeconds))*time.Second)
	defer cancel()
	switch {
	case p.HTTPGet != nil:
		return m.get(ctx, p.HTTPGet)
	case p.TCPSocket != nil:
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.at(p.TCPSocket.Host, p.TCPSocket.Port))
		if err != nil {
			return false
		}
		conn.Close()
		return true
	default:
		_, err := m.exec(ctx, p.Exec.Command...)
		return err == nil
	}
}

func (m *member) get(ctx context.Context, h *corev1.HTTPGetAction) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.at(h.Host, h.Port)+h.Path, nil)
	if err != nil {
		return false
	}
	for _, header := range h.HTTPHeaders {
		request.Header.Add(header.Name, header.Value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode < http.StatusBadRequest
}

// at is the address of a port, by number or name.
func (m *member) at(host string, port intstr.IntOrString) string {
	for _, p := range m.spec.Ports {
		if port.Type == intstr.String && p.Name == port.StrVal {
			port = intstr.FromInt32(p.ContainerPort)
		}
	}
	return net.JoinHostPort(cmp.Or(host, m.sandbox.address), strconv.Itoa(port.IntValue()))
}
