//go:build real

package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
)

// pod is a pod that is run, and the test that it is for.
type pod struct {
	*corev1.Pod
	t   *testing.T
	ctx context.Context
}

// user is who the containers are: nobody whom the machine knows.
const user = 65532

// newPod is a pod of one container, agent with arguments, as user, that is ready when it
// answers. It is not applied yet.
func newPod(t *testing.T, args ...string) *pod {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	p := &pod{&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace(t), Name: "pod", Labels: map[string]string{LabelService: "pod"}}}, t, limited(t)}
	id := int64(user)
	p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &id, RunAsGroup: &id}
	p.Spec.Containers = []corev1.Container{agentContainer("main", args...)}
	p.main().ReadinessProbe = get("/ready")
	return p
}

// agentContainer runs agent with arguments.
func agentContainer(name string, args ...string) corev1.Container {
	return corev1.Container{Name: name, Image: agentImage, Command: []string{agentName}, Args: args,
		Ports: []corev1.ContainerPort{{Name: PortName, ContainerPort: Port, Protocol: corev1.ProtocolTCP}}}
}

// main is its first container.
func (p *pod) main() *corev1.Container { return &p.Spec.Containers[0] }

// get is a probe of a path.
func get(path string) *corev1.Probe {
	return &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 2,
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(PortName)}}}
}

// apply applies objects and the pod.
func (p *pod) apply(objects ...Object) {
	p.t.Helper()
	if err := cluster.Apply(p.ctx, append(objects, p.Pod)...); err != nil {
		p.t.Fatal(err)
	}
}

// await waits until the pod is as look wants it, and keeps it as it is then.
func (p *pod) await(look func(*corev1.Pod) error) {
	p.t.Helper()
	err := Await(p.ctx, cluster.Client().CoreV1().Pods(p.Namespace), func(all []*corev1.Pod) error {
		for _, now := range all {
			if now.Name == p.Name {
				p.Pod = now
				return look(now)
			}
		}
		return fmt.Errorf("there is no pod %s", p.Name)
	})
	if err != nil {
		p.t.Fatalf("%v\n%s", err, cluster.Pods(p.ctx, p.Namespace))
	}
}

// ready waits until the pod is ready and has been started anew so often.
func (p *pod) ready(restarts int32) {
	p.t.Helper()
	p.await(func(now *corev1.Pod) error {
		if s := now.Status; len(s.ContainerStatuses) == 0 || !s.ContainerStatuses[0].Ready || s.ContainerStatuses[0].RestartCount != restarts {
			return fmt.Errorf("want it ready after %d restarts: %+v", restarts, s.ContainerStatuses)
		}
		return nil
	})
}

// self is what its main container says of itself.
func (p *pod) self() (got self) {
	p.t.Helper()
	text, err := p.ask("/self")
	if err == nil {
		err = json.Unmarshal([]byte(text), &got)
	}
	if err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	return got
}

// ask asks the program of the pod.
func (p *pod) ask(path string, values ...string) (string, error) {
	form := url.Values{}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	r, err := http.NewRequestWithContext(p.ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s?%s", p.Status.PodIP, Port, path, form.Encode()), nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return string(text), err
}

// want wants an answer.
func (p *pod) want(answer, path string, values ...string) {
	p.t.Helper()
	if got, err := p.ask(path, values...); err != nil || got != answer {
		p.t.Errorf("%s %q: got %q, %v; want %q", path, values, got, err, answer)
	}
}

// says wants what a container has printed so far.
func (p *pod) says(lines ...string) {
	p.t.Helper()
	if got, err := cluster.Logs(p.Pod, p.main().Name); err != nil || !slices.Equal(strings.Fields(got), lines) {
		p.t.Errorf("it said %q, %v; want %q", got, err, lines)
	}
}

// saysAtLast waits until that is what its first container has printed.
func (p *pod) saysAtLast(lines ...string) {
	p.t.Helper()
	for {
		got, err := cluster.Logs(p.Pod, p.main().Name)
		if err == nil && slices.Equal(strings.Fields(got), lines) {
			return
		}
		select {
		case <-time.After(pollEvery):
		case <-p.ctx.Done():
			p.t.Fatalf("it said %q, %v; want %q", got, err, lines)
		}
	}
}

// end deletes the pod, and keeps it as it was last. It returns how long that took.
func (p *pod) end() time.Duration {
	p.t.Helper()
	of := cluster.Client().CoreV1().Pods(p.Namespace)
	w, err := of.Watch(p.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + p.Name})
	if err != nil {
		p.t.Fatal(err)
	}
	defer w.Stop()
	began := time.Now()
	if err := of.Delete(p.ctx, p.Name, metav1.DeleteOptions{}); err != nil {
		p.t.Fatal(err)
	}
	for {
		select {
		case e := <-w.ResultChan():
			if now, ok := e.Object.(*corev1.Pod); ok && e.Type == watch.Deleted {
				p.Pod = now
				return time.Since(began)
			}
		case <-p.ctx.Done():
			p.t.Fatalf("it does not end\n%s", cluster.Pods(p.ctx, p.Namespace))
		}
	}
}

// ended is how its first container ended.
func (p *pod) ended() corev1.ContainerStateTerminated {
	p.t.Helper()
	if len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].State.Terminated == nil {
		p.t.Fatalf("the status does not say how it ended: %+v", p.Status.ContainerStatuses)
	}
	return *p.Status.ContainerStatuses[0].State.Terminated
}

// TestInitContainers: they run one after the other, one that fails runs again and holds
// back all that come after it, and none runs again when a container is started anew.
func TestInitContainers(t *testing.T) {
	p := newPod(t, "serve")
	p.Spec.Volumes = []corev1.Volume{{Name: "shared", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	shared := []corev1.VolumeMount{{Name: "shared", MountPath: "/shared"}}
	p.Spec.InitContainers = []corev1.Container{
		agentContainer("first", "append", "/shared/order", "first", "3"), agentContainer("second", "append", "/shared/order", "second")}
	for _, c := range []*corev1.Container{&p.Spec.InitContainers[0], &p.Spec.InitContainers[1], p.main()} {
		c.VolumeMounts = shared
	}
	p.apply()
	p.await(func(now *corev1.Pod) error {
		if s := now.Status; len(s.InitContainerStatuses) == 0 || s.InitContainerStatuses[0].RestartCount == 0 {
			return fmt.Errorf("the first one did not fail: %+v", s)
		} else if s.Phase != corev1.PodPending && s.InitContainerStatuses[0].RestartCount < 2 {
			p.t.Errorf("it is %s before its init containers are done", s.Phase)
		}
		return nil
	})
	p.ready(0)
	const order = "first first first second "
	p.want(order, "/read", "file", "/shared/order")
	if s := p.Status.InitContainerStatuses; s[0].RestartCount != 2 || s[1].RestartCount != 0 || s[0].State.Terminated.ExitCode != 0 {
		t.Errorf("got %+v", s)
	}
	_, _ = p.ask("/exit", "code", "7") // the answer does not come
	p.ready(1)
	p.want(order, "/read", "file", "/shared/order")
	if last := p.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 7 || last.Reason != "Error" {
		t.Errorf("it ended as %+v", last)
	}
	p.says("start", "start")
}

// TestEnvironment: variables come from fields of the pod and from resources of its
// containers, and are put into the command.
func TestEnvironment(t *testing.T) {
	p := newPod(t, "serve", "$(NAME)/$(GREETING)", "$$(NAME)", "$(NOBODY)")
	p.Annotations = map[string]string{"of-tests": "annotated"}
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
	}
	amount := func(name, of, what, unit string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{
			ContainerName: of, Resource: what, Divisor: resource.MustParse(unit)}}}
	}
	p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "other", Image: agentImage, Command: []string{agentName, "append", "/dev/null", "x"}})
	p.Spec.Containers[1].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi"), corev1.ResourceCPU: resource.MustParse("1500m")}
	p.main().Env = []corev1.EnvVar{field("NAME", "metadata.name"), field("SPACE", "metadata.namespace"), field("IP", "status.podIP"), field("NODE", "spec.nodeName"),
		field("ANNOTATION", "metadata.annotations['of-tests']"), field("LABEL", "metadata.labels['app']"), field("ZONE", "metadata.labels['topology.kubernetes.io/zone']"),
		field("HOST", "status.hostIP"), amount("MEMORY", "other", "limits.memory", "0"), amount("MEBIBYTES", "other", "limits.memory", "1Mi"), amount("CORES", "other", "limits.cpu", "0"),
		amount("MILLI", "other", "limits.cpu", "1m"), {Name: "GREETING", Value: "hello $(LABEL)"}}
	p.apply()
	p.ready(0)
	got := p.self()
	for _, want := range []string{"NAME=pod", "SPACE=" + p.Namespace, "IP=" + p.Status.PodIP, "NODE=" + p.Spec.NodeName, "ANNOTATION=annotated", "LABEL=pod",
		"HOST=" + cluster.kubelet.nodeAddress(p.Spec.NodeName), "ZONE=" + zones[slices.Index(cluster.kubelet.nodes, p.Spec.NodeName)],
		"MEMORY=1073741824", "MEBIBYTES=1024", "CORES=2", "MILLI=1500", "GREETING=hello pod", "HOSTNAME=pod"} {
		if !slices.Contains(got.Env, want) {
			t.Errorf("%s is not in %q", want, got.Env)
		}
	}
	if want := []string{"pod/hello pod", "$(NAME)", "$(NOBODY)"}; !slices.Equal(got.Args, want) {
		t.Errorf("the command has %q, want %q", got.Args, want)
	}
}

// TestUser: a container is whom its pod says, in the group of its volumes, and on a root
// that it can write only if the pod says so, and never for good.
func TestUser(t *testing.T) {
	p := newPod(t, "serve")
	group, readOnly, other := int64(4711), true, int64(user+1)
	p.Spec.SecurityContext.FSGroup = &group
	p.main().SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: &readOnly, RunAsUser: &other}
	p.apply()
	p.ready(0)
	if got := p.self(); got.UID != user+1 || got.GID != user || !slices.Contains(got.Groups, int(group)) {
		t.Errorf("it is %+v", got)
	}
	for _, file := range []string{"/x", "/tmp/x", "/dev/x", "/usr/local/bin/x", "/etc/hosts", "/etc/resolv.conf"} {
		if _, err := p.ask("/write", "file", file); err == nil {
			t.Errorf("it can write %s", file)
		}
	}
	p.want("", "/write", "file", "/dev/null")
}

// TestTemporary: on a root that can be written everybody may use /tmp, until the
// container ends.
func TestTemporary(t *testing.T) {
	p := newPod(t, "serve")
	p.apply()
	p.ready(0)
	p.want("", "/write", "file", "/tmp/x", "text", "kept")
	p.want("kept", "/read", "file", "/tmp/x")
	_, _ = p.ask("/exit", "code", "0") // the answer does not come
	p.ready(1)
	if got, err := p.ask("/read", "file", "/tmp/x"); err == nil {
		t.Errorf("after a restart there still is %q", got)
	}
}
