//go:build real

package kube

import (
	"cmp"
	"context"
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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Image is a container image: its programs, by name, and where they are here.
type Image map[string]string

// isReal says whether a pod is of images that there are: it is run then, not played.
func (k *kubelet) isReal(pod *corev1.Pod) bool {
	for _, c := range pod.Spec.Containers {
		if k.image(c.Image) == nil {
			return false
		}
	}
	return true
}

func (k *kubelet) image(name string) Image {
	repository, _, _ := strings.Cut(name, ":")
	return k.images[repository]
}

// sandbox is a pod that is run: network, volumes, and the processes of its
// containers. Its methods may be called from any goroutine.
type sandbox struct {
	kubelet *kubelet
	pod     *corev1.Pod
	address string
	dir     string // for volumes, roots and logs
	pause   *exec.Cmd

	ctx    context.Context // ends with the pod
	cancel context.CancelFunc
	ended  chan struct{} // closed when all processes have ended
	ready  atomic.Bool
	term   sync.Once
	stop   chan struct{} // closed when they are to end

	mu       sync.Mutex // guards the fields below
	running  map[string]*exec.Cmd
	restarts int
	failure  error // of the start
}

// newSandbox starts a pod. Whoever calls it calls kill, or end and then kill.
func (k *kubelet) newSandbox(pod *corev1.Pod, address string) (*sandbox, error) {
	dir := filepath.Join(k.dir, "pod-"+string(pod.UID))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &sandbox{kubelet: k, pod: pod, address: address, dir: dir, ended: make(chan struct{}), stop: make(chan struct{}), running: map[string]*exec.Cmd{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.pause = exec.Command("sleep", "infinity")
	s.pause.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := s.pause.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.ended)
		if err := s.run(); err != nil {
			s.mu.Lock()
			s.failure = err
			s.mu.Unlock()
		}
	}()
	return s, nil
}

// run brings the pod up, and sees it to its end.
func (s *sandbox) run() error {
	if err := connect(s.pause.Process.Pid, s.address); err != nil {
		return err
	}
	volumes, err := s.kubelet.volumes(s.ctx, s.pod, filepath.Join(s.dir, "volumes"))
	if err != nil {
		return err
	}
	for _, c := range s.pod.Spec.InitContainers {
		if err := s.once(c, volumes); err != nil {
			return fmt.Errorf("init container %s: %w", c.Name, err)
		}
	}
	var all sync.WaitGroup
	for _, c := range s.pod.Spec.Containers {
		all.Go(func() { s.keep(c, volumes) })
		go s.probe(c, c.ReadinessProbe, s.ready.Store)
		if c.LivenessProbe != nil {
			go s.probe(c, c.LivenessProbe, func(well bool) {
				if !well {
					s.killOne(c.Name)
				}
			})
		}
	}
	all.Wait()
	return nil
}

// once runs an init container.
func (s *sandbox) once(c corev1.Container, volumes map[string]string) error {
	cmd, err := s.start(c, volumes)
	if err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, s.log(c.Name))
	}
	return nil
}

// restartAfter is the pause before a container that ended is started again.
const restartAfter = 500 * time.Millisecond

// keep runs a container until the pod is to end, anew whenever it ends before.
func (s *sandbox) keep(c corev1.Container, volumes map[string]string) {
	for {
		if cmd, err := s.start(c, volumes); err == nil {
			_ = cmd.Wait() // its log says why
		}
		select {
		case <-s.stop:
			return
		case <-s.ctx.Done():
			return
		case <-time.After(restartAfter):
			s.mu.Lock()
			s.restarts++
			s.mu.Unlock()
		}
	}
}

func (s *sandbox) start(c corev1.Container, volumes map[string]string) (*exec.Cmd, error) {
	spec, err := s.spec(c, volumes)
	if err != nil {
		return nil, err
	}
	message := s.messageFile(c.Name)
	if err := errors.Join(os.MkdirAll(spec.Root, 0o755), os.WriteFile(message, nil, 0o666), os.Chmod(message, 0o666)); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(s.logFile(c.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd, err := spec.command(s.pause.Process.Pid, filepath.Join(s.dir, c.Name+".json"), output)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		return nil, errors.New("the pod is to end")
	default:
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.running[c.Name] = cmd
	return cmd, nil
}

func (s *sandbox) logFile(name string) string { return filepath.Join(s.dir, name+".log") }

// log is the end of what a container said.
func (s *sandbox) log(name string) string {
	text, err := os.ReadFile(s.logFile(name))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

func (s *sandbox) spec(c corev1.Container, volumes map[string]string) (*container, error) {
	root := filepath.Join(s.dir, "root-"+c.Name)
	message := s.messageFile(c.Name)
	pod := s.pod.Spec.SecurityContext
	spec := &container{Root: root, Programs: s.kubelet.image(c.Image), Args: append(append([]string{}, c.Command...), c.Args...),
		Env: []string{"PATH=" + programsPath, "KUBERNETES_SERVICE_HOST=" + advertised, "KUBERNETES_SERVICE_PORT=" + apiServerPort, "HOSTNAME=" + s.pod.Name}}
	if spec.Programs == nil || len(spec.Args) == 0 {
		return nil, fmt.Errorf("container %s: image %s and a command are needed", c.Name, c.Image)
	}
	if pod != nil && pod.RunAsUser != nil && pod.RunAsGroup != nil {
		spec.UID, spec.GID = int(*pod.RunAsUser), int(*pod.RunAsGroup)
	}
	spec.ReadOnly = c.SecurityContext != nil && c.SecurityContext.ReadOnlyRootFilesystem != nil && *c.SecurityContext.ReadOnlyRootFilesystem
	spec.Mounts = append(spec.Mounts, mount{message, cmp.Or(c.TerminationMessagePath, corev1.TerminationMessagePathDefault), false})
	for _, m := range c.VolumeMounts { // nil for exec, where they are there already
		spec.Mounts = append(spec.Mounts, mount{volumes[m.Name], m.MountPath, m.ReadOnly})
	}
	for _, e := range c.Env {
		value := s.value(e)
		spec.Env = append(spec.Env, e.Name+"="+value)
		for i := range spec.Args { // as Kubernetes expands $(NAME)
			spec.Args[i] = strings.ReplaceAll(spec.Args[i], "$("+e.Name+")", value)
		}
	}
	return spec, nil
}

// value is that of a variable. Labels are left empty, as those of a node are before
// Kubernetes 1.35; of resources there are limits of memory alone.
func (s *sandbox) value(e corev1.EnvVar) string {
	switch from := e.ValueFrom; {
	case from == nil:
		return e.Value
	case from.FieldRef != nil:
		return map[string]string{"metadata.name": s.pod.Name, "metadata.namespace": s.pod.Namespace, "status.podIP": s.address, "spec.nodeName": s.pod.Spec.NodeName}[from.FieldRef.FieldPath]
	case from.ResourceFieldRef != nil && from.ResourceFieldRef.Resource == "limits.memory":
		for _, c := range s.pod.Spec.Containers {
			if c.Name == from.ResourceFieldRef.ContainerName {
				return strconv.FormatInt(c.Resources.Limits.Memory().Value(), 10)
			}
		}
	}
	return ""
}

// probe asks until the pod ends, and tells each result that counts: the first success
// after failures, and a failure that came often enough. Without a probe all is well.
func (s *sandbox) probe(c corev1.Container, p *corev1.Probe, tell func(well bool)) {
	if p == nil || p.HTTPGet == nil {
		tell(true)
		return
	}
	url := "http://" + net.JoinHostPort(s.address, portOf(c, p.HTTPGet.Port)) + p.HTTPGet.Path
	client := &http.Client{Timeout: max(time.Second, time.Duration(p.TimeoutSeconds)*time.Second), Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(max(time.Second, time.Duration(p.PeriodSeconds)*time.Second) / probesFaster)
	defer tick.Stop()
	for failures := 0; ; {
		if s.ask(client, url) {
			failures = 0
			tell(true)
		} else if failures++; failures >= int(max(1, p.FailureThreshold)) {
			failures = 0
			tell(false)
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// killOne ends a container that is not well; it is started again.
func (s *sandbox) killOne(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cmd := s.running[name]; cmd != nil {
		_ = cmd.Process.Kill() // it may have ended
	}
}

// probesFaster is how much sooner this kubelet asks than the object says.
const probesFaster = 5

func (s *sandbox) ask(client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode < http.StatusBadRequest
}

func portOf(c corev1.Container, port intstr.IntOrString) string {
	for _, p := range c.Ports {
		if port.Type == intstr.String && p.Name == port.StrVal {
			return fmt.Sprint(p.ContainerPort)
		}
	}
	return port.String()
}

// end runs the preStop hooks and then sends SIGTERM to all containers, once. It does
// not wait.
func (s *sandbox) end() {
	s.term.Do(func() {
		close(s.stop)
		for _, c := range s.pod.Spec.Containers {
			go s.endOne(c)
		}
	})
}

func (s *sandbox) endOne(c corev1.Container) {
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Exec != nil {
		_, _ = s.exec(s.ctx, c.Name, c.Lifecycle.PreStop.Exec.Command...) // whatever becomes of it, SIGTERM follows
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cmd := s.running[c.Name]; cmd != nil {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
}

// exec runs a command in a container, as `kubectl exec` does.
func (s *sandbox) exec(ctx context.Context, name string, args ...string) (string, error) {
	s.mu.Lock()
	cmd := s.running[name]
	s.mu.Unlock()
	if cmd == nil {
		return "", fmt.Errorf("container %s does not run", name)
	}
	var c corev1.Container
	for _, one := range s.pod.Spec.Containers {
		if one.Name == name {
			c = one
		}
	}
	spec, err := s.spec(c, nil)
	if err != nil {
		return "", err
	}
	in := []string{"--target", fmt.Sprint(cmd.Process.Pid), "--mount", "--net", "--pid", "--ipc", "--root", "--wd=/", "--setuid", fmt.Sprint(spec.UID), "--setgid", fmt.Sprint(spec.GID),
		filepath.Join(programsPath, args[0])}
	run := exec.CommandContext(ctx, "nsenter", append(in, args[1:]...)...)
	run.Env = spec.Env
	out, err := run.CombinedOutput()
	return string(out), err
}

// over says whether all processes have ended.
func (s *sandbox) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// kill ends what is left, and frees what the pod had but its logs.
func (s *sandbox) kill() {
	s.end()
	s.cancel()
	s.mu.Lock()
	for _, cmd := range s.running {
		_ = cmd.Process.Kill() // it may have ended
	}
	s.mu.Unlock()
	<-s.ended
	_ = s.pause.Process.Kill()
	_ = s.pause.Wait() // it was killed
}

// container is what the status says of the containers; an error is that of the
// start.
func (s *sandbox) container() (restarts int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts, s.failure
}

func (s *sandbox) messageFile(name string) string { return filepath.Join(s.dir, "message-"+name) }

// message is what a container left for the status of its pod.
func (s *sandbox) message(name string) string {
	text, _ := os.ReadFile(s.messageFile(name)) // none is ""
	return string(text)
}

// volumes makes the volumes of a pod: where each is, by name.
func (k *kubelet) volumes(ctx context.Context, pod *corev1.Pod, dir string) (map[string]string, error) {
	where := map[string]string{}
	for _, v := range pod.Spec.Volumes {
		at := filepath.Join(dir, v.Name)
		where[v.Name] = at
		files, err := k.files(ctx, pod, v)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", v.Name, err)
		}
		if err := errors.Join(os.MkdirAll(at, 0o777), os.Chmod(at, 0o777)); err != nil {
			return nil, err
		}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(at, name), data, 0o644); err != nil {
				return nil, err
			}
		}
	}
	return where, nil
}

// files are those that a volume begins with.
func (k *kubelet) files(ctx context.Context, pod *corev1.Pod, v corev1.Volume) (map[string][]byte, error) {
	files := map[string][]byte{}
	switch {
	case v.Secret != nil:
		o, err := k.client.CoreV1().Secrets(pod.Namespace).Get(ctx, v.Secret.SecretName, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return o.Data, nil
	case v.ConfigMap != nil:
		o, err := k.client.CoreV1().ConfigMaps(pod.Namespace).Get(ctx, v.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		for name, text := range o.Data {
			files[name] = []byte(text)
		}
	case v.Projected != nil: // the token of the account, with what belongs to it
		account, err := k.account(ctx, pod.Namespace, pod.Spec.ServiceAccountName)
		if err != nil {
			return nil, err
		}
		files["token"], files["ca.crt"], files["namespace"] = []byte(account.BearerToken), account.CAData, []byte(pod.Namespace)
	}
	return files, nil
}

// Pods tells of the pods of a namespace what may explain a failure: their state, and
// the end of what their containers said.
func (c *Cluster) Pods(ctx context.Context, namespace string) string {
	var b strings.Builder
	list, err := c.client.CoreV1().Pods(namespace).List(context.WithoutCancel(ctx), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, p := range list.Items {
		fmt.Fprintf(&b, "%s %s %s ready=%v %s\n", p.Name, p.Status.PodIP, p.Status.Phase, p.Status.Conditions, p.Status.Message)
		box := c.kubelet.box(keyOf(&p))
		if box == nil || box.sandbox == nil {
			continue
		}
		for _, container := range append(p.Spec.InitContainers, p.Spec.Containers...) {
			fmt.Fprintf(&b, "--- %s: %s\n%s\n", container.Name, box.sandbox.message(container.Name), box.sandbox.log(container.Name))
		}
	}
	return b.String()
}

// Exec runs a program of the image in a container of a pod that is run, as `kubectl
// exec` does, and returns what it printed.
func (c *Cluster) Exec(ctx context.Context, namespace, pod, container string, args ...string) (string, error) {
	b := c.kubelet.box(namespace + "/" + pod)
	if b == nil || b.sandbox == nil {
		return "", fmt.Errorf("no pod %s/%s is run", namespace, pod)
	}
	return b.sandbox.exec(ctx, container, args...)
}
