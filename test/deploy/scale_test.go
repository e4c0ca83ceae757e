//go:build real

package deploy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/drain"
	"legation.dev/test/kube"
	"legation.dev/test/load"
)

const (
	// envoys is the Deployment of the Envoys, and their Service.
	envoys = "legation-envoy-legation"
	// balancerAddress is what a cloud gives the Service.
	balancerAddress = "192.0.2.200"
)

// TestScaled: the pods of the example deployment.yaml run; and to have one Envoy, three,
// one and two under load fails no request, of those who stay on a connection and of
// those who dial for each. A new Envoy gets connections as soon as it is ready.
func TestScaled(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	d := install(t, "deployment.yaml", func(o kube.Object) {
		if o, ok := o.(*appsv1.Deployment); ok && o.Name == envoys {
			*o.Spec.Replicas = 1
		}
	})
	ns := k.Namespace(t)
	deployment, service := kube.Web(ns, "web", 2, time.Second)
	d.apply(deployment, service, ingress(ns, "web"))
	d.playCloud()
	d.awaitAddress(ns, balancerAddress)
	d.awaitEnvoys(1)

	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	first := d.load(ctx, 6)
	dialers := d.dial(ctx, 4)
	d.scale(3)
	three := d.podsOf("envoy", 3)
	second := d.load(ctx, 6) // spread over the three
	d.scale(1)
	d.scale(2)
	d.told(three)
	more := second.Results().Requests + 1000
	if err := second.Await(d.ctx, func(r load.Results) bool { return r.Requests >= more }); err != nil {
		t.Fatal(err)
	}
	cancel()
	stayed := []load.Results{first.Wait(), second.Wait()}
	dialled, failed := dialers.wait()
	t.Logf("one Envoy at first: %v\nthree: %v\na connection each: %d requests, %d failed; %d Envoys got connections", stayed[0], stayed[1], dialled, len(failed), d.balancer.reached())
	for _, r := range stayed {
		if r.Failed > 0 || r.Requests < 1000 {
			t.Errorf("%d of %d requests failed\n%s", r.Failed, r.Requests, k.Pods(d.ctx, namespace))
		}
	}
	if len(failed) > 0 || dialled < 500 {
		t.Errorf("%d of %d requests with a connection each failed: %.3q", len(failed), dialled, failed)
	}
	if second := stayed[1]; second.GoAways == 0 || second.ConnectionClose == 0 {
		t.Error("nobody was told to leave: no drain was seen")
	}
	if n := d.balancer.reached(); n < 4 {
		t.Errorf("%d Envoys got connections, want the first, two more, and another one later", n)
	}
}

// told waits until Events tell how those of these Envoys ended that are gone. Their pods had no
// token: the control plane tells it.
func (d *deployed) told(of []corev1.Pod) {
	d.Helper()
	d.until(func() error {
		reports := d.drains()
		gone := 0
		for _, p := range of {
			_, err := k.Client().CoreV1().Pods(namespace).Get(d.ctx, p.Name, metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				continue
			}
			gone++
			if r, ok := reports[p.Name]; !ok || r.Reason != drain.ReasonDone || !r.Known {
				return fmt.Errorf("of %s, which is gone, there is %v: %+v", p.Name, ok, r)
			}
		}
		if gone < 2 {
			return fmt.Errorf("%d of %d Envoys are gone", gone, len(of))
		}
		return nil
	})
}

// dialers ask with a connection for each request.
type dialers struct {
	done sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	asked  int
	failed []string
}

// dial starts n of them, which ask until ctx ends.
func (d *deployed) dial(ctx context.Context, n int) *dialers {
	all := &dialers{}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	for range n {
		all.done.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				all.count(d.ask(client))
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return all
}

// ask is one request; the error says why it failed.
func (d *deployed) ask(client *http.Client) error {
	req, err := http.NewRequestWithContext(d.ctx, http.MethodGet, "http://"+d.balancer.address+"/", nil)
	if err != nil {
		return err
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

func (a *dialers) count(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if err != nil {
		a.failed = append(a.failed, err.Error())
	}
}

// wait waits for the last of them.
func (a *dialers) wait() (asked int, failed []string) {
	a.done.Wait()
	return a.asked, a.failed
}

// playCloud gives the Service of the Envoys its address.
func (d *deployed) playCloud() {
	d.Helper()
	services := k.Client().CoreV1().Services(namespace)
	s, err := services.Get(d.ctx, envoys, metav1.GetOptions{})
	if err == nil {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: balancerAddress}}
		_, err = services.UpdateStatus(d.ctx, s, metav1.UpdateOptions{})
	}
	if err != nil {
		d.Fatal(err)
	}
}

// scale has the Deployment have n Envoys, and waits until it has: all of them are ready,
// and no other one drains any more.
func (d *deployed) scale(n int32) {
	d.Helper()
	of := k.Client().AppsV1().Deployments(namespace)
	_, err := of.UpdateScale(d.ctx, envoys, &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: envoys},
		Spec: autoscalingv1.ScaleSpec{Replicas: n}}, metav1.UpdateOptions{})
	if err != nil {
		d.Fatal(err)
	}
	d.awaitEnvoys(int(n))
}

// awaitEnvoys waits until there are n Envoys that are ready, and no other one, and the
// balancer knows.
func (d *deployed) awaitEnvoys(n int) {
	d.Helper()
	err := kube.Await(d.ctx, k.Client().CoreV1().Pods(namespace), func(all []*corev1.Pod) error { return ready(all, n) })
	if err == nil {
		err = d.balancer.await(d.ctx, n)
	}
	if err != nil {
		d.Fatalf("%d Envoys: %v\n%s", n, err, k.Pods(d.ctx, namespace))
	}
}

// ready reports whether n Envoys are there, all of them ready.
func ready(all []*corev1.Pod, n int) error {
	there, well := 0, 0
	for _, p := range all {
		if p.Labels["app.kubernetes.io/component"] != "envoy" {
			continue
		}
		there++
		if isReady(p) && p.DeletionTimestamp == nil {
			well++
		}
	}
	if there != n || well != n {
		return fmt.Errorf("%d Envoys are there, %d of them ready, want %d", there, well, n)
	}
	return nil
}
