//go:build real

package e2e

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/xds/admin/adminv1"
)

// counted: of settings that are held each command says how many connections of clients they would
// close, as Envoy has counted them by then, and an approval says it before it closes them.
func (w *wired) counted(t *testing.T, c certs) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	open := map[string][]net.Conn{}
	for range 3 {
		open["http"] = append(open["http"], dialled(t, w.http, nil), dialled(t, w.http, nil))
		open["https"] = append(open["https"], dialled(t, w.https, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.localhost"})) //nolint:gosec // a stand-in
	}
	run := func(role string, args ...string) string {
		args = append(args, "--address", w.xds, "--tls", filepath.Join(c.dir, role))
		out, _ := exec.CommandContext(t.Context(), binary(t), args...).CombinedOutput() // a plan that closes connections is a status
		return string(out)
	}
	file := filepath.Join(w.folder, "class.yaml")
	class, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const operator, six, four = "legation-xds-operator", `closes 9 connections on 1 of 1 Envoys \(listener http: 6, https: 3; up to \d+s ago\)\n`,
		`closes 7 connections on 1 of 1 Envoys \(listener http: 4, https: 3; up to \d+s ago\)\n`
	says := func(want string, got string) bool { return regexp.MustCompile(want).MatchString(got) }

	w.write(t, "class.yaml", strings.Replace(string(class), "\ndata:\n", "\ndata:\n  tcp-keepalive: \"30s\"\n", 1))
	w.legation.log.await(t, "SettingsHeld", "data.tcp-keepalive")
	w.until(t, "what is held says how many connections", func() bool { return says("if it is approved: "+six, run(operator, "holds")) })
	if got := run(operator, "plan", "-f", file); !says("fleet legation: "+six, got) {
		t.Errorf("legation plan:\n%s", got)
	}
	open["http"][0].Close()
	open["http"][1].Close()
	var holds adminv1.HoldsResponse
	w.until(t, "connections that ended count no more", func() bool {
		if err := protojson.Unmarshal([]byte(run(operator, "holds", "-o", "json")), &holds); err != nil {
			t.Fatal(err)
		}
		closes := holds.GetHolds()[0].GetCloses()
		return len(closes.GetListeners()) == 2 && closes.GetListeners()[0].GetConnections() == 4 && closes.GetListeners()[1].GetConnections() == 3
	})
	if got := run("legation-xds-approver", "approve", "legation", "--reason", "of a test"); !says(`settings of fleet legation, .*; `+four+"done by 1 of 1 replicas", got) {
		t.Errorf("legation approve:\n%s", got)
	}
	w.legation.log.await(t, "approved the settings")
}

// dialled is a connection of a client on which nothing is asked; with TLS if there is a Config. It ends with the test.
func dialled(t *testing.T, port string, config *tls.Config) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		secured := tls.Client(c, config)
		if err := secured.Handshake(); err != nil {
			t.Fatal(err)
		}
		c = secured
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
