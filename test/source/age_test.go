//go:build real

package source

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"legation.dev/object"
	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
)

// process is a running bin/legation with the certificate of a control plane.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log string // the path
}

// binary is what `make build` makes.
func binary(t *testing.T) string {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "bin", "legation")
}

// serve starts a replica that asks another one. Certificates are in a folder of `legation certs`.
func serve(t *testing.T, certs, address, peer string) *process {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "kubeconfig")
	if err := kube.WriteKubeconfig(config, cluster.REST()); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, log: filepath.Join(dir, "log"), cmd: exec.Command(binary(t), "serve", "--source", "kube", "--kubeconfig", config, "--namespaces", worlds.Namespace+","+worlds.OtherSpace,
		"--listen", address, "--tls", filepath.Join(certs, "legation-xds"), "--peers", peer, "--admin=")}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// await waits until the log has a text.
func (p *process) await(text string) {
	p.t.Helper()
	p.awaitThat(func(log []byte) error {
		if !bytes.Contains(log, []byte(text)) {
			return fmt.Errorf("nothing is said of %s", text)
		}
		return nil
	})
}

func (p *process) awaitThat(look func(log []byte) error) {
	p.t.Helper()
	if err := inprocess.Await(limited(p.t), func() error {
		log, err := os.ReadFile(p.log)
		return errors.Join(err, look(log))
	}); err != nil {
		log, _ := os.ReadFile(p.log) // it only explains
		p.t.Fatalf("%v; the log:\n%s", err, log)
	}
}

var newVersion = regexp.MustCompile(`msg="new version" fleet=` + worlds.Class + ` .*digest=([0-9a-f]+)`)

// served is the digest of the newest version in a log; empty if there is none.
func served(log []byte) string {
	found := newVersion.FindAllSubmatch(log, -1)
	if len(found) == 0 {
		return ""
	}
	return string(found[len(found)-1][1])
}

// serves is the digest of what it serves.
func (p *process) serves() (digest string) {
	p.t.Helper()
	p.awaitThat(func(log []byte) error {
		if digest = served(log); digest == "" {
			return errors.New("nothing is published")
		}
		return nil
	})
	return digest
}

// awaitServes waits until it serves what has a digest.
func (p *process) awaitServes(want string) {
	p.t.Helper()
	p.awaitThat(func(log []byte) error {
		if got := served(log); got != want {
			return fmt.Errorf("served is %q, want %s", got, want)
		}
		return nil
	})
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end ends it by SIGTERM, after which its status must be 0.
func (p *process) end() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Error(err)
	}
}

// TestReplicasOfDifferentAge: what an older replica has seen go and a younger one never saw, a
// certificate, right settings, most Ingresses, with TLS or without, is served by both, whether the
// older one answers when the younger starts or only later (M-D6).
func TestReplicasOfDifferentAge(t *testing.T) {
	world(t)
	certs := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), binary(t), "certs", "--folder", certs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	port := envoy.FreePort(t)
	one, other := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.2:%d", port)
	all := worlds.New(1, worlds.Size{Services: 2, Endpoints: 2, Ingresses: 20, TLS: 0.5}).All()
	for _, c := range all {
		write(limited(t), t, c)
	}
	older := serve(t, certs, one, other)
	older.serves()
	older.leave(all)
	good := older.serves()

	older.signal(syscall.SIGSTOP)
	younger := serve(t, certs, other, one)
	younger.await("code=SettingsUnusable")
	older.signal(syscall.SIGCONT)
	younger.awaitServes(good)
	younger.await("what another replica holds was taken over")
	younger.end()

	younger = serve(t, certs, other, one)
	if got := younger.serves(); got != good {
		t.Errorf("one that asks when it starts serves %s, the older one %s", got, good)
	}
	younger.await("what another replica serves was read")
	if got := older.serves(); got != good {
		t.Errorf("the older one serves %s, and served %s", got, good)
	}
	younger.end()
	older.end()
}

// leave takes away what it goes on to serve.
func (p *process) leave(all []input.Change) {
	p.t.Helper()
	ingresses, secrets := 0, 0
	for _, c := range all {
		switch o := c.Object.(type) {
		case *input.Secret:
			if secrets++; secrets == 1 {
				write(limited(p.t), p.t, input.Delete(c.Ref))
				p.await("code=NoSecret")
			}
		case *input.ConfigMap:
			c.Object = input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: o.Namespace, Name: o.Name}, Data: worlds.Unbounded(map[string]string{"bind-addresses": "here"})})
			write(limited(p.t), p.t, c)
			p.await("code=SettingsKept")
		}
	}
	for _, c := range all {
		if c.Ref.Kind == object.KindIngress {
			if ingresses++; ingresses > 5 {
				write(limited(p.t), p.t, input.Delete(c.Ref))
			}
		}
	}
	p.await("code=DeletionHeld")
}
