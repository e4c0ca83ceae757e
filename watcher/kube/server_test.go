package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// server answers get, list and watch as an API server does, in JSON. Tests that
// need what a real one does besides are in test/kubesource.
type server struct {
	*testing.T
	http *httptest.Server

	mu       sync.Mutex
	changed  *sync.Cond // of everything below
	version  int
	objects  map[string]map[string]runtime.Object // by resource and "namespace/name"
	events   []event
	gets     map[string]int  // answered, by resource and "namespace/name"
	denied   map[string]bool // resources, or "namespace/resource", that are answered 403
	expired  map[string]bool // resources whose next watch is answered 410
	blank    map[string]bool // resources whose lists are empty, unless they are consistent
	noStream bool            // lists do not come as watches
	stopped  bool            // nobody is answered
	era      int             // watches of an earlier one have ended
}

type event struct {
	resource string
	kind     string // ADDED, MODIFIED, DELETED
	object   runtime.Object
	version  int
}

func newServer(t *testing.T) *server {
	s := &server{T: t, objects: map[string]map[string]runtime.Object{}, gets: map[string]int{},
		denied: map[string]bool{}, expired: map[string]bool{}, blank: map[string]bool{}, version: 1}
	s.changed = sync.NewCond(&s.mu)
	s.http = httptest.NewServer(s)
	t.Cleanup(s.stop)
	return s
}

func (s *server) config() *rest.Config {
	return &rest.Config{Host: "http://" + s.http.Listener.Addr().String()}
}

// with changes the server.
func (s *server) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed.Broadcast()
}

// stop ends all watches, and everybody's connections are refused. It waits for
// the requests that are being answered; a watch that came after the last era
// ended would hold it up for ever.
func (s *server) stop() {
	s.with(func() { s.era, s.stopped = s.era+1, true })
	s.http.Close()
}

// restart is at the same address.
func (s *server) restart() {
	listener, err := net.Listen("tcp", s.http.Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.with(func() { s.stopped = false })
	s.http = &httptest.Server{Listener: listener, Config: &http.Server{Handler: s}}
	s.http.Start()
}

// cut ends all watches. Those of some resources then find their version expired.
func (s *server) cut(expired ...string) {
	s.with(func() {
		s.era++
		for _, r := range expired {
			s.expired[r] = true
		}
	})
}

// put writes objects, deletes those without anything but a name if gone.
func (s *server) put(objects ...runtime.Object) {
	s.with(func() {
		for _, o := range objects {
			s.write(o, false)
		}
	})
}

func (s *server) delete(objects ...runtime.Object) {
	s.with(func() {
		for _, o := range objects {
			s.write(o, true)
		}
	})
}

// forget deletes without an event, as if it happened while nobody watched.
func (s *server) forget(objects ...runtime.Object) {
	s.with(func() {
		for _, o := range objects {
			s.version++
			delete(s.objects[resourceOf(o)], keyOf(o))
		}
	})
}

func (s *server) write(o runtime.Object, gone bool) {
	s.version++
	resource, key := resourceOf(o), keyOf(o)
	o = o.DeepCopyObject()
	m, _ := meta.Accessor(o)
	m.SetResourceVersion(strconv.Itoa(s.version))
	of := s.objects[resource]
	if of == nil {
		of = map[string]runtime.Object{}
		s.objects[resource] = of
	}
	kind := "ADDED"
	if of[key] != nil {
		kind = "MODIFIED"
	}
	of[key] = o
	if gone {
		kind = "DELETED"
		delete(of, key)
	}
	s.events = append(s.events, event{resource, kind, o, s.version})
}

func keyOf(o runtime.Object) string {
	m, _ := meta.Accessor(o)
	return m.GetNamespace() + "/" + m.GetName()
}

func resourceOf(o runtime.Object) string {
	switch o.(type) {
	case *networkingv1.Ingress:
		return "ingresses"
	case *networkingv1.IngressClass:
		return "ingressclasses"
	case *corev1.Service:
		return "services"
	case *discoveryv1.EndpointSlice:
		return "endpointslices"
	case *corev1.Secret:
		return "secrets"
	}
	return "configmaps"
}

var types = map[string]metav1.TypeMeta{
	"ingresses":      {Kind: "Ingress", APIVersion: "networking.k8s.io/v1"},
	"ingressclasses": {Kind: "IngressClass", APIVersion: "networking.k8s.io/v1"},
	"services":       {Kind: "Service", APIVersion: "v1"},
	"endpointslices": {Kind: "EndpointSlice", APIVersion: "discovery.k8s.io/v1"},
	"secrets":        {Kind: "Secret", APIVersion: "v1"},
	"configmaps":     {Kind: "ConfigMap", APIVersion: "v1"},
}

// request is what a request asks for.
type request struct {
	resource, namespace, name string
	metadata                  bool
	options                   metav1.ListOptions
	initial                   bool
}

func parse(r *http.Request) request {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] == "apis" {
		parts = parts[3:] // apis, group, version
	} else {
		parts = parts[2:] // api, version
	}
	var q request
	if len(parts) > 2 && parts[0] == "namespaces" {
		q.namespace, parts = parts[1], parts[2:]
	}
	q.resource = parts[0]
	if len(parts) > 1 {
		q.name = parts[1]
	}
	values := r.URL.Query()
	q.metadata = strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata")
	q.options = metav1.ListOptions{Watch: values.Get("watch") == "true" || values.Get("watch") == "1", ResourceVersion: values.Get("resourceVersion")}
	q.initial = values.Get("sendInitialEvents") == "true"
	return q
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := parse(r)
	w.Header().Set("Content-Type", "application/json")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		panic(http.ErrAbortHandler) // cuts the connection
	case s.denied[q.resource] || s.denied[q.namespace+"/"+q.resource]:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case q.name != "":
		s.get(w, q)
	case !q.options.Watch:
		delete(s.expired, q.resource)
		s.list(w, q)
	case q.initial && s.noStream:
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	case !q.initial && s.expired[q.resource]:
		refuse(w, http.StatusGone, metav1.StatusReasonExpired)
	default:
		s.watch(w, r, q)
	}
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.WriteHeader(code)
	write(w, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: "refused by the test"})
}

func write(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) } // whoever went away does not matter

func (s *server) get(w http.ResponseWriter, q request) {
	key := q.namespace + "/" + q.name
	s.gets[q.resource+" "+key]++
	s.changed.Broadcast()
	o, ok := s.objects[q.resource][key]
	if !ok {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	write(w, s.seen(q, o))
}

// seen is an object as it is sent.
func (s *server) seen(q request, o runtime.Object) any {
	m, _ := meta.Accessor(o)
	if q.metadata {
		return metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
			ObjectMeta: metav1.ObjectMeta{Namespace: m.GetNamespace(), Name: m.GetName(), ResourceVersion: m.GetResourceVersion()}}
	}
	t := types[q.resource]
	o.GetObjectKind().SetGroupVersionKind(t.GroupVersionKind())
	return o
}

func (s *server) all(q request) []any {
	list := []any{}
	if s.blank[q.resource] && q.options.ResourceVersion != "" {
		return list
	}
	for _, key := range slices.Sorted(maps.Keys(s.objects[q.resource])) {
		if q.namespace == "" || strings.HasPrefix(key, q.namespace+"/") {
			list = append(list, s.seen(q, s.objects[q.resource][key]))
		}
	}
	return list
}

func (s *server) list(w http.ResponseWriter, q request) {
	t := types[q.resource]
	if q.metadata {
		t = metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}
	}
	write(w, map[string]any{"kind": t.Kind + "List", "apiVersion": t.APIVersion,
		"metadata": metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}, "items": s.all(q)})
}

func (s *server) watch(w http.ResponseWriter, r *http.Request, q request) {
	// With the lock: a broadcast between the look at the context and the wait
	// would wake nobody.
	ended := context.AfterFunc(r.Context(), func() { s.with(func() {}) })
	defer ended()
	from, _ := strconv.Atoi(q.options.ResourceVersion)
	if q.initial {
		for _, o := range s.all(q) {
			write(w, map[string]any{"type": "ADDED", "object": o})
		}
		from = s.version
		write(w, map[string]any{"type": "BOOKMARK", "object": s.bookmark(q)})
	}
	_ = http.NewResponseController(w).Flush()
	era, next := s.era, 0
	for r.Context().Err() == nil && s.era == era {
		for ; next < len(s.events); next++ {
			e := s.events[next]
			m, _ := meta.Accessor(e.object)
			if e.resource == q.resource && e.version > from && (q.namespace == "" || q.namespace == m.GetNamespace()) {
				write(w, map[string]any{"type": e.kind, "object": s.seen(q, e.object)})
			}
		}
		_ = http.NewResponseController(w).Flush()
		s.changed.Wait()
	}
}

func (s *server) bookmark(q request) any {
	t := types[q.resource]
	if q.metadata {
		t = metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}
	}
	return map[string]any{"kind": t.Kind, "apiVersion": t.APIVersion, "metadata": map[string]any{
		"resourceVersion": fmt.Sprint(s.version), "creationTimestamp": nil,
		"annotations": map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
}
