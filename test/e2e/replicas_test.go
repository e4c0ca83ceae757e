//go:build real

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// servedDigest is that of the newest version in a log.
var servedDigest = regexp.MustCompile(`msg="new version" fleet=legation .*digest=([0-9a-f]+)`)

// digest is what a process has published last.
func (p *process) digest(t *testing.T) string {
	t.Helper()
	found := servedDigest.FindAllStringSubmatch(p.log.all(), -1)
	if len(found) == 0 {
		t.Fatal("no version was published")
	}
	return found[len(found)-1][1]
}

// TestYoungerReplica: a replica that starts while a setting is wrong serves what the older
// one does, without a folder of its own (M-D6); one that asks nobody serves nothing of that class,
// and is not ready, since the setting is fixed at install.
func TestYoungerReplica(t *testing.T) {
	c := newCerts(t)
	s, one := newShop(t), "127.0.0.1:"+freePort(t)
	_, port, _ := strings.Cut(one, ":")
	other := "127.0.0.2:" + port // the addresses of a headless Service have one port
	class, err := os.ReadFile(filepath.Join(s.folder, "class.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	wire := []string{"--tls", filepath.Join(c.dir, planeSecret)}
	first := serve(t, s.folder, one, append(wire, "--peers", other)...)
	first.log.await(t, "msg=\"new version\"")
	good := first.digest(t)

	s.write(t, "class.yaml", strings.Replace(string(class), `http-port: "`, `http-port: "none`, 1))
	first.log.await(t, "code=SettingsKept")
	alone := serve(t, s.folder, "127.0.0.3:"+port, wire...)
	alone.log.await(t, "code=SettingsUnusable")
	if got := first.digest(t); got != good || servedDigest.MatchString(alone.log.all()) {
		t.Fatalf("the older serves %s, before %s; one that starts and asks nobody:\n%s", got, good, alone.log.all())
	}
	second := serve(t, s.folder, other, append(wire, "--peers", one)...)
	second.log.await(t, "msg=\"new version\"")
	if got := second.digest(t); got != good {
		t.Errorf("the younger serves %s, the older %s; its log:\n%s", got, good, second.log.all())
	}
	for _, p := range []*process{first, second, alone} {
		p.end(t)
	}
}

// many are Ingresses, one host each.
func many(n int) (text string) {
	for i := range n {
		text += fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {namespace: shop, name: many%d}\nspec: {ingressClassName: legation, rules: [{host: many%d.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}}]}\n---\n", i, i)
	}
	return text
}

// TestReplicasHoldAlike: a replica that starts while hosts are held holds them. What an
// approver tells one of them, of hosts or of settings, counts for one that did not answer then; one that starts later
// finds a fleet paused.
func TestReplicasHoldAlike(t *testing.T) {
	c := newCerts(t)
	s, one := newShop(t), "127.0.0.1:"+freePort(t)
	_, port, _ := strings.Cut(one, ":")
	other := "127.0.0.2:" + port
	s.write(t, "many.yaml", many(20))
	wire := []string{"--tls", filepath.Join(c.dir, planeSecret)}
	first := serve(t, s.folder, one, append(wire, "--peers", other)...)
	first.log.await(t, "msg=\"new version\"")
	s.write(t, "many.yaml", many(1))
	first.log.await(t, "code=DeletionHeld")

	second := serve(t, s.folder, other, append(wire, "--peers", one)...)
	second.log.await(t, "msg=\"new version\"")
	if a, b := first.digest(t), second.digest(t); a != b {
		t.Errorf("the younger serves %s, the older %s; its log:\n%s", b, a, second.log.all())
	}
	approver := filepath.Join(c.dir, "legation-xds-approver")
	tell := func(what, done string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), binary(t), what, "legation", "--reason", "of a test", "--by", "me", "--address", one, "--tls", approver).CombinedOutput()
		if !strings.Contains(string(out), "done by "+done+" replicas") {
			t.Errorf("legation %s: %v\n%s", what, err, out)
		}
	}
	halt(t, second)
	tell("approve", "1 of 2")
	first.log.await(t, "approved the removal of hosts", "removed=19")
	resumed(t, second)
	second.log.await(t, "approved the removal of hosts", "removed=19")
	if a, b := first.digest(t), second.digest(t); a != b {
		t.Errorf("after an approval the one serves %s, the other %s", a, b)
	}
	class, err := os.ReadFile(filepath.Join(s.folder, "class.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before := first.digest(t)
	s.write(t, "class.yaml", strings.Replace(string(class), "\ndata:\n", "\ndata:\n  tcp-keepalive: \"30s\"\n", 1))
	first.log.await(t, "code=SettingsHeld", "data.tcp-keepalive")
	second.log.await(t, "code=SettingsHeld", "data.tcp-keepalive")
	if now := first.digest(t); now != before {
		t.Errorf("before settings are approved %s is served, and was %s", now, before)
	}
	halt(t, second)
	tell("approve", "1 of 2")
	first.log.await(t, "approved the settings")
	resumed(t, second)
	second.log.await(t, "approved the settings")
	if a, b := first.digest(t), second.digest(t); a != b || a == before {
		t.Errorf("settings were approved: the one serves %s, the other %s, and before %s", a, b, before)
	}
	tell("pause", "2 of 2")
	second.log.await(t, "code=FleetPaused")
	third := serve(t, s.folder, "127.0.0.3:"+port, append(wire, "--peers", one)...)
	third.log.await(t, "code=FleetPaused")
	for _, p := range []*process{first, second, third} {
		p.end(t)
	}
}

// halt keeps a process from running, resumed has it run again.
func halt(t *testing.T, p *process)    { signal(t, p, syscall.SIGSTOP) }
func resumed(t *testing.T, p *process) { signal(t, p, syscall.SIGCONT) }

func signal(t *testing.T, p *process, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
