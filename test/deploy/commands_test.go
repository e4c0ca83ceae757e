//go:build real

package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/kube"
)

// says runs a command of operators in a pod of the control plane, as `kubectl exec` does.
func (d *deployed) says(pod string, args ...string) string {
	d.Helper()
	out, err := k.Exec(d.ctx, namespace, pod, "legation", append([]string{"legation"}, args...)...)
	if err != nil {
		d.Errorf("legation %q in %s: %v\n%s", args, pod, err, out)
	}
	return out
}

// tells is says for what is printed as JSON.
func (d *deployed) tells(to any, pod string, args ...string) {
	d.Helper()
	if out := d.says(pod, append(args, "-o", "json")...); json.Unmarshal([]byte(out), to) != nil {
		d.Errorf("legation %q in %s prints no JSON: %.2000s", args, pod, out)
	}
}

// finds is says for a command that finds something wrong, and so ends by a status for scripts.
func (d *deployed) finds(pod string, args ...string) string {
	d.Helper()
	out, err := k.Exec(d.ctx, namespace, pod, "legation", append([]string{"legation"}, args...)...)
	if err == nil {
		d.Errorf("legation %q in %s finds nothing:\n%s", args, pod, out)
	}
	return out
}

// prints wants words in what a command prints.
func (d *deployed) prints(out string, words ...string) {
	d.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			d.Errorf("no %q in\n%.2000s", w, out)
		}
	}
}

// asked: the commands of operators need no flag in a pod of the control plane, whichever
// it is, and tell of the Envoys of both replicas.
func (d *deployed) asked(ns string) {
	d.Helper()
	for _, p := range d.pods("control-plane") {
		d.askedFleet(p.Name)
		d.askedHistory(p.Name, ns)
		d.askedObjects(p.Name, ns)
	}
}

func (d *deployed) askedFleet(pod string) {
	d.Helper()
	var fleet struct {
		Replicas []struct{ Error string }
		Envoys   []struct {
			ID, Zone string
			Behind   int
			Rejected []any
		}
	}
	d.until(func() error { // what is not acknowledged yet is behind
		d.tells(&fleet, pod, "fleet")
		if len(fleet.Replicas) != 2 || len(fleet.Envoys) != 2 || fleet.Envoys[0].Behind+fleet.Envoys[1].Behind > 0 {
			return fmt.Errorf("%s knows %+v", pod, fleet)
		}
		return nil
	})
	table := d.says(pod, "fleet")
	d.prints(table, "FLEET", "legation")
	for _, e := range fleet.Envoys {
		if len(e.Rejected) > 0 || !strings.HasPrefix(e.Zone, "zone-") {
			d.Errorf("%s knows %+v", pod, e)
		}
		d.prints(table, e.ID, e.Zone)
	}
}

// version is one of a fleet, as history and watch print it.
type version struct{ Number, Cause, Digest string }

func (d *deployed) askedHistory(pod, ns string) {
	d.Helper()
	var history struct{ Versions []version }
	d.until(func() error {
		d.tells(&history, pod, "history")
		if !slices.ContainsFunc(history.Versions, func(v version) bool { return v.Number != "1" && strings.Contains(v.Cause, "Ingress "+ns+"/web") }) {
			return fmt.Errorf("%s: no later version is because of the Ingress: %+v", pod, history)
		}
		return nil
	})
	first, last := history.Versions[0], history.Versions[len(history.Versions)-1]
	d.prints(d.says(pod, "history"), "CAUSE", "Ingress "+ns+"/web")
	var diff struct {
		From, To version
		Changes  []struct{ Kind, Type, Name string }
	}
	d.tells(&diff, pod, "diff", first.Number, last.Number)
	if diff.From.Digest != first.Digest || diff.To.Digest != last.Digest || len(diff.Changes) == 0 {
		d.Errorf("%s: from %s to %s is %+v", pod, first.Number, last.Number, diff)
	}
	d.prints(d.says(pod, "diff", first.Number, last.Number), "added", "VHDS", "ingress/"+other)
	d.prints(d.says(pod, "diff"), "version")
	d.prints(d.watched(pod, last.Digest), last.Digest)
	d.prints(d.watched(pod, last.Digest[:12], "-o", "table"), last.Number)
}

// watched is what `legation watch` prints until it prints word, and is ended.
func (d *deployed) watched(pod, word string, flags ...string) (out string) {
	d.Helper()
	args := append([]string{"legation", "watch", "-o", "json"}, flags...)
	for bound := time.Second; ; bound *= 2 {
		ctx, cancel := context.WithTimeout(d.ctx, bound)
		out, _ = k.Exec(ctx, namespace, pod, "legation", args...) // it is ended
		cancel()
		if strings.Contains(out, word) || d.ctx.Err() != nil {
			return out
		}
	}
}

func (d *deployed) askedObjects(pod, ns string) {
	d.Helper()
	var explained struct {
		Made []struct {
			Resource        struct{ Name string }
			Envoys, Running int
		}
	}
	out := d.finds(pod, "explain", "ingress/"+ns+"/web", "-o", "json") // a Service has no endpoints
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&explained); err != nil {
		d.Errorf("%s: %v in %.2000s", pod, err, out)
	}
	names := map[string]bool{}
	for _, m := range explained.Made {
		names[m.Resource.Name] = true
		if m.Envoys != 2 || m.Running != 2 {
			d.Errorf("%s: %s is on %d of %d Envoys, want 2 of 2", pod, m.Resource.Name, m.Running, m.Envoys)
		}
	}
	if !names["ingress/"+host] || !names["ingress/"+other] {
		d.Errorf("%s: the Ingress makes %+v", pod, explained)
	}
	d.prints(d.finds(pod, "explain", "ingress/"+ns+"/web"), "no endpoint of it is ready", "ENVOYS", "ingress/"+host, "2 of 2")
	var snapshot struct{ Resources []struct{ Type, Name string } }
	d.tells(&snapshot, pod, "snapshot", ns+"/counted", "--type", "cds,eds")
	if len(snapshot.Resources) != 2 {
		d.Errorf("%s: cluster and endpoints of a Service are %+v", pod, snapshot)
	}
	d.prints(d.says(pod, "snapshot"), "LDS", "VHDS", ns+"/web/http")
}

// laptop: from elsewhere the commands need but a kubeconfig: they find the control plane and
// the certificate of an operator, and open the port-forward. As kubectl's plugin they are
// the same.
func (d *deployed) laptop(ns string) {
	d.Helper()
	dir := d.TempDir()
	config := filepath.Join(dir, "config")
	if err := errors.Join(kube.WriteKubeconfig(config, k.REST()), os.Symlink(path(d.T, "bin", "legation"), filepath.Join(dir, "kubectl-legation"))); err != nil {
		d.Fatal(err)
	}
	for line, prints := range map[string]string{"fleet": "legation", "fleet -o json": "legation", "history": "kube-controller-manager", "diff -n " + namespace: "legation",
		"snapshot --release legation": "legation", "fleet --context test": "legation"} {
		d.far(config, filepath.Join(dir, "kubectl-legation"), line, "", prints)
		d.far(config, path(d.T, "bin", "legation"), line, "", prints)
	}
	d.far(config, path(d.T, "bin", "legation"), "fleet -n default", "no control plane is in namespace default: -n says in which one it is", "")
	d.far(config, path(d.T, "bin", "legation"), "fleet --release other", "no control plane of release other is in any namespace", "")
	d.far(filepath.Join(dir, "none"), path(d.T, "bin", "legation"), "fleet --kubeconfig "+filepath.Join(dir, "none"), "--kubeconfig: stat", "")
	d.far(filepath.Join(dir, "none"), filepath.Join(dir, "kubectl-legation"), "fleet", "no API server", "")
	// Who may not read the Secret is not let in.
	user, err := k.User("somebody")
	if err != nil {
		d.Fatal(err)
	}
	if err := kube.WriteKubeconfig(filepath.Join(dir, "somebody"), user); err != nil {
		d.Fatal(err)
	}
	d.far(filepath.Join(dir, "somebody"), path(d.T, "bin", "legation"), "fleet", `cannot list resource "pods"`, "")
	d.envoys(config, path(d.T, "bin", "legation"))
	d.secretive(ns, config, path(d.T, "bin", "legation"))
	pod := d.pods("control-plane")[1]
	d.verbose(&pod)
}

// envoys: what an Envoy says of itself is asked in its pod.
func (d *deployed) envoys(config, program string) {
	d.Helper()
	pod := d.pods("envoy")[0].Name
	for line, prints := range map[string]string{" stats": "cluster.legation-xds.", " clusters": "cluster_statuses", " certs": "certificates", " config": "envoy.admin.v3.BootstrapConfigDump",
		" log info --write": "info"} {
		d.far(config, program, "envoy "+pod+line, "", prints)
	}
	d.until(func() error { // Envoy writes its log in its own time
		if _, err := d.status(d.balancer.address, other, "/empty?secret=word", "wrong"); err != nil {
			return err
		}
		c := exec.CommandContext(d.ctx, program, "errors", other, "--no-headers")
		c.Env = append(os.Environ(), "KUBECONFIG="+config)
		out, err := c.Output()
		if text := string(out); err == nil || !strings.Contains(text, "no endpoint that is ready") || strings.Contains(text, "word") {
			return fmt.Errorf("legation errors %s: %v\n%s", other, err, text)
		}
		return nil
	})
	for line, fails := range map[string]string{pod + " quit": "want one of stats", pod + " log debug": "say --write", pod + " log loud --write": "want one of trace", "nobody stats": "no pod of an Envoy is called nobody"} {
		d.far(config, program, "envoy "+line, fails, "")
	}
}

// far runs a command line outside the pods. It fails with a word, or succeeds and prints one.
func (d *deployed) far(kubeconfig, program, line, fails, prints string) {
	d.Helper()
	c := exec.CommandContext(d.ctx, program, strings.Fields(line)...)
	c.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+filepath.Dir(kubeconfig))
	out, err := c.CombinedOutput()
	if (err != nil) != (fails != "") || !strings.Contains(string(out), fails) || !strings.Contains(string(out), prints) {
		d.Errorf("%s %s: %v, want %q and %q in\n%.2000s", filepath.Base(program), line, err, fails, prints, out)
	}
}

// verbose: by its socket the level of the log can be set, and by no port, not even through a
// port-forward, which comes from a loopback address.
func (d *deployed) verbose(pod *corev1.Pod) {
	d.Helper()
	if out, err := k.Exec(d.ctx, namespace, pod.Name, "legation", "legation", "debug", "--set", "info", "/loglevel"); err != nil || !strings.Contains(string(out), "info") {
		d.Errorf("legation debug: %q, %v", out, err)
	}
	k.Forward(d.T, namespace, pod.Name, 18080)
	for _, address := range []string{"127.0.0.1", pod.Status.PodIP} {
		r, err := http.NewRequestWithContext(d.ctx, http.MethodPut, fmt.Sprintf("http://%s:18080/loglevel", address), strings.NewReader("info"))
		if err != nil {
			d.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			d.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			d.Errorf("PUT /loglevel by %s: %s, want 404", address, answer.Status)
		}
	}
}
