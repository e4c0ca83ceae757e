package kube

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"legation.dev/object"
	"legation.dev/translator/input"
)

// cluster is a server, and a Source that reads it.
type cluster struct {
	*server
	source *Source
	log    *lines
}

// lines is a log that a test can wait for.
type lines struct {
	mu   sync.Mutex
	more *sync.Cond
	text []string
	read int
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(bytes.TrimSpace(line)))
	l.more.Broadcast()
	return len(line), nil
}

// wait waits for the next line that contains all parts.
func (l *lines) wait(parts ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for l.read == len(l.text) {
			l.more.Wait()
		}
		line := l.text[l.read]
		l.read++
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			return
		}
	}
}

func (l *lines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.text {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// start makes a cluster with objects in it, and a Source that runs until the end
// of the test.
func start(t *testing.T, c Config, objects ...runtime.Object) *cluster {
	t.Helper()
	s := newServer(t)
	s.put(objects...)
	return s.follow(c)
}

func (s *server) follow(c Config) *cluster {
	s.Helper()
	log := &lines{}
	log.more = sync.NewCond(&log.mu)
	c.REST, c.Log = s.config(), slog.New(slog.NewTextHandler(log, nil))
	source, err := New(c)
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- source.Run(ctx) }()
	s.Cleanup(func() {
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) {
			s.Errorf("Run: %v", err)
		}
	})
	return &cluster{server: s, source: source, log: log}
}

// take takes the next changes: "put Service shop/a", "delete ...", "clear ..." or
// the text of a Problem, in order of the objects.
func (c *cluster) take() []string {
	c.Helper()
	changes, err := c.source.Take(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	return describe(changes)
}

func describe(changes []input.Change) []string {
	slices.SortFunc(changes, func(a, b input.Change) int { return a.Ref.Compare(b.Ref) })
	var list []string
	for _, c := range changes {
		switch {
		case c.Deleted:
			list = append(list, "delete "+c.Ref.String())
		case c.Object != nil:
			list = append(list, "put "+c.Ref.String())
		case c.Unread != "" && len(c.Problems) == 0:
			list = append(list, c.Ref.String()+" is not known: "+c.Unread)
		case len(c.Problems) == 0:
			list = append(list, "clear "+c.Ref.String())
		}
		for _, p := range c.Problems {
			list = append(list, p.Error())
		}
	}
	return list
}

// expect takes until all of want came, and nothing else did.
func (c *cluster) expect(want ...string) {
	c.Helper()
	var got []string
	for len(got) < len(want) {
		got = append(got, c.take()...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func name(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func service(n string, port int32) *corev1.Service {
	return &corev1.Service{ObjectMeta: name("shop", n), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: port}}}}
}

func slice(n string, address string) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{ObjectMeta: name("shop", n), AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}}}
}

// ingress is of class edge and names Secrets.
func ingress(n string, secrets ...string) *networkingv1.Ingress {
	class := "edge"
	o := &networkingv1.Ingress{ObjectMeta: name("shop", n), Spec: networkingv1.IngressSpec{IngressClassName: &class,
		Rules: []networkingv1.IngressRule{{Host: n + ".example.com"}}}}
	for _, s := range secrets {
		o.Spec.TLS = append(o.Spec.TLS, networkingv1.IngressTLS{SecretName: s, Hosts: []string{n + ".example.com"}})
	}
	return o
}

func secret(n, certificate string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: name("shop", n), Data: map[string][]byte{corev1.TLSCertKey: []byte(certificate), corev1.TLSPrivateKeyKey: []byte("KEY")}}
}

func configMap(n string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: name("shop", n), Data: data}
}

func class(n, controller, settings string) *networkingv1.IngressClass {
	o := &networkingv1.IngressClass{ObjectMeta: name("", n), Spec: networkingv1.IngressClassSpec{Controller: controller}}
	if settings != "" {
		namespace := "shop"
		o.Spec.Parameters = &networkingv1.IngressClassParametersReference{Kind: "ConfigMap", Name: settings, Namespace: &namespace}
	}
	return o
}

func edge() *networkingv1.IngressClass { return class("edge", input.Controller, "") }

// modes runs a test against servers that stream their lists and those that do not.
func modes(t *testing.T, test func(t *testing.T, s *server)) {
	for mode, noStream := range map[string]bool{"streamed": false, "listed": true} {
		t.Run(mode, func(t *testing.T) {
			s := newServer(t)
			s.noStream = noStream
			test(t, s)
		})
	}
}

// TestFirst: the first batch has everything, with the Secrets and settings that
// are named and what those name; nothing else was fetched.
func TestFirst(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		s.put(class("edge", input.Controller, "settings"), class("other", "example.com/other", "settings-of-other"),
			configMap("settings", map[string]string{"default-tls-secret": "shop/default"}), configMap("unrelated", nil),
			secret("default", "d"), secret("a", "a"), secret("unrelated", "x"),
			ingress("a", "a", "missing"), service("s", 80), slice("s-1", "10.244.0.1"))
		foreign := ingress("foreign", "unrelated")
		*foreign.Spec.IngressClassName = "other"
		s.put(foreign)
		c := s.follow(Config{})
		got, want := c.take(), []string{"put ConfigMap shop/settings", "put EndpointSlice shop/s-1",
			"put Ingress shop/a", "put Ingress shop/foreign", "put IngressClass edge", "put IngressClass other",
			"put Secret shop/a", "put Secret shop/default", "put Service shop/s"}
		if !slices.Equal(got, want) {
			t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		c.with(func() {
			for what, n := range c.gets {
				if n != 1 {
					t.Errorf("%s was fetched %d times", what, n)
				}
			}
		})
		c.expectGets("configmaps shop/settings", "secrets shop/a", "secrets shop/default", "secrets shop/missing")
	})
}

// expectGets says which objects were fetched, however often.
func (c *cluster) expectGets(want ...string) {
	c.Helper()
	c.with(func() {
		for _, w := range want {
			if c.gets[w] == 0 {
				c.Errorf("%s was not fetched", w)
			}
			delete(c.gets, w)
		}
		if len(c.gets) > 0 {
			c.Errorf("fetched: %v", c.gets)
		}
	})
}

// TestChanges: each change comes; what translation does not read does not.
func TestChanges(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		s.put(edge(), service("a", 80))
		c := s.follow(Config{})
		c.expect("put IngressClass edge", "put Service shop/a")
		c.put(slice("a-1", "10.244.0.1"))
		c.expect("put EndpointSlice shop/a-1")
		same := service("a", 80)
		same.Labels, same.Status.LoadBalancer.Ingress = map[string]string{"x": "y"}, []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
		c.put(same, service("b", 80)) // in this order, on one watch
		c.expect("put Service shop/b")
		c.put(service("a", 81))
		c.expect("put Service shop/a")
		c.delete(service("a", 81))
		c.expect("delete Service shop/a")
	})
}

// TestSecrets: a Secret that is named later is fetched then, its versions follow,
// and it is gone when nobody names it any more.
func TestSecrets(t *testing.T) {
	c := start(t, Config{}, edge(), secret("a", "1"), secret("unrelated", "1"))
	c.expect("put IngressClass edge")
	c.put(ingress("x", "a"))
	c.expect("put Ingress shop/x", "put Secret shop/a")
	c.put(secret("unrelated", "2"), secret("a", "2"))
	c.expect("put Secret shop/a")
	c.put(ingress("y", "a"))
	c.expect("put Ingress shop/y")
	c.delete(ingress("x"))
	c.expect("delete Ingress shop/x")
	c.delete(secret("a", "2"))
	c.expect("delete Secret shop/a")
	c.put(secret("a", "3"))
	c.expect("put Secret shop/a")
	c.delete(ingress("y"))
	c.expect("delete Ingress shop/y", "delete Secret shop/a")
	c.expectGets("secrets shop/a")
}

// TestSettings: the ConfigMap of a class is followed, and what it names.
func TestSettings(t *testing.T) {
	c := start(t, Config{}, class("edge", input.Controller, "settings"), secret("d", "1"), secret("e", "1"))
	c.expect("put IngressClass edge")
	c.put(configMap("settings", map[string]string{"default-tls-secret": "shop/d"}))
	c.expect("put ConfigMap shop/settings", "put Secret shop/d")
	c.put(configMap("settings", map[string]string{"default-tls-secret": "shop/e", "http-port": "x"}))
	c.expect("put ConfigMap shop/settings", "put Secret shop/e", "delete Secret shop/d")
}

// TestUsed: what fleets are served with is followed, whatever the newest objects name: settings
// that are held name another Secret, and so does the Ingress of a fleet that is paused.
func TestUsed(t *testing.T) {
	d, a := object.Ref{Kind: object.KindSecret, Namespace: "shop", Name: "d"}, object.Ref{Kind: object.KindSecret, Namespace: "shop", Name: "a"}
	c := start(t, Config{}, class("edge", input.Controller, "settings"), configMap("settings", map[string]string{"default-tls-secret": "shop/d"}),
		ingress("x", "a"), secret("a", "1"), secret("d", "1"))
	c.expect("put IngressClass edge", "put ConfigMap shop/settings", "put Ingress shop/x", "put Secret shop/a", "put Secret shop/d")
	c.source.Used([]object.Ref{a, d})
	c.put(configMap("settings", nil))
	c.expect("put ConfigMap shop/settings")
	c.delete(ingress("x"))
	c.expect("delete Ingress shop/x")
	c.put(secret("d", "2"))
	c.expect("put Secret shop/d")
	c.put(secret("a", "2"))
	c.expect("put Secret shop/a")
	c.delete(configMap("settings", nil))
	c.expect("delete ConfigMap shop/settings")
	c.source.Used([]object.Ref{d})
	c.expect("delete Secret shop/a")
	c.source.Used(nil)
	c.expect("delete Secret shop/d")
}

// TestClassOwnership: Secrets follow whose class it is; a class that is deleted
// changes nothing.
func TestClassOwnership(t *testing.T) {
	c := start(t, Config{}, edge(), ingress("x", "a"), secret("a", "1"))
	c.expect("put IngressClass edge", "put Ingress shop/x", "put Secret shop/a")
	c.delete(edge())
	c.expect("delete IngressClass edge")
	c.put(secret("a", "2"))
	c.expect("put Secret shop/a")
	c.put(class("edge", "example.com/other", ""))
	c.expect("put IngressClass edge", "delete Secret shop/a")
	unnamed := ingress("x", "a")
	unnamed.Spec.IngressClassName = nil
	c.put(unnamed)
	c.expect("put Ingress shop/x")
	ours := class("ours", input.Controller, "")
	ours.Annotations = map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}
	c.put(ours)
	c.expect("put IngressClass ours", "put Secret shop/a")
}

// TestRecall: what a class named that an earlier process knew is followed, though the class is
// gone by now: its fleet is frozen, with certificates of today.
func TestRecall(t *testing.T) {
	last := input.View{}.With(Reduce(class("edge", input.Controller, "settings")), Reduce(configMap("settings", map[string]string{"default-tls-secret": "shop/d"})))
	c := start(t, Config{Last: last}, ingress("x", "a"), secret("a", "1"), secret("d", "1"), secret("e", "1"))
	c.expect("put Ingress shop/x", "put Secret shop/a", "put Secret shop/d")
	c.put(secret("a", "2"))
	c.expect("put Secret shop/a")
	c.put(class("edge", "example.com/other", ""))
	c.expect("put IngressClass edge", "delete Secret shop/a")
	c.source.Used(nil)
	c.expect("delete Secret shop/d")
}

// TestClasses: Ingresses of other classes are left out, and come and go with
// their class.
func TestClasses(t *testing.T) {
	other := ingress("b")
	*other.Spec.IngressClassName = "other"
	c := start(t, Config{Classes: []string{"edge"}}, edge(), class("other", input.Controller, ""), ingress("a"), other)
	changes, err := c.source.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		if o, ok := change.Object.(*input.IngressClass); ok && (o.Controller == input.Controller) != (o.Name == "edge") {
			t.Errorf("class %s is of %s", o.Name, o.Controller)
		}
	}
	if got := describe(changes); len(got) != 3 || got[0] != "put Ingress shop/a" {
		t.Errorf("got %q", got)
	}
	*other.Spec.IngressClassName = "edge"
	c.put(other)
	c.expect("put Ingress shop/b")
	*other.Spec.IngressClassName = "other"
	c.put(other)
	c.expect("delete Ingress shop/b")
}

// TestClaim: a class of a controller whose place we take is ours, with the Secrets that
// its Ingresses name.
func TestClaim(t *testing.T) {
	theirs := ingress("a")
	*theirs.Spec.IngressClassName = "theirs"
	theirs.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"a.example.com"}, SecretName: "s"}}
	c := start(t, Config{Controllers: []string{"example.com/theirs"}}, class("theirs", "example.com/theirs", ""), theirs, secret("s", "1"))
	c.expect("put IngressClass theirs", "put Ingress shop/a", "put Secret shop/s")
}

// TestNamespaces: only those are read, and what is named elsewhere is a Problem.
func TestNamespaces(t *testing.T) {
	elsewhere := service("s", 80)
	elsewhere.Namespace = "elsewhere"
	settings := class("edge", input.Controller, "settings")
	*settings.Spec.Parameters.Namespace = "elsewhere"
	c := start(t, Config{Namespaces: []string{"shop", "web"}}, settings, elsewhere, service("s", 80), ingress("x", "a"), secret("a", "1"))
	c.expect("put IngressClass edge", "put Service shop/s", "put Ingress shop/x", "put Secret shop/a",
		"ConfigMap elsewhere/settings: namespace elsewhere is not among those that are read: the object counts as not there")
	c.put(edge())
	c.expect("put IngressClass edge", "delete ConfigMap elsewhere/settings")
}
