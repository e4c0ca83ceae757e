//go:build real

package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"

	"legation.dev/test/envoy"
	"legation.dev/test/incluster"
)

// command runs `legation` and says what it printed and its exit status.
func (w *suite) command(args ...string) (stdout, stderr string, status int) {
	w.Helper()
	root, err := envoy.Root()
	if err != nil {
		w.Fatal(err)
	}
	var out, problems bytes.Buffer
	c := exec.CommandContext(w.ctx, filepath.Join(root, "bin", "legation"), args...)
	c.Stdout, c.Stderr = &out, &problems
	err = c.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return out.String(), problems.String(), c.ProcessState.ExitCode()
}

// inspected: one replica is asked, and speaks for the Envoys of both.
func (w *suite) inspected(s *incluster.Stack) {
	w.Helper()
	asked, other := s.Replicas[0], s.Replicas[1]
	var fleet struct {
		Replicas []struct{ Instance, Address string }
		Envoys   []struct {
			ID, Instance string
			Behind       int
		}
	}
	out, problems, status := w.command("fleet", "--address", asked.Address, "-o", "json")
	if err := json.Unmarshal([]byte(out), &fleet); err != nil || status != 0 {
		w.Fatalf("status %d, %v: %s%s", status, err, out, problems)
	}
	if len(fleet.Replicas) != 2 || len(fleet.Envoys) != 2 || fleet.Envoys[0].Instance == fleet.Envoys[1].Instance {
		w.Errorf("the fleet is %+v", fleet)
	}
	if out, problems, status = w.command("explain", "ingress/"+w.namespace+"/late", "--address", asked.Address); status != 0 ||
		!strings.Contains(out, "ingress/late.test") || !strings.Contains(out, "2 of 2") {
		w.Errorf("status %d: %s%s", status, out, problems)
	}
	if out, problems, status = w.command("history", "--address", other.Address); status != 0 || !strings.Contains(out, "Ingress "+w.namespace+"/late") {
		w.Errorf("status %d: %s%s", status, out, problems)
	}
	if err := other.Kill(); err != nil {
		w.Fatal(err)
	}
	if out, problems, status = w.command("fleet", "--address", asked.Address); status != 1 || !strings.Contains(problems, "replica "+other.Address+" did not answer") ||
		!strings.Contains(out, "of 1 Envoys") && !strings.Contains(out, "of 2 Envoys") {
		w.Errorf("without the other replica, status %d: %s%s", status, out, problems)
	}
}
