package policy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"legation.dev/controller"
	"legation.dev/inspect"
	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/watcher/dir"
	"legation.dev/watcher/kube"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// What an Ingress needs to be served.
const onceClass = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec:
  controller: legation.dev/ingress-controller
  parameters: {kind: ConfigMap, name: settings, namespace: shop, scope: Namespace}
`

func onceService(limit string) string {
	return `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, annotations: {legation.dev/max-connections: "` + limit + `"}}
spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
`
}

func onceSettings(timeout string) string {
	return `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {request-timeout: ` + timeout + `}
`
}

// onceIngress has ten annotations of ours, one of another controller, and some paths.
func onceIngress(paths int, timeout string) string {
	var list strings.Builder
	for i := range paths {
		fmt.Fprintf(&list, "      - {path: /p%d, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}\n", i)
	}
	return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/limit-rps: "5"
    legation.dev/idle-timeout: 30s
    legation.dev/load-balancing: least-request
    legation.dev/max-connections: "100"
    legation.dev/max-request-body: 8Mi
    legation.dev/per-try-timeout: 2s
    legation.dev/request-timeout: ` + timeout + `
    legation.dev/retries: "1"
    legation.dev/retry-idempotent: "true"
    legation.dev/ssl-redirect: "false"
    legation.dev/upstream-idle-timeout: 4s
spec:
  ingressClassName: edge
  rules:
  - host: web.test
    http:
      paths:
` + list.String()
}

// onceSource is the source of a test: change puts an object in the place of what is called so.
type onceSource interface {
	controller.Source
	change(t *testing.T, name, manifest string)
}

// folder is a real folder that is watched.
type folder struct {
	*dir.Source
	root string
}

func (f folder) FollowedSince(time.Time) time.Time { return time.Time{} }

func (f folder) change(t *testing.T, name, manifest string) {
	hidden := filepath.Join(f.root, "."+name)
	if err := os.WriteFile(hidden, []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, filepath.Join(f.root, name+".yaml")); err != nil { // at once
		t.Fatal(err)
	}
}

// cluster reduces what an API server would send.
type cluster chan []input.Change

func (c cluster) FollowedSince(time.Time) time.Time { return time.Time{} }

func (c cluster) Take(ctx context.Context) ([]input.Change, error) {
	select {
	case batch := <-c:
		return batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c cluster) change(t *testing.T, name, manifest string) {
	o, ok := map[string]runtime.Object{"class": &networkingv1.IngressClass{}, "ingress": &networkingv1.Ingress{},
		"service": &corev1.Service{}, "settings": &corev1.ConfigMap{}}[name]
	if err := yaml.Unmarshal([]byte(manifest), o); err != nil || !ok {
		t.Fatal(name, err)
	}
	c <- []input.Change{kube.Reduce(o)}
}

// process is what `legation serve` runs, but for streams and the API server.
type process struct {
	source  onceSource
	results chan translator.Result
	admin   *admin.Service
}

// start runs a process until the test ends.
func start(t *testing.T, source onceSource) *process {
	fleets, versions := fleet.New(fleet.Config{}), store.New(store.Config{})
	watch := inspect.NewProblems(slog.New(slog.DiscardHandler), fleets, observed.New(observed.Config{}).Closing)
	p := &process{source: source, results: make(chan translator.Result, 100),
		admin: &admin.Service{Instance: "a", Fleets: fleets, Store: versions, Wrong: watch.Of}}
	loop := controller.Loop{Source: source,
		Publish: func(name string, s snapshot.Snapshot, cause snapshot.Cause) { versions.Publish(name, s, cause.Text) },
		Report:  func(r translator.Result) { watch.Report(r); p.results <- r }}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { watch.Run(ctx) })
	running.Go(func() {
		if err := loop.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return p
}

// until waits for a result of which something holds, and asks of it all that people can ask.
func (p *process) until(t *testing.T, holds func(input.View) bool) {
	t.Helper()
	var r translator.Result
	for !holds(r.View()) {
		select {
		case r = <-p.results:
		case <-time.After(20 * time.Second):
			t.Fatal("there is no such result")
		}
	}
	fleets := inspect.Explain(r, "shop/web", "")
	if len(fleets) != 1 || len(inspect.Concerned(r, "shop/web", fleets, time.Now())) == 0 {
		t.Errorf("explained: %v", fleets)
	}
	answer, err := p.admin.Explain(t.Context(), &adminv1.ExplainRequest{Object: "Ingress shop/web", Local: true})
	if err != nil || len(answer.GetMade()) == 0 {
		t.Errorf("of the Ingress is made %v: %v", answer.GetMade(), err)
	}
}

// TestParsedOnce: the annotations of an Ingress are read once for each change of it, in the
// whole process and however many paths it has, and not at all when something else changes.
func TestParsedOnce(t *testing.T) {
	for _, paths := range []int{1, 10, 100, 500} {
		t.Run(fmt.Sprintf("folder/%d", paths), func(t *testing.T) {
			root := t.TempDir()
			s, err := dir.Open(root, dir.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			parsedOnce(t, folder{s, root}, paths)
		})
		t.Run(fmt.Sprintf("kube/%d", paths), func(t *testing.T) { parsedOnce(t, make(cluster), paths) })
	}
}

func parsedOnce(t *testing.T, source onceSource, paths int) {
	var read atomic.Int64
	policy.Hear(t, func(object.Ref) { read.Add(1) })
	p := start(t, source)
	expect := func(step string, want int64) {
		t.Helper()
		if got := read.Swap(0); got != want {
			t.Errorf("%s: the Ingress was read %d times, want %d", step, got, want)
		}
	}
	const timeout = policy.Prefix + "request-timeout"
	has := func(text string) func(input.View) bool {
		return func(v input.View) bool {
			o, ok := v.Ingress("shop/web")
			return ok && o.Annotations[timeout] == text && v.Len(object.KindConfigMap) == 1
		}
	}
	source.change(t, "settings", onceSettings("1m"))
	source.change(t, "service", onceService("1"))
	source.change(t, "ingress", onceIngress(paths, "10s"))
	source.change(t, "class", onceClass)
	p.until(t, func(v input.View) bool {
		_, ok := v.Class("edge") // a folder without a class has one of its own
		return ok && has("10s")(v) && v.Len(object.KindService) == 1
	})
	expect("new", 1)
	source.change(t, "ingress", onceIngress(paths, "11s"))
	p.until(t, has("11s"))
	expect("changed", 1)
	source.change(t, "service", onceService("2"))
	p.until(t, func(v input.View) bool {
		s, _ := v.Service("shop/web")
		return s != nil && s.Annotations[policy.Prefix+"max-connections"] == "2"
	})
	expect("its Service changed", 0)
	source.change(t, "settings", onceSettings("2m"))
	p.until(t, func(v input.View) bool {
		c, _ := v.ConfigMap("shop/settings")
		return c != nil && c.Data["request-timeout"] == "2m"
	})
	expect("its class changed", 0)
}
