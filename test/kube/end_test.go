//go:build real

package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// TestReadiness: a pod is in the slice of its Service while its probe says so.
func TestReadiness(t *testing.T) {
	p := newPod(t, "serve")
	_, service := Web(p.Namespace, "pod", 1, time.Second)
	p.apply(service)
	for range 2 {
		awaitEndpoints(p.ctx, t, p.Namespace, "pod", 1, 0)
		p.ready(0)
		p.want("", "/ill/ready")
		awaitEndpoints(p.ctx, t, p.Namespace, "pod", 0, 0)
		p.want("", "/well/ready")
	}
	p.ready(0)
	p.says("start")
}

// TestLiveness: a container whose liveness probe fails is ended as gently as its pod
// would be, and started anew.
func TestLiveness(t *testing.T) {
	p := newPod(t, "serve")
	p.main().LivenessProbe = alive()
	p.main().Lifecycle = preStop("hook")
	p.apply()
	p.ready(0)
	p.want("", "/ill/live")
	p.ready(1)
	p.says("start", "hook", "term", "start")
	if last := p.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 0 || last.Message != "asked to end" {
		t.Errorf("it ended as %+v", last)
	}
}

// alive is a liveness probe that lets a program take its time to start, on a machine
// that is busy, too.
func alive() *corev1.Probe {
	p := get("/live")
	p.InitialDelaySeconds = 4 * probesFaster
	return p
}

func preStop(command string) *corev1.Lifecycle {
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{agentName, command}}}}
}

// TestDyingIsNotUnwell: the liveness of a pod that ends is not looked at.
func TestDyingIsNotUnwell(t *testing.T) {
	p := newPod(t, "stubborn")
	grace := int64(7) // more than until the first failures
	p.Spec.TerminationGracePeriodSeconds = &grace
	p.main().LivenessProbe = alive()
	p.apply()
	p.ready(0)
	if err := cluster.Client().CoreV1().Pods(p.Namespace).Delete(p.ctx, p.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.saysAtLast("start", "term")
	p.want("", "/ill/live")
	p.end()
	p.says("start", "term")
	if e := p.ended(); e.ExitCode != 137 || p.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("it ended as %+v, %+v", e, p.Status.ContainerStatuses)
	}
}

// TestEnd: the preStop command has run when SIGTERM comes, and a container that ends
// then ends the pod, long before its grace period; its message is in the last status.
func TestEnd(t *testing.T) {
	p := newPod(t, "serve")
	p.main().Lifecycle = preStop("hook")
	grace := int64(2 * hang / time.Second) // a test that waits for it fails
	p.Spec.TerminationGracePeriodSeconds = &grace
	p.apply()
	p.ready(0)
	p.end()
	p.says("start", "hook", "term")
	if e := p.ended(); e.ExitCode != 0 || e.Reason != "Completed" || e.Message != "asked to end" {
		t.Errorf("it ended as %+v", e)
	}
}

// TestStubborn: what SIGTERM does not end is killed at the end of the grace period, and
// not before.
func TestStubborn(t *testing.T) {
	p := newPod(t, "stubborn")
	grace := int64(2)
	p.Spec.TerminationGracePeriodSeconds = &grace
	p.apply()
	p.ready(0)
	if took := p.end(); took < time.Duration(grace)*time.Second {
		t.Errorf("it was killed after %s", took)
	}
	p.says("start", "term")
	if e := p.ended(); e.ExitCode != 137 || e.Signal != 9 {
		t.Errorf("it ended as %+v", e)
	}
}

// TestLongPreStop: a preStop command that takes the whole grace period leaves the
// container two seconds after SIGTERM, and no more.
func TestLongPreStop(t *testing.T) {
	for command, code := range map[string]int32{"serve": 0, "stubborn": 137} {
		t.Run(command, func(t *testing.T) {
			p := newPod(t, command)
			grace := int64(1)
			p.Spec.TerminationGracePeriodSeconds = &grace
			p.main().Lifecycle = preStop("hang")
			p.apply()
			p.ready(0)
			least := time.Duration(grace) * time.Second
			if command == "stubborn" {
				least += leastGrace
			}
			if took := p.end(); took < least {
				t.Errorf("it was over after %s", took)
			}
			p.says("start", "hook", "term")
			if e := p.ended(); e.ExitCode != code {
				t.Errorf("it ended as %+v", e)
			}
		})
	}
}

// TestShortened: a second deletion with less grace counts.
func TestShortened(t *testing.T) {
	p := newPod(t, "stubborn")
	grace, less := int64(2*hang/time.Second), int64(1)
	p.Spec.TerminationGracePeriodSeconds = &grace
	p.apply()
	p.ready(0)
	of := cluster.Client().CoreV1().Pods(p.Namespace)
	for _, seconds := range []*int64{nil, &less} {
		if err := of.Delete(p.ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: seconds}); err != nil {
			t.Fatal(err)
		}
	}
	err := Await(p.ctx, of, func(all []*corev1.Pod) error {
		if len(all) > 0 {
			return fmt.Errorf("%s is there", all[0].Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHostPort: a pod answers at a port of its node; another one that wants the same
// waits until it is gone.
func TestHostPort(t *testing.T) {
	p := newPod(t, "serve")
	p.Spec.NodeName = NodeName(1)
	p.main().Ports[0].HostPort = 80
	p.apply()
	p.ready(0)
	other := *p
	other.Pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "other"}, Spec: *p.Spec.DeepCopy()}
	other.apply()
	other.await(func(now *corev1.Pod) error {
		if !strings.Contains(now.Status.Message, "hostPort") {
			return fmt.Errorf("it is not held back: %+v", now.Status)
		}
		return nil
	})
	answer, err := http.Get("http://" + NodeAddress(1) + "/print?line=asked")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	p.says("start", "asked")
	p.end()
	other.ready(0)
	if other.Status.Message != "" {
		t.Errorf("it runs, and still says %s", other.Status.Message)
	}
}

// TestForward: through a port-forward, a program is asked from a loopback address.
func TestForward(t *testing.T) {
	p := newPod(t, "serve")
	p.apply()
	p.ready(0)
	cluster.Forward(t, p.Namespace, p.Name, Port)
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/self", Port))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got self
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || !strings.HasPrefix(got.From, "127.0.0.1:") {
		t.Errorf("it was asked from %s, %v", got.From, err)
	}
}

// TestStreams: what the API server passes on to the kubelet of a node does what it does with
// any: a command has its output, its errors and its status, and the last lines are printed.
func TestStreams(t *testing.T) {
	p := newPod(t, "serve")
	p.apply()
	p.ready(0)
	pods := cluster.Client().CoreV1().Pods(p.Namespace)
	run := func(container string, command ...string) (string, error) {
		at := cluster.Client().CoreV1().RESTClient().Post().Resource("pods").Namespace(p.Namespace).Name(p.Name).SubResource("exec").
			VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
		executor, err := remotecommand.NewWebSocketExecutor(cluster.REST(), http.MethodGet, at.String())
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		err = executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: &errs})
		return out.String() + errs.String(), err
	}
	main := p.main().Name
	if out, err := run(main, agentName, "hook"); err != nil || out != "" {
		t.Errorf("a command printed %q, %v", out, err)
	}
	var exit exec.CodeExitError
	if out, err := run(main, agentName, "nonsense"); !errors.As(err, &exit) || exit.Code != 1 || out != "no command nonsense\n" {
		t.Errorf("one that fails printed %q, %v", out, err)
	}
	if _, err := run("nobody", agentName); err == nil {
		t.Error("a command ran in a container that is not there")
	}
	last := int64(1)
	text, err := pods.GetLogs(p.Name, &corev1.PodLogOptions{Container: main, TailLines: &last}).DoRaw(t.Context())
	if want := "hook"; err != nil || strings.TrimSpace(string(text)) != want {
		t.Errorf("the last line is %q, %v, want %q", text, err, want)
	}
}

// TestUnknown: a pod that wants what this kubelet does not do is not started.
func TestUnknown(t *testing.T) {
	p := newPod(t, "serve")
	p.main().StartupProbe = get("/ready")
	p.apply()
	p.await(func(now *corev1.Pod) error {
		if now.Status.Phase != corev1.PodPending || !strings.Contains(now.Status.Message, "startupProbe") {
			return fmt.Errorf("got %+v", now.Status)
		}
		return nil
	})
}
