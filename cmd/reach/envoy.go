package reach

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// envoy is the component of the pods with Envoys, and the name of their container.
const envoy = "envoy"

// Envoy is a pod with an Envoy.
type Envoy struct {
	Pod    corev1.Pod
	client kubernetes.Interface
	of     Cluster
}

// Envoys are the pods with Envoys, in order; only the one of a name, if that is not empty. No
// control plane has to run.
func (c Cluster) Envoys(ctx context.Context, name string) (list []Envoy, err error) {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, err
	}
	options := metav1.ListOptions{}
	if name != "" {
		options.FieldSelector = "metadata.name=" + name
	}
	pods, where, err := c.pods(ctx, client, envoy, options)
	if err != nil {
		return nil, fmt.Errorf("looking for Envoys: %w", err)
	}
	for _, p := range pods {
		list = append(list, Envoy{p, client, c})
	}
	slices.SortFunc(list, func(a, b Envoy) int { return strings.Compare(a.key(), b.key()) })
	switch {
	case len(list) == 0 && name != "":
		return nil, fmt.Errorf("no pod of an Envoy is called %s in %s", name, where)
	case len(list) == 0:
		return nil, fmt.Errorf("no pod of an Envoy is in %s", where)
	case len(list) > 1 && name != "":
		return nil, fmt.Errorf("pods are called %s in several namespaces: say which one with -n", name)
	}
	return list, nil
}

func (e Envoy) key() string { return e.Pod.Namespace + "/" + e.Pod.Name }

// Ask has shutdown-manager in the pod ask Envoy, and writes the answer. What Envoy refuses is
// an error with its words.
func (e Envoy) Ask(ctx context.Context, out io.Writer, words ...string) error {
	program, admin, err := e.how()
	if err != nil {
		return err
	}
	var said strings.Builder
	command := append([]string{program, "ask", "--admin", admin}, words...)
	if err := e.exec(ctx, command, out, &said); err != nil {
		return fmt.Errorf("in pod %s: %w: %s", e.key(), err, strings.TrimSpace(said.String()))
	}
	return nil
}

// how says by which program, and at which address, Envoy is asked: those of its container.
func (e Envoy) how() (program, admin string, err error) {
	for _, c := range e.Pod.Spec.Containers {
		if c.Name != envoy || len(c.Command) == 0 {
			continue
		}
		for _, arg := range c.Args {
			if at, ok := strings.CutPrefix(arg, "--admin="); ok {
				return c.Command[0], at, nil
			}
		}
	}
	return "", "", fmt.Errorf("pod %s runs no Envoy under shutdown-manager with --admin", e.key())
}

// exec runs a command in the container of Envoy: by WebSocket, or by SPDY where an API server
// is older than that.
func (e Envoy) exec(ctx context.Context, command []string, out, errs io.Writer) error {
	at := subresource(e.client, &e.Pod, "exec").VersionedParams(&corev1.PodExecOptions{Container: envoy, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	run, err := e.executor(at)
	if err != nil {
		return err
	}
	return run.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: out, Stderr: errs})
}

func (e Envoy) executor(at *url.URL) (remotecommand.Executor, error) {
	newer, err := remotecommand.NewWebSocketExecutor(e.of.REST, http.MethodGet, at.String())
	if err != nil {
		return nil, err
	}
	older, err := remotecommand.NewSPDYExecutor(e.of.REST, http.MethodPost, at)
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(newer, older, isOld)
}

// Log is what an Envoy has written to the log of its container: at most so many lines, none
// older than since. Whoever gets it closes it.
func (e Envoy) Log(ctx context.Context, lines int64, since time.Duration) (io.ReadCloser, error) {
	options := &corev1.PodLogOptions{Container: envoy, TailLines: &lines}
	if seconds := int64(since / time.Second); seconds > 0 {
		options.SinceSeconds = &seconds
	}
	text, err := e.client.CoreV1().Pods(e.Pod.Namespace).GetLogs(e.Pod.Name, options).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("the log of pod %s: %w", e.key(), err)
	}
	return text, nil
}
