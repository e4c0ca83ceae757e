//go:build real

package kube

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// awaits waits for an answer of the pod.
func (p *pod) awaits(answer, path string, values ...string) {
	p.t.Helper()
	for {
		got, err := p.ask(path, values...)
		if err == nil && got == answer {
			return
		}
		select {
		case <-time.After(pollEvery):
		case <-p.ctx.Done():
			p.t.Fatalf("%s %q: got %q, %v; want %q", path, values, got, err, answer)
		}
	}
}

// mounted is a volume, and its mount at /NAME.
func (p *pod) mounted(name string, readOnly bool, source corev1.VolumeSource) {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
	p.main().VolumeMounts = append(p.main().VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name, ReadOnly: readOnly})
}

// secret is the Secret of the volume.
func (p *pod) secret(files map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "secret"}, Data: map[string][]byte{}}
	for name, text := range files {
		s.Data[name] = []byte(text)
	}
	return s
}

// TestSecretVolume: a pod waits for its Secret; what changes in that reaches the volume,
// all of it at once; nobody but the group of the volumes can read it, and nobody write.
func TestSecretVolume(t *testing.T) {
	p := newPod(t, "serve")
	mode, group := int32(0o440), int64(user)
	p.Spec.SecurityContext.FSGroup = &group
	p.mounted("secret", false, corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "secret", DefaultMode: &mode}})
	p.apply()
	p.await(func(now *corev1.Pod) error {
		if s := now.Status; len(s.ContainerStatuses) == 0 || s.ContainerStatuses[0].State.Waiting == nil || s.ContainerStatuses[0].State.Waiting.Message == "" {
			return fmt.Errorf("it does not say that it waits for its Secret: %+v", s)
		}
		return nil
	})
	if err := cluster.Apply(p.ctx, p.secret(map[string]string{"a": "1", "gone": "x"})); err != nil {
		t.Fatal(err)
	}
	p.ready(0)
	p.want("1", "/read", "file", "/secret/a")
	p.want("x", "/read", "file", "/secret/gone")
	if _, err := p.ask("/write", "file", "/secret/a"); err == nil {
		t.Error("a Secret can be written in its volume")
	}
	now := p.secret(map[string]string{"a": "2", "new": "y"})
	if _, err := cluster.Client().CoreV1().Secrets(p.Namespace).Update(p.ctx, now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.awaits("2", "/read", "file", "/secret/a")
	p.awaits("y", "/read", "file", "/secret/new")
	if _, err := p.ask("/read", "file", "/secret/gone"); err == nil {
		t.Error("a file that the Secret has no more is still there")
	}
	p.says("start")
}

// TestSecretOfOthers: without a group for its volumes, a container cannot read what is
// for the group alone.
func TestSecretOfOthers(t *testing.T) {
	p := newPod(t, "serve")
	mode := int32(0o440)
	p.mounted("secret", true, corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "secret", DefaultMode: &mode}})
	p.apply(p.secret(map[string]string{"a": "1"}))
	p.ready(0)
	if _, err := p.ask("/read", "file", "/secret/a"); err == nil {
		t.Error("it can read it")
	}
}

// TestVolumes: a ConfigMap shows what the volume chooses, empty folders can be written
// where they are not mounted read only, and one of memory is memory.
func TestVolumes(t *testing.T) {
	p := newPod(t, "serve")
	p.mounted("config", false, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "config"},
		Items: []corev1.KeyToPath{{Key: "a", Path: "b"}}}})
	p.mounted("empty", false, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
	p.mounted("memory", false, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}})
	p.main().VolumeMounts = append(p.main().VolumeMounts, corev1.VolumeMount{Name: "empty", MountPath: "/again", ReadOnly: true})
	p.apply(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "config"}, Data: map[string]string{"a": "1", "c": "3"}})
	p.ready(0)
	p.want("1", "/read", "file", "/config/b")
	if _, err := p.ask("/read", "file", "/config/c"); err == nil {
		t.Error("the volume has what it did not choose")
	}
	for _, name := range []string{"empty", "memory"} {
		p.want("", "/write", "file", "/"+name+"/x", "text", name)
	}
	p.want("empty", "/read", "file", "/again/x")
	for _, file := range []string{"/again/x", "/config/b", "/config/x"} {
		if _, err := p.ask("/write", "file", file); err == nil {
			t.Errorf("it can write %s", file)
		}
	}
	mounts, err := p.ask("/read", "file", "/proc/mounts")
	if err != nil || !regexp.MustCompile(`(?m)^tmpfs /memory tmpfs rw`).MatchString(mounts) {
		t.Errorf("/memory is none: %v\n%s", err, mounts)
	}
	_, _ = p.ask("/exit", "code", "0") // the answer does not come
	p.ready(1)
	p.want("empty", "/read", "file", "/empty/x") // as long as its pod
}
