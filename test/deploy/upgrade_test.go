//go:build real

package deploy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/drain"
	"legation.dev/test/kube"
)

// rotate renews the pairs of the wire as docs/wire.md says, with the CA that there is,
// and waits until both replicas use theirs.
func (d *deployed) rotate() {
	d.Helper()
	ca, err := k.Client().CoreV1().Secrets(namespace).Get(d.ctx, "legation-xds-ca", metav1.GetOptions{})
	if err != nil {
		d.Fatal(err)
	}
	dir := d.TempDir()
	for to, from := range map[string]string{"ca.crt": "tls.crt", "ca.key": "tls.key"} {
		if err := os.WriteFile(filepath.Join(dir, to), ca.Data[from], 0o600); err != nil {
			d.Fatal(err)
		}
	}
	const life = 48 * time.Hour // unlike that of those before
	d.apply(d.certificates("--ca", filepath.Join(dir, "ca.crt"), "--ca-key", filepath.Join(dir, "ca.key"), "--life", life.String())...)
	latest := float64(time.Now().Add(life).Unix())
	for _, p := range d.pods("control-plane") {
		d.until(func() error {
			const metric = `legation_xds_certificate_end_timestamp_seconds{file="tls.crt"}`
			if end := d.value(&p, metric); end == 0 || end > latest {
				return fmt.Errorf("%s: %s is %v, want at most %v", p.Name, metric, end, latest)
			}
			return nil
		})
	}
}

// value is that of a series of the control plane, 0 if there is none such.
func (d *deployed) value(p *corev1.Pod, series string) float64 {
	d.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(d.scraped(p, ownMetrics))); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				d.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// upgrade is `helm upgrade` with values that change the pods of both workloads, at once.
func (d *deployed) upgrade() {
	d.Helper()
	file := filepath.Join(d.TempDir(), "upgrade.yaml")
	if err := os.WriteFile(file, render(d.T, "legation", namespace, "--set", "controlPlane.logLevel=debug,envoy.maxConnections=20000"), 0o644); err != nil {
		d.Fatal(err)
	}
	objects, err := kube.Manifests(file)
	if err != nil {
		d.Fatal(err)
	}
	before := d.pods("envoy")
	d.apply(objects...)
	for _, o := range objects {
		switch o.GetObjectKind().GroupVersionKind().Kind {
		case "Deployment":
			d.awaitControlPlane(o.GetGeneration())
		case "DaemonSet":
			d.awaitDaemons(o.GetGeneration())
		}
	}
	for component, flag := range map[string]string{"control-plane": "--log-level=debug", "envoy": "--max-connections=20000"} {
		for _, p := range d.pods(component) {
			if text := fmt.Sprint(p.Spec.InitContainers, p.Spec.Containers); !strings.Contains(text, flag) {
				d.Errorf("%s is not what the upgrade wants: no %s", p.Name, flag)
			}
		}
	}
	d.drained(before)
}

// drains are the reports that `legation drains` lists, by pod.
func (d *deployed) drains() map[string]drain.Report {
	d.Helper()
	config := filepath.Join(d.TempDir(), "config")
	if err := kube.WriteKubeconfig(config, k.REST()); err != nil {
		d.Fatal(err)
	}
	out, err := exec.CommandContext(d.ctx, path(d.T, "bin", "legation"), "drains", "-n", namespace, "-o", "json", "--kubeconfig", config).CombinedOutput()
	if err != nil {
		d.Fatalf("legation drains: %v\n%s", err, out)
	}
	var told struct {
		Drains []struct {
			Pod    string
			Report drain.Report
		}
	}
	if err := json.Unmarshal(out, &told); err != nil {
		d.Fatalf("%v in %s", err, out)
	}
	reports := map[string]drain.Report{}
	for _, one := range told.Drains {
		reports[one.Pod] = one.Report
	}
	return reports
}

// drained: of these Envoys, whose pods are gone, Events tell how they ended, and a command finds
// them. One that says itself that the API server did not answer in time, on a machine that
// stood still, has none.
func (d *deployed) drained(gone []corev1.Pod) {
	d.Helper()
	reports := d.drains()
	if len(reports) == 0 {
		d.Errorf("no Event tells of the drain of an Envoy")
	}
	for _, p := range gone {
		if _, err := k.Client().CoreV1().Pods(namespace).Get(d.ctx, p.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			d.Errorf("%s is not gone: %v", p.Name, err)
		}
		log, err := k.Logs(&p, "envoy")
		if err != nil {
			d.Fatal(err)
		}
		r, ok := reports[p.Name]
		if late := strings.Contains(log, unanswered); ok == late || ok && (r.Reason != drain.ReasonDone || !r.Known || r.RequestsFinished == 0 || r.RequestsCut > 0) {
			d.Errorf("of %s is told: %v, %+v\n%.3000s", p.Name, ok, r, log[max(0, len(log)-3000):])
		}
	}
}

// unanswered is what shutdown-manager says where there was no time for an Event.
const unanswered = `/namespaces/legation/events\": context deadline exceeded"`

// leave takes the installation away under a request, as docs/operating.md says: that is
// answered, the pods end when it is, and what is left is what is said there.
func (d *deployed) leave() {
	d.Helper()
	envoys := d.pods("envoy")
	answered := make(chan error, 1)
	sent := make(chan struct{})
	go func() { answered <- d.slow(sent) }()
	<-sent
	d.remove(d.objects)
	if err := <-answered; err != nil {
		d.Errorf("a request that was under way: %v", err)
	}
	finished := 0
	for _, p := range envoys {
		text, err := k.Logs(&p, "envoy")
		if err != nil {
			d.Fatal(err)
		}
		for one := range strings.Lines(text) {
			if strings.Contains(one, `"reason":"done"`) && strings.Contains(one, `"requests_cut":0`) {
				finished++
			}
		}
	}
	if finished != len(envoys) {
		d.Errorf("%d of %d Envoys ended with their work done\n%s", finished, len(envoys), k.Pods(d.ctx, namespace))
	}
	d.left()
}

// left wants of the release what docs/operating.md says, and nothing else.
func (d *deployed) left() {
	d.Helper()
	want := map[string]bool{"Secret legation-xds-ca": true, "Secret legation-xds": true, "Secret legation-xds-operator": true, "Secret legation-xds-approver": true, "Secret legation-xds-envoy-legation": true,
		"Secret legation-session-tickets": true, "Lease legation": true,
		"ServiceAccount default": true, "ConfigMap kube-root-ca.crt": true} // of Kubernetes itself
	d.until(func() error { // what is owned goes later
		all, err := k.All(d.ctx, namespace)
		if err != nil {
			return err
		}
		left := map[string]bool{}
		for _, o := range all {
			if o.GetNamespace() == namespace && o.GetKind() != "Event" || o.GetLabels()["app.kubernetes.io/instance"] == "legation" {
				left[o.GetKind()+" "+o.GetName()] = true
			}
		}
		if !maps.Equal(left, want) {
			return fmt.Errorf("left are %v, want %v", left, want)
		}
		return nil
	})
}

// slow asks for an answer that takes a while, and says when it has begun.
func (d *deployed) slow(begun chan<- struct{}) error {
	defer close(begun)
	const lines = 5
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, fmt.Sprintf("http://%s/?stream=%d&every=1s", d.balancer.address, lines), nil)
	if err != nil {
		return err
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	begun <- struct{}{}
	text, err := io.ReadAll(answer.Body)
	if err == nil && bytes.Count(text, []byte("\n")) != lines {
		err = fmt.Errorf("got %q, want %d lines", text, lines)
	}
	return err
}

// certificates are what `legation certs` prints.
func (d *deployed) certificates(flags ...string) []kube.Object {
	d.Helper()
	text, err := exec.CommandContext(d.ctx, path(d.T, "bin", "legation"), append([]string{"certs", "--namespace", namespace}, flags...)...).Output()
	if err != nil {
		d.Fatal(err)
	}
	file := filepath.Join(d.TempDir(), "certs.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		d.Fatal(err)
	}
	objects, err := kube.Manifests(file)
	if err != nil {
		d.Fatal(err)
	}
	return objects
}
