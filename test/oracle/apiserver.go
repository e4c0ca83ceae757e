//go:build real

package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"legation.dev/test/nginx"
)

// apiServer has the objects of the moment, and tells whoever lists or watches them. It is
// not that of test/kube: objects keep the age that their file says, which decides who wins
// a path, and endpoints may be on loopback.
type apiServer struct {
	mu      sync.Mutex
	version int
	objects map[string]map[string]nginx.Manifest // by plural, then namespace/name
	events  map[string][]event                   // by plural
	changed chan struct{}                        // closed by the next change
}

type event struct {
	Type    string         `json:"type"`
	Object  nginx.Manifest `json:"object"`
	version int
}

// plurals of the kinds that there are.
var plurals = map[string]string{"Ingress": "ingresses", "IngressClass": "ingressclasses", "EndpointSlice": "endpointslices",
	"Service": "services", "Secret": "secrets", "ConfigMap": "configmaps", "Namespace": "namespaces", "Pod": "pods"}

func newAPIServer() *apiServer {
	return &apiServer{objects: map[string]map[string]nginx.Manifest{}, events: map[string][]event{}, changed: make(chan struct{})}
}

// set makes these the objects, one after the other, each with a version of its own. Those
// that were there and are not any more go first.
func (s *apiServer) set(list []nginx.Manifest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[string]bool{}
	for _, o := range list {
		now[plurals[o["kind"].(string)]+" "+key(o)] = true
	}
	for _, plural := range slices.Sorted(maps.Keys(s.objects)) {
		for _, name := range slices.Sorted(maps.Keys(s.objects[plural])) {
			if !now[plural+" "+name] {
				s.say("DELETED", plural, s.objects[plural][name])
				delete(s.objects[plural], name)
			}
		}
	}
	for _, o := range list {
		s.put(o)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// all are the objects of now.
func (s *apiServer) all() (list []nginx.Manifest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, plural := range slices.Sorted(maps.Keys(s.objects)) {
		for _, name := range slices.Sorted(maps.Keys(s.objects[plural])) {
			list = append(list, s.objects[plural][name])
		}
	}
	return list
}

// tell changes one object.
func (s *apiServer) tell(o nginx.Manifest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(o)
	close(s.changed)
	s.changed = make(chan struct{})
}

// put says nothing of an object that is there as it is.
func (s *apiServer) put(o nginx.Manifest) {
	plural, what := plurals[o["kind"].(string)], "ADDED"
	if was, ok := s.objects[plural][key(o)]; ok && meta(was)["resourceVersion"] == meta(o)["resourceVersion"] {
		return
	}
	defaults(o)
	if s.objects[plural] == nil {
		s.objects[plural] = map[string]nginx.Manifest{}
	}
	if _, ok := s.objects[plural][key(o)]; ok {
		what = "MODIFIED"
	}
	s.objects[plural][key(o)] = o
	s.say(what, plural, o)
}

func (s *apiServer) say(what, plural string, o nginx.Manifest) {
	s.version++
	meta := maps.Clone(meta(o))
	meta["resourceVersion"], meta["uid"] = fmt.Sprint(s.version), strings.ReplaceAll(plural+"-"+key(o), "/", "-") // it becomes the name of a file
	told := maps.Clone(o)
	told["metadata"] = meta
	if what != "DELETED" {
		s.objects[plural][key(o)] = told
	}
	s.events[plural] = append(s.events[plural], event{what, told, s.version})
}

func meta(o nginx.Manifest) map[string]any { return o["metadata"].(map[string]any) }

func key(o nginx.Manifest) string {
	namespace, _ := meta(o)["namespace"].(string)
	return fmt.Sprint(namespace, "/", meta(o)["name"])
}

// defaults are what an API server adds, as far as it counts.
func defaults(o nginx.Manifest) {
	var ports []any
	switch o["kind"] {
	case "Service":
		ports, _ = o["spec"].(map[string]any)["ports"].([]any)
	case "EndpointSlice":
		ports, _ = o["ports"].([]any)
	}
	for _, p := range ports {
		p := p.(map[string]any)
		if p["protocol"] == nil {
			p["protocol"] = "TCP"
		}
		if p["targetPort"] == nil && o["kind"] == "Service" {
			p["targetPort"] = p["port"]
		}
	}
}

// ServeHTTP implements http.Handler: lists, watches, single objects. What is written,
// Events say, is taken and forgotten.
func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{"major":"1","minor":"30","gitVersion":"v1.30.0"}`)
		return
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "{}")
		return
	}
	rest := path[min(len(path), 2):] // of api/v1
	if path[0] == "apis" {
		rest = path[min(len(path), 3):]
	}
	namespace := ""
	if len(rest) > 2 && rest[0] == "namespaces" {
		namespace, rest = rest[1], rest[2:]
	}
	switch {
	case len(rest) == 0:
		http.NotFound(w, r)
	case len(rest) == 2:
		s.one(w, rest[0], namespace+"/"+rest[1])
	case r.URL.Query().Get("watch") != "":
		s.watch(w, r, rest[0], namespace)
	default:
		s.list(w, rest[0], namespace)
	}
}

func (s *apiServer) one(w http.ResponseWriter, plural, name string) {
	s.mu.Lock()
	o, ok := s.objects[plural][name]
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		return
	}
	_ = json.NewEncoder(w).Encode(o) // who is gone needs no answer
}

func (s *apiServer) list(w http.ResponseWriter, plural, namespace string) {
	s.mu.Lock()
	items := []nginx.Manifest{}
	for _, name := range slices.Sorted(maps.Keys(s.objects[plural])) {
		if within(s.objects[plural][name], namespace) {
			items = append(items, s.objects[plural][name])
		}
	}
	version := s.version
	s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": fmt.Sprint(version)}, "items": items})
}

func within(o nginx.Manifest, namespace string) bool {
	return namespace == "" || meta(o)["namespace"] == namespace
}

// watch sends what happens, until the client goes.
func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, plural, namespace string) {
	var seen int
	fmt.Sscan(r.URL.Query().Get("resourceVersion"), &seen)
	for {
		s.mu.Lock()
		var news []event
		for _, e := range s.events[plural] {
			if e.version > seen && within(e.Object, namespace) {
				news = append(news, e)
			}
		}
		seen = max(seen, s.version)
		changed := s.changed
		s.mu.Unlock()
		for _, e := range news {
			if json.NewEncoder(w).Encode(e) != nil {
				return
			}
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}
