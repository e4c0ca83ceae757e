//go:build real

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/inspect"
	"legation.dev/test/badserver"
	"legation.dev/xds/admin/adminv1"
)

// TestTraffic: what clients sent through Envoy is what `legation traffic` shows, from an
// Envoy that reports on the wire of its configuration, by its certificate for that.
func TestTraffic(t *testing.T) {
	c := newCerts(t)
	w := newWired(t, c, "--reports", "1s")
	const good, bad = 41, 7
	w.send(t, good, "/api", "200 api")
	w.send(t, bad, "/api?status=503", "503 api")
	ask := func(args ...string) string {
		args = append([]string{"traffic", "--address", w.xds, "--tls", filepath.Join(c.dir, "legation-xds-operator")}, args...)
		out, err := exec.CommandContext(t.Context(), binary(t), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	var got adminv1.TrafficResponse
	w.until(t, "all of it is shown", func() bool {
		if err := protojson.Unmarshal([]byte(ask("shop/api", "--total", "-o", "json")), &got); err != nil {
			t.Fatal(err)
		}
		return len(got.GetTraffic()) == 1 && got.GetTraffic()[0].GetRequests() >= good+bad
	})
	if api := got.GetTraffic()[0]; api.GetRequests() != good+bad || api.GetErrors() != bad || api.GetConnectFailures() != 0 {
		t.Errorf("%v", api)
	}
	table := ask("--total")
	if row := regexp.MustCompile(fmt.Sprintf(`(?m)^legation +shop/api +- +%d +%d +0 `, good+bad, bad)); !row.MatchString(table) || strings.Contains(table, "legation-xds") {
		t.Errorf("the table is\n%s", table)
	}
	if n := inspect.Percentile(got.GetTraffic()[0].GetTimes(), 99).UpTo; got.GetTraffic()[0].GetTimes().GetCount() != good+bad || n == 0 {
		t.Errorf("times: %v", got.GetTraffic()[0].GetTimes())
	}
	w.until(t, "the reports are counted", func() bool { return w.metric(t, "legation_observed_reports_total") > 0 })
	for _, name := range []string{"legation_observed_reports_refused_total", "legation_observed_points_unknown_total", "legation_observed_points_cut_total"} {
		if n := w.metric(t, name); n != 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
	w.living(t, c)
	w.closing(t, c)
	w.counted(t, c)
}

// living: `legation why` asks the running Legation for the timeouts that hold, and how many
// Envoys run it.
func (w *wired) living(t *testing.T, c certs) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary(t), "why", "http://shop.localhost/api", "--address", w.xds, "--tls", filepath.Join(c.dir, "legation-xds-operator")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{`timeouts +.*request-timeout off.*upstream-connect-timeout 5s`, `running +at 1 of 1 Envoys`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("it does not say %s:\n%s", want, out)
		}
	}
}

// closing: a server that announces less than is set is a Problem of its Service, which each
// command that tells of Problems has, and the metric; and no more when that is set.
func (w *wired) closing(t *testing.T, c certs) {
	t.Helper()
	server, err := badserver.Start("node", badserver.Closes{Announces: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(server.Address(), ":")
	serve := func(setting string) {
		w.write(t, "node.yaml", fmt.Sprintf(`
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: node, namespace: shop}, spec: {rules: [{host: shop.localhost, http: {paths: [{path: /node, pathType: Prefix, backend: {service: {name: node, port: {number: 80}}}}]}}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: node, namespace: shop, annotations: {legation.dev/%s}}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: node, namespace: shop, labels: {kubernetes.io/service-name: node}}, addressType: IPv4, ports: [{name: http, port: %s}], endpoints: [{addresses: [127.0.0.1]}]}
`, setting, port))
	}
	serve("upstream-idle-timeout: 1m")
	w.await(t, "/node", "200 node")
	told := func(args ...string) bool {
		args = append(args, "--address", w.xds, "--tls", filepath.Join(c.dir, "legation-xds-operator"))
		out, _ := exec.CommandContext(t.Context(), binary(t), args...).CombinedOutput() // that something is wrong is a status
		return strings.Contains(string(out), "Service shop/node") && strings.Contains(string(out), "announces 5 s; upstream-idle-timeout is 1m0s: a request that Envoy sends just then fails. Set upstream-preset: node")
	}
	w.until(t, "the Service is named", func() bool {
		w.send(t, 50, "/node", "200 node")
		return w.metric(t, "legation_services_closing_first") == 1
	})
	if !told("problems") || !told("explain", "ingress/shop/node") {
		t.Error("legation problems and legation explain do not name the Service")
	}
	w.legation.log.await(t, "msg=problem", "Service shop/node", "ServerClosesFirst")
	serve("upstream-preset: node")
	w.until(t, "the Service is named no more", func() bool { return w.metric(t, "legation_services_closing_first") == 0 && !told("problems") })
}

// send asks the shop n times.
func (w *wired) send(t *testing.T, n int, path, want string) {
	t.Helper()
	for range n {
		if got, err := w.ask(t.Context(), path); err != nil || got != want {
			t.Fatalf("%s: %s, %v", path, got, err)
		}
	}
}
