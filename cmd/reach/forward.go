package reach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	//lint:ignore SA1019 client-go's port-forward takes the dialers of this package, and not of the one that is to follow it
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// Forward opens a port-forward to the control plane: the address leads there until close is
// called. It listens on a loopback address; who else connects there has no certificate.
func (i *Installation) Forward(ctx context.Context) (address string, close func(), err error) {
	var errs []error
	for n := range i.Pods { // the next one if a node does not answer
		pod := &i.Pods[n]
		address, close, err := i.forwardTo(ctx, pod)
		if err == nil {
			return address, close, nil
		}
		errs = append(errs, fmt.Errorf("port-forward to pod %s/%s: %w", pod.Namespace, pod.Name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return "", nil, errors.Join(errs...)
}

func (i *Installation) forwardTo(ctx context.Context, pod *corev1.Pod) (string, func(), error) {
	port, err := xdsPort(pod)
	if err != nil {
		return "", nil, err
	}
	dialer, err := i.dialer(pod)
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ready, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return "", nil, err
	}
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case err = <-ended:
		cancel()
		return "", nil, cmp.Or(err, errEnded)
	case <-ctx.Done():
		cancel()
		return "", nil, ctx.Err()
	case <-ready:
	}
	stop := func() { cancel(); <-ended }
	ports, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), stop, nil
}

var errEnded = errors.New("it ended at once")

// dialer opens streams to a pod: by WebSocket, and by SPDY where an API server is older than
// that.
func (i *Installation) dialer(pod *corev1.Pod) (httpstream.Dialer, error) {
	at := subresource(i.client, pod, "portforward").URL()
	upgrading, upgrader, err := spdy.RoundTripperFor(i.rest)
	if err != nil {
		return nil, err
	}
	older := spdy.NewDialer(upgrader, &http.Client{Transport: upgrading}, http.MethodPost, at)
	newer, err := portforward.NewSPDYOverWebsocketDialer(at, i.rest)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialer(newer, older, isOld), nil
}

// isOld reports whether an API server knows no WebSocket here, or a proxy lets none through.
func isOld(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// subresource is a request of a subresource of a pod.
func subresource(client kubernetes.Interface, pod *corev1.Pod, name string) *rest.Request {
	return client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource(name)
}
