//go:build real

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hungUp bounds the wait for a command that was given up.
const hungUp = 10 * time.Second

// exec runs a command in a container, as `kubectl exec` does.
func (m *member) exec(ctx context.Context, args ...string) (string, error) {
	run, err := m.inside(ctx, args...)
	if err != nil {
		return "", err
	}
	out, err := run.CombinedOutput()
	return string(out), err
}

// inside is a command in a container, not yet started.
func (m *member) inside(ctx context.Context, args ...string) (*exec.Cmd, error) {
	cmd, _ := m.current()
	if cmd == nil {
		return nil, fmt.Errorf("container %s does not run", m.spec.Name)
	}
	c, err := m.container()
	if err != nil {
		return nil, err
	}
	program := args[0]
	if !filepath.IsAbs(program) {
		program = filepath.Join(programsPath, program)
	}
	in := []string{"--target", fmt.Sprint(cmd.Process.Pid), "--mount", "--net", "--pid", "--ipc", "--root", "--wd=/",
		"--setuid", fmt.Sprint(c.UID), "--setgid", fmt.Sprint(c.GID), program}
	run := exec.CommandContext(ctx, "nsenter", append(in, args[1:]...)...)
	run.Env, run.WaitDelay = c.Env, hungUp
	run.Cancel = func() error { return killProgram(run.Process) }
	return run, nil
}

// killProgram kills the program that nsenter has started in a container, and by that
// nsenter. Without nsenter nobody would reap the program, and the kernel lets the first
// process of a container end only when all others are reaped.
func killProgram(nsenter *os.Process) error {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nsenter.Pid, nsenter.Pid))
	program, convErr := strconv.Atoi(strings.TrimSpace(string(list)))
	if err != nil || convErr != nil { // it has not started it yet
		return nsenter.Kill()
	}
	return syscall.Kill(program, syscall.SIGKILL)
}

// Exec runs a program of the image in a container of a pod that is run, as `kubectl
// exec` does, and returns what it printed.
func (c *Cluster) Exec(ctx context.Context, namespace, pod, container string, args ...string) (string, error) {
	s, err := c.sandbox(namespace, pod)
	if err != nil {
		return "", err
	}
	for _, m := range s.main {
		if m.spec.Name == container {
			return m.exec(ctx, args...)
		}
	}
	return "", fmt.Errorf("pod %s/%s has no container %s", namespace, pod, container)
}

// sandbox is a pod that is run.
func (c *Cluster) sandbox(namespace, pod string) (*sandbox, error) {
	b := c.kubelet.box(namespace + "/" + pod)
	if b == nil || b.sandbox == nil {
		return nil, fmt.Errorf("no pod %s/%s is run", namespace, pod)
	}
	return b.sandbox, nil
}

func logFile(dir, container string) string { return filepath.Join(dir, container+".log") }

// Logs is all that a container has said, through all its restarts; the pod may have
// ended.
func (c *Cluster) Logs(pod *corev1.Pod, container string) (string, error) {
	text, err := os.ReadFile(logFile(c.kubelet.podDir(pod), container))
	if errors.Is(err, os.ErrNotExist) { // it has not been started
		return "", nil
	}
	return string(text), err
}

// lastOf is the end of a log.
func lastOf(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// Pods tells of the pods of a namespace what may explain a failure: their state, and
// the end of what their containers said.
func (c *Cluster) Pods(ctx context.Context, namespace string) string {
	list, err := c.client.CoreV1().Pods(namespace).List(context.WithoutCancel(ctx), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, p := range list.Items {
		fmt.Fprintf(&b, "%s %s %s ready=%v %s\n", p.Name, p.Status.PodIP, p.Status.Phase, p.Status.Conditions, p.Status.Message)
		for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			fmt.Fprintf(&b, "--- %s: %+v, before: %+v\n%s\n", s.Name, s.State, s.LastTerminationState, lastOf(logFile(c.kubelet.podDir(&p), s.Name)))
		}
	}
	return b.String()
}
