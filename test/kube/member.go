//go:build real

package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// restartAfter is the pause before a container that ended is started again. That of a
// real kubelet grows from 10 s to 5 min.
const restartAfter = 500 * time.Millisecond

// leastGrace is what is left of a grace period after a preStop command that took all of
// it, as in a real kubelet.
const leastGrace = 2 * time.Second

// member is a container of a pod that is run, through all of its restarts.
type member struct {
	sandbox *sandbox
	spec    corev1.Container

	mu       sync.Mutex    // guards the fields below
	cmd      *exec.Cmd     // nil while it does not run
	ended    chan struct{} // closed when cmd has ended
	started  metav1.Time
	ready    bool                             // what its probe says of the one that runs
	last     *corev1.ContainerStateTerminated // how the last one ended
	before   *corev1.ContainerStateTerminated // the one before that, if it was started anew
	restarts int32
	failure  error // why it did not start
}

// keep runs the container until the pod is to end, anew whenever it ends before, as the pod
// wants it.
func (m *member) keep() {
	for {
		status, policy := m.live(), m.sandbox.pod.Spec.RestartPolicy
		if policy == corev1.RestartPolicyNever || policy == corev1.RestartPolicyOnFailure && status == 0 || !m.sandbox.rest(restartAfter) {
			return
		}
		m.again()
	}
}

// again counts a restart.
func (m *member) again() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restarts++
}

// live runs the container once, probes included, and is its exit status; -1 if it did
// not start.
func (m *member) live() int {
	cmd, ended, err := m.start()
	if err != nil {
		m.mu.Lock()
		m.failure = err
		m.mu.Unlock()
		return -1
	}
	ctx, cancel := context.WithCancel(m.sandbox.ctx)
	var probes sync.WaitGroup
	probes.Go(func() { m.probe(ctx, m.spec.ReadinessProbe, m.isReady) })
	if p := m.spec.LivenessProbe; p != nil {
		alive, stop := context.WithCancel(m.sandbox.stopping) // of what is to end, it does not matter
		context.AfterFunc(ctx, stop)
		probes.Go(func() {
			m.probe(alive, p, func(well bool) {
				if !well {
					m.unwell(p)
				}
			})
		})
	}
	_ = cmd.Wait() // its state says it
	cancel()
	close(ended)
	probes.Wait()
	m.exited(cmd.ProcessState)
	return cmd.ProcessState.ExitCode()
}

// unwell ends a container whose liveness probe fails; keep starts it again.
func (m *member) unwell(p *corev1.Probe) {
	seconds := m.sandbox.pod.Spec.TerminationGracePeriodSeconds
	if p.TerminationGracePeriodSeconds != nil {
		seconds = p.TerminationGracePeriodSeconds
	}
	grace, cancel := context.WithTimeout(m.sandbox.ctx, time.Duration(*seconds)*time.Second)
	defer cancel()
	m.stop(grace)
}

func (m *member) isReady(well bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = well
}

func (m *member) start() (*exec.Cmd, chan struct{}, error) {
	cmd, err := m.command()
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sandbox.stopping.Err() != nil {
		return nil, nil, errors.New("the pod is to end")
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	m.cmd, m.ended, m.started, m.failure, m.ready = cmd, make(chan struct{}), metav1.Now(), nil, false
	return m.cmd, m.ended, nil
}

// command is the process of the container, not yet started.
func (m *member) command() (*exec.Cmd, error) {
	c, err := m.container()
	if err != nil {
		return nil, err
	}
	for _, v := range m.spec.VolumeMounts {
		c.Mounts = append(c.Mounts, m.sandbox.volumes.mount(v))
	}
	message := m.messageFile()
	if err := errors.Join(os.MkdirAll(c.Root, 0o755), os.WriteFile(message, nil, 0o666), os.Chmod(message, 0o666)); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(m.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return c.command(m.sandbox.pause.Process.Pid, filepath.Join(m.sandbox.dir, m.spec.Name+".json"), output)
}

// exited keeps how the container ended.
func (m *member) exited(state *os.ProcessState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = m.last
	m.last = &corev1.ContainerStateTerminated{ExitCode: int32(state.ExitCode()), Reason: "Completed", StartedAt: m.started, FinishedAt: metav1.Now()}
	if w, ok := state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		m.last.Signal, m.last.ExitCode = int32(w.Signal()), 128+int32(w.Signal())
	}
	if m.last.ExitCode != 0 {
		m.last.Reason = "Error"
	}
	text, err := os.ReadFile(m.messageFile())
	if err == nil && len(text) == 0 && m.last.ExitCode != 0 && m.spec.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
		text = []byte(lastOf(m.logFile()))
	}
	m.last.Message = string(text)
	m.cmd, m.ready = nil, false
}

// current is the process that runs, and its end; nil if none does.
func (m *member) current() (*exec.Cmd, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cmd, m.ended
}

// stop ends the container that runs now, as a kubelet does: its preStop command, then
// SIGTERM, and SIGKILL when grace ends, which the command's time counts to.
func (m *member) stop(grace context.Context) {
	cmd, ended := m.current()
	if cmd == nil {
		return
	}
	if l := m.spec.Lifecycle; l != nil && l.PreStop != nil {
		_, _ = m.exec(grace, l.PreStop.Exec.Command...) // whatever becomes of it, SIGTERM follows
		if grace.Err() != nil {
			longer, cancel := context.WithTimeout(m.sandbox.ctx, leastGrace)
			defer cancel()
			grace = longer
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-ended:
		return
	case <-grace.Done():
	}
	_ = cmd.Process.Kill() // it may have ended
	<-ended
}

func (m *member) logFile() string { return logFile(m.sandbox.dir, m.spec.Name) }

func (m *member) messageFile() string { return filepath.Join(m.sandbox.dir, "message-"+m.spec.Name) }

// container is what the pod says of the container, without its volumes.
func (m *member) container() (*container, error) {
	s := m.sandbox
	image, _ := s.kubelet.image(m.spec.Image)
	c := &container{Root: filepath.Join(s.dir, "root-"+m.spec.Name), Image: image.Root, Programs: image.Programs, WorkingDir: cmp.Or(m.spec.WorkingDir, image.Config.WorkingDir, "/")}
	c.Env, c.Args = m.environment(&image.Config)
	if len(c.Args) == 0 {
		return nil, fmt.Errorf("container %s: image %s and a command are needed", m.spec.Name, m.spec.Image)
	}
	var err error
	if c.UID, c.GID, err = image.Config.user(); err != nil {
		return nil, fmt.Errorf("container %s: image %s: %w", m.spec.Name, m.spec.Image, err)
	}
	c.Mounts = []mount{{m.messageFile(), cmp.Or(m.spec.TerminationMessagePath, corev1.TerminationMessagePathDefault), false},
		{s.resolvConf(), "/etc/resolv.conf", true}}
	c.secure(s.pod.Spec.SecurityContext, m.spec.SecurityContext)
	return c, nil
}

// secure takes over who the container is; what it says itself stands before what its pod says.
func (c *container) secure(pod *corev1.PodSecurityContext, own *corev1.SecurityContext) {
	set := func(to *int, values ...*int64) {
		for _, v := range values {
			if v != nil {
				*to = int(*v)
			}
		}
	}
	if pod != nil {
		set(&c.UID, pod.RunAsUser)
		set(&c.GID, pod.RunAsGroup)
		for _, g := range pod.SupplementalGroups {
			c.Groups = append(c.Groups, int(g))
		}
		if pod.FSGroup != nil {
			c.Groups = append(c.Groups, int(*pod.FSGroup))
		}
	}
	if own != nil {
		set(&c.UID, own.RunAsUser)
		set(&c.GID, own.RunAsGroup)
		c.ReadOnly = own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem
	}
}
