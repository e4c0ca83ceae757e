package status

import (
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// feeds are those of a term: Ingresses, and what the addresses come from.
func (t *leadership) feeds(c Config) []runner {
	var list []runner
	for _, namespace := range c.Namespaces {
		list = append(list, t.ingresses(namespace))
	}
	for _, o := range t.sources {
		switch {
		case o.source.Service.Name != "":
			list = append(list, t.service(o))
		case o.source.Pods.Namespace != "":
			list = append(list, t.pods(o), t.nodes(o))
		default:
			o.follow.saw(newAddresses(o.source.Fixed...), "", time.Now())
		}
	}
	return list
}

func everything(*metav1.ListOptions) {}

func following(what string, log *slog.Logger) func(error) {
	t := &trouble{what: "following " + what, log: log}
	return t.tell
}

func (t *leadership) ingresses(namespace string) runner {
	const what = "the status of Ingresses"
	return &feed[*networkingv1.Ingress, seen]{
		what:   what,
		source: listWatch(t.w.objects.NetworkingV1().RESTClient(), "ingresses", namespace, everything, following(what, t.log)),
		reduce: reduceIngress,
		put: func(key string, s seen) {
			t.do(func(now time.Time) { t.saw(key, s, now) })
		},
		gone: func(key string) {
			t.do(func(now time.Time) { t.table.gone(key, now) })
		},
	}
}

// saw takes an Ingress. Another one of the same name is told about anew.
func (t *leadership) saw(key string, s seen, now time.Time) {
	if e := t.table.entries[key]; e != nil && e.seen.uid != "" && e.seen.uid != s.uid {
		t.recorder.renew(refOf(key), now)
	}
	t.table.observe(key, s, now)
}

func (t *leadership) service(o *addressSource) runner {
	what := o.ref().String()
	byName := func(l *metav1.ListOptions) {
		l.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, o.source.Service.Name).String()
	}
	return &feed[*corev1.Service, balancer]{
		what:   what,
		source: listWatch(t.w.objects.CoreV1().RESTClient(), "services", o.source.Service.Namespace, byName, following(what, t.log)),
		reduce: reduceService,
		put: func(_ string, b balancer) {
			t.do(func(now time.Time) { o.follow.saw(b.addresses, b.writer, now) })
		},
		gone: func(string) {}, // its last address is kept
	}
}

func (t *leadership) pods(o *addressSource) runner {
	what := "the pods of Envoys in namespace " + o.source.Pods.Namespace
	selected := func(l *metav1.ListOptions) { l.LabelSelector = o.source.Pods.Selector.String() }
	return sourceFeed[*corev1.Pod, pod]{t, o, o.pods, &o.podsListed}.feed(what,
		listWatch(t.w.objects.CoreV1().RESTClient(), "pods", o.source.Pods.Namespace, selected, following(what, t.log)), reducePod)
}

func (t *leadership) nodes(o *addressSource) runner {
	const what = "the addresses of nodes"
	return sourceFeed[*corev1.Node, addresses]{t, o, o.nodes, &o.nodesListed}.feed(what,
		listWatch(t.w.objects.CoreV1().RESTClient(), "nodes", metav1.NamespaceAll, everything, following(what, t.log)), ofNode)
}

// sourceFeed keeps a map of an address source up to date, and what is published of it.
type sourceFeed[O runtime.Object, V comparable] struct {
	t      *leadership
	o      *addressSource
	values map[string]V
	listed *bool
}

func (f sourceFeed[O, V]) feed(what string, source cache.ListerWatcher, reduce func(O) V) runner {
	change := func(edit func()) {
		f.t.do(func(now time.Time) {
			edit()
			f.o.follow.saw(f.o.ofNodes(), "", now)
		})
	}
	return &feed[O, V]{what: what, source: source, reduce: reduce,
		put:    func(key string, v V) { change(func() { f.values[key] = v }) },
		gone:   func(key string) { change(func() { delete(f.values, key) }) },
		listed: func() { change(func() { *f.listed = true }) },
	}
}
