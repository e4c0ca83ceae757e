//go:build real

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refreshEvery is how soon a Secret or ConfigMap that has changed is in the volumes of
// pods; a real kubelet takes up to two minutes.
const refreshEvery = time.Second

// The names of a volume whose files are replaced all at once, as those of a real
// kubelet: the files are links into data, which is a link to a folder that never changes.
const (
	dataLink = "..data"
	newLink  = "..data_new"
)

// volumes are those of a pod. make comes first, free last; both and follow are called
// by one goroutine at a time.
type volumes struct {
	kubelet *kubelet
	pod     *corev1.Pod
	dir     string
	shown   map[string]string // what each shows now, of Secrets and ConfigMaps
	mounted []string          // in memory
}

// make makes all of them. It may be called again after an error.
func (v *volumes) make(ctx context.Context) error {
	for _, volume := range v.pod.Spec.Volumes {
		at := filepath.Join(v.dir, volume.Name)
		var err error
		switch _, done := v.shown[volume.Name]; {
		case done:
		case volume.EmptyDir != nil:
			if err = v.empty(at, volume.EmptyDir); err == nil {
				v.shown[volume.Name] = ""
			}
		default:
			err = v.refresh(ctx, volume)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

// empty makes an empty folder that everybody may write to.
func (v *volumes) empty(at string, e *corev1.EmptyDirVolumeSource) error {
	if err := os.MkdirAll(at, 0o777); err != nil {
		return err
	}
	if e.Medium == corev1.StorageMediumMemory {
		options := ""
		if e.SizeLimit != nil {
			options = fmt.Sprintf("size=%d", e.SizeLimit.Value())
		}
		if err := syscall.Mount("tmpfs", at, "tmpfs", 0, options); err != nil {
			return err
		}
		v.mounted = append(v.mounted, at)
	}
	return errors.Join(v.own(at), os.Chmod(at, 0o777|os.ModeSetgid))
}

// own gives a file to the group that the pod's volumes are for.
func (v *volumes) own(path string) error {
	if s := v.pod.Spec.SecurityContext; s != nil && s.FSGroup != nil {
		return os.Chown(path, 0, int(*s.FSGroup))
	}
	return nil
}

// follow keeps Secrets and ConfigMaps as they are, until ctx ends.
func (v *volumes) follow(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, volume := range v.pod.Spec.Volumes {
			if volume.Secret != nil || volume.ConfigMap != nil {
				_ = v.refresh(ctx, volume) // what cannot be read now stays as it is
			}
		}
	}
}

// refresh makes a volume show what its object has.
func (v *volumes) refresh(ctx context.Context, volume corev1.Volume) error {
	files, mode, err := v.files(ctx, volume)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%q", files) // maps are printed in order
	if text == v.shown[volume.Name] {
		return nil
	}
	at := filepath.Join(v.dir, volume.Name)
	if err := v.show(at, files, mode); err != nil {
		return err
	}
	v.shown[volume.Name] = text
	return nil
}

// show replaces the files of a volume, all at once.
func (v *volumes) show(at string, files map[string][]byte, mode os.FileMode) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(at, "..")
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		return err
	}
	for name, data := range files {
		file := filepath.Join(folder, name)
		if err := errors.Join(os.WriteFile(file, data, mode), v.own(file), os.Chmod(file, mode)); err != nil {
			return err
		}
	}
	old, _ := os.Readlink(filepath.Join(at, dataLink)) // none at first
	if err := errors.Join(os.Symlink(filepath.Base(folder), filepath.Join(at, newLink)),
		os.Rename(filepath.Join(at, newLink), filepath.Join(at, dataLink))); err != nil {
		return err
	}
	for name := range files {
		if err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(at, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return v.forget(at, old, files)
}

// forget removes what a volume showed before: its folder, and links to files that are
// gone.
func (v *volumes) forget(at, old string, files map[string][]byte) error {
	if old == "" {
		return nil
	}
	had, err := os.ReadDir(filepath.Join(at, old))
	if err != nil {
		return err
	}
	for _, e := range had {
		if _, still := files[e.Name()]; !still {
			if err := os.Remove(filepath.Join(at, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(filepath.Join(at, old))
}

// files are those that a volume is to have, and their mode.
func (v *volumes) files(ctx context.Context, volume corev1.Volume) (files map[string][]byte, mode os.FileMode, err error) {
	core, ns := v.kubelet.client.CoreV1(), v.pod.Namespace
	switch {
	case volume.Secret != nil:
		o, err := core.Secrets(ns).Get(ctx, volume.Secret.SecretName, metav1.GetOptions{})
		if err = unlessOptional(err, volume.Secret.Optional); err != nil {
			return nil, 0, err
		}
		return chosen(o.Data, volume.Secret.Items), os.FileMode(*volume.Secret.DefaultMode), nil
	case volume.ConfigMap != nil:
		o, err := core.ConfigMaps(ns).Get(ctx, volume.ConfigMap.Name, metav1.GetOptions{})
		if err = unlessOptional(err, volume.ConfigMap.Optional); err != nil {
			return nil, 0, err
		}
		files = map[string][]byte{}
		for name, data := range o.BinaryData {
			files[name] = data
		}
		for name, text := range o.Data {
			files[name] = []byte(text)
		}
		return chosen(files, volume.ConfigMap.Items), os.FileMode(*volume.ConfigMap.DefaultMode), nil
	case volume.Projected != nil: // the token of the account, with what belongs to it
		account, err := v.kubelet.account(ctx, ns, v.pod.Spec.ServiceAccountName)
		if err != nil {
			return nil, 0, err
		}
		files = map[string][]byte{"token": []byte(account.BearerToken), "ca.crt": account.CAData, "namespace": []byte(ns)}
		return files, os.FileMode(*volume.Projected.DefaultMode), nil
	}
	return nil, 0, errors.New("this kubelet knows no volume but of Secrets, ConfigMaps, accounts, and empty ones")
}

// unlessOptional is err, unless it says that an object is missing that need not be there.
func unlessOptional(err error, optional *bool) error {
	if optional != nil && *optional && apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// chosen are the files that a volume chooses of an object; all if it says nothing.
func chosen(all map[string][]byte, items []corev1.KeyToPath) map[string][]byte {
	if len(items) == 0 {
		return all
	}
	files := map[string][]byte{}
	for _, i := range items {
		if data, ok := all[i.Key]; ok {
			files[i.Path] = data
		}
	}
	return files
}

// mount is a volume as a container has it. What is not an empty folder cannot be written.
func (v *volumes) mount(m corev1.VolumeMount) mount {
	readOnly := m.ReadOnly
	for _, volume := range v.pod.Spec.Volumes {
		readOnly = readOnly || volume.Name == m.Name && volume.EmptyDir == nil
	}
	return mount{filepath.Join(v.dir, m.Name), m.MountPath, readOnly}
}

// free gives back the memory of those that are memory.
func (v *volumes) free() {
	for _, at := range v.mounted {
		_ = syscall.Unmount(at, syscall.MNT_DETACH) // the end of the namespace does it, too
	}
}
