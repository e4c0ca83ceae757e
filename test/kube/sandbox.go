//go:build real

package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// isReal reports whether a pod is of images that there are: it is run then, not played.
func (k *kubelet) isReal(pod *corev1.Pod) bool {
	for _, c := range pod.Spec.Containers {
		if _, ok := k.image(c.Image); !ok {
			return false
		}
	}
	return true
}

// sandbox is a pod that is run: network, volumes, and the processes of its
// containers. Its methods may be called from any goroutine.
type sandbox struct {
	kubelet   *kubelet
	pod       *corev1.Pod
	address   string
	dir       string         // for volumes, roots and logs
	pause     *exec.Cmd      // whose network namespace is that of the pod
	listeners []net.Listener // its ports of the node
	volumes   *volumes
	init      []*member // one after the other
	main      []*member // at once, when those are done

	ctx    context.Context // ends with the pod
	cancel context.CancelFunc
	// stopping ends when the pod is told to end, grace when it may not last any longer.
	stopping, grace   context.Context
	stop, graceIsOver context.CancelFunc
	told              sync.Once
	ended             chan struct{} // closed when all processes have ended

	mu      sync.Mutex // guards failure
	failure error      // why no container is started yet
}

// newSandbox starts a pod. Whoever calls it calls kill, or end and then kill.
func (k *kubelet) newSandbox(pod *corev1.Pod, address string) (*sandbox, error) {
	if err := unknown(pod); err != nil {
		return nil, err
	}
	s := &sandbox{kubelet: k, pod: pod, address: address, dir: k.podDir(pod), ended: make(chan struct{})}
	s.volumes = &volumes{kubelet: k, pod: pod, dir: filepath.Join(s.dir, "volumes"), shown: map[string]string{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.stopping, s.stop = context.WithCancel(s.ctx)
	s.grace, s.graceIsOver = context.WithCancel(s.ctx)
	for _, c := range pod.Spec.InitContainers {
		s.init = append(s.init, &member{sandbox: s, spec: c})
	}
	for _, c := range pod.Spec.Containers {
		s.main = append(s.main, &member{sandbox: s, spec: c})
	}
	if err := s.connect(); err != nil {
		close(s.ended)
		s.kill()
		return nil, err
	}
	go func() {
		defer close(s.ended)
		s.run()
	}()
	return s, nil
}

// podDir is where the files of a pod are; its logs outlive it.
func (k *kubelet) podDir(pod *corev1.Pod) string { return filepath.Join(k.dir, "pod-"+string(pod.UID)) }

// unknown names what a pod wants of a kubelet and this one does not do: better no pod
// than another one.
func unknown(pod *corev1.Pod) error {
	var errs []error
	no := func(is bool, c corev1.Container, field string) {
		if is {
			errs = append(errs, fmt.Errorf("container %s: this kubelet knows no %s", c.Name, field))
		}
	}
	for _, c := range pod.Spec.InitContainers {
		no(c.RestartPolicy != nil, c, "restartPolicy")
	}
	for _, c := range append(append([]corev1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...) {
		no(c.StartupProbe != nil, c, "startupProbe")
		no(len(c.EnvFrom) > 0, c, "envFrom")
		no(c.Lifecycle != nil && c.Lifecycle.PostStart != nil, c, "postStart")
		no(c.Lifecycle != nil && c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Exec == nil, c, "preStop but exec")
		for _, p := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe} {
			no(p != nil && p.HTTPGet == nil && p.TCPSocket == nil && p.Exec == nil, c, "probe but httpGet, tcpSocket and exec")
		}
		for _, m := range c.VolumeMounts {
			no(m.SubPath != "" || m.SubPathExpr != "", c, "subPath")
		}
	}
	if pod.Spec.DNSPolicy != corev1.DNSClusterFirst || pod.Spec.DNSConfig != nil {
		errs = append(errs, errors.New("this kubelet knows no dnsPolicy but ClusterFirst, and no dnsConfig"))
	}
	return errors.Join(errs...)
}

// connect makes the network of the pod: a namespace, an address, ports of the node.
func (s *sandbox) connect() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	pause := exec.Command("sleep", "infinity")
	pause.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := pause.Start(); err != nil {
		return err
	}
	s.pause = pause
	if err := os.WriteFile(s.resolvConf(), resolvConf(s.pod.Namespace), 0o644); err != nil {
		return err
	}
	if err := connect(pause.Process.Pid, s.address); err != nil {
		return err
	}
	return s.openPorts()
}

// resolvConf is the file that says to containers where the DNS is.
func (s *sandbox) resolvConf() string { return filepath.Join(s.dir, "resolv.conf") }

// run brings the pod up, and sees it to its end.
func (s *sandbox) run() {
	for {
		err := s.volumes.make(s.ctx)
		s.mu.Lock()
		s.failure = err
		s.mu.Unlock()
		if err == nil {
			break
		}
		if !s.rest(again) { // a Secret may come later
			return
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.volumes.follow(s.stopping) })
	for _, m := range s.init {
		for m.live() != 0 {
			if !s.rest(restartAfter) {
				return
			}
			m.again()
		}
	}
	for _, m := range s.main {
		all.Go(m.keep)
	}
}

// held says why no container is started yet; "" if nothing holds them back.
func (s *sandbox) held() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		return ""
	}
	return s.failure.Error()
}

// rest waits, and is false when the pod is to end.
func (s *sandbox) rest(d time.Duration) bool {
	select {
	case <-s.stopping.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// end tells all containers to end, once. It does not wait.
func (s *sandbox) end() {
	s.told.Do(func() {
		s.stop()
		for _, m := range append(append([]*member{}, s.init...), s.main...) {
			go m.stop(s.grace)
		}
	})
}

// over reports whether all processes have ended.
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
	<-s.ended
	for _, l := range s.listeners {
		l.Close()
	}
	if s.pause != nil {
		_ = s.pause.Process.Kill()
		_ = s.pause.Wait() // it was killed
	}
	s.volumes.free()
}
