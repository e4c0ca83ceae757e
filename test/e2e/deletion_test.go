//go:build real

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestApprove: a folder that loses most of its hosts is held by two replicas, which
// `legation holds` tells. An operator may not approve, nor may a replica by itself; an
// approver may, once for both.
func TestApprove(t *testing.T) {
	c := newCerts(t)
	s, one, other := newShop(t), "127.0.0.1:"+freePort(t), ""
	_, port, _ := strings.Cut(one, ":")
	other = "127.0.0.2:" + port // the addresses of a headless Service have one port
	many := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {namespace: shop, name: many%d}\nspec: {ingressClassName: legation, rules: [{host: many%d.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}}]}\n---\n", i, i)
		}
		return text
	}
	s.write(t, "many.yaml", many(20))
	wire := []string{"--tls", filepath.Join(c.dir, planeSecret)}
	first := serve(t, s.folder, one, append(wire, "--peers", other)...)
	second := serve(t, s.folder, other, append(wire, "--peers", one)...)
	first.log.await(t, "msg=\"new version\"")
	second.log.await(t, "msg=\"new version\"")
	s.write(t, "many.yaml", many(1))
	first.log.await(t, "code=DeletionHeld")
	second.log.await(t, "code=DeletionHeld")

	as := func(who string, args ...string) (string, error) {
		args = append(args, "--address", one, "--tls", filepath.Join(c.dir, who))
		out, err := exec.CommandContext(t.Context(), binary(t), args...).CombinedOutput()
		return string(out), err
	}
	const operator, approver = "legation-xds-operator", "legation-xds-approver"
	if got, err := as(operator, "holds"); err != nil || !strings.Contains(got, "deletion") || !strings.Contains(got, "2/2") || !strings.Contains(got, "many1.test of Ingress shop/many1") {
		t.Errorf("legation holds: %v\n%s", err, got)
	}
	approve := []string{"approve", "legation", "--reason", "of a test", "--by", "me"}
	for _, who := range []string{operator, planeSecret} {
		if got, err := as(who, approve...); err == nil || !strings.Contains(got, "approver") {
			t.Errorf("%s: %v\n%s", who, err, got)
		}
	}
	if got, err := as(approver, approve...); err != nil || !strings.Contains(got, "done by 2 of 2 replicas") {
		t.Errorf("legation approve: %v\n%s", err, got)
	}
	for _, p := range []*process{first, second} {
		p.log.await(t, "msg=\"new version\"", "me (CN=legation/approver) approved the removal of hosts: of a test", "removed=19")
		p.end(t)
	}
}
