//go:build real

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
// one does, without a folder of its own (M-D6); one that asks nobody does not.
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
	alone.log.await(t, "msg=\"new version\"")
	if first.digest(t) != good || alone.digest(t) == good {
		t.Fatalf("the older serves %s, before %s; one that starts and asks nobody %s", first.digest(t), good, alone.digest(t))
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
