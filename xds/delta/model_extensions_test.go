package delta

import (
	"maps"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/xds/snapshot"
)

// modelHTTP is what the model Envoy knows of HTTP configurations and scoped routes: M13,
// M14 and M22 to M26.
type modelHTTP struct {
	configs map[string]*modelConfig
	scope   *snapshot.Resource
	scoped  bool // scopes were asked for, ever
	tried   map[string]int
	faults  int    // listeners that were rejected for an HTTP configuration
	broken  string // what nobody may ever do to an Envoy, and somebody did
}

// modelConfig is one HTTP configuration that a listener names.
type modelConfig struct {
	running    *snapshot.Resource
	remembered string // the bytes last seen, good or bad
	rejected   bool   // those were bad
	heard      bool   // its waiting is over
	unneeded   time.Time
}

// drainTime is how long connections, and so HTTP configurations, of an old listener live.
const drainTime = 5 * time.Second

// scoped reports whether a listener has scoped routes: by its HTTP configuration, or
// inline, as the holder.
func scoped(l *snapshot.Resource) bool {
	return slices.ContainsFunc(l.Pulls, func(ref snapshot.Ref) bool { return ref.Type == snapshot.ScopedRoute })
}

// routed reports whether something of a scoped listener asks for scopes: an HTTP
// configuration that is there, or the inline one.
func (h *modelHTTP) routed(l *snapshot.Resource) bool {
	inline := true
	for _, ref := range l.Pulls {
		if ref.Type == snapshot.ExtensionConfig {
			inline = false
			if c := h.configs[ref.Name]; c != nil && c.running != nil {
				return true
			}
		}
	}
	return inline
}

// configured reports whether Envoy waits for no HTTP configuration of a listener any
// more (M25).
func (h *modelHTTP) configured(l *snapshot.Resource) bool {
	return !slices.ContainsFunc(l.Pulls, func(ref snapshot.Ref) bool {
		return ref.Type == snapshot.ExtensionConfig && (h.configs[ref.Name] == nil || !h.configs[ref.Name].heard)
	})
}

func (e *envoy) onConfigs(r Response) string {
	if len(r.Removed) > 0 {
		e.http.broken = "an HTTP configuration is removed: its listeners close every connection"
	}
	for _, x := range r.Resources {
		c := e.http.configs[x.Name]
		if c == nil {
			continue
		}
		c.heard = true
		if e.quality(x) == undecodable { // not remembered
			return "undecodable"
		}
		if c.remembered == string(x.Body()) {
			continue // M22: the same bytes are acknowledged and skipped
		}
		c.remembered, c.rejected = string(x.Body()), !e.takes(x)
		if c.rejected {
			return "Didn't find a registered implementation for 'x'"
		}
		c.running = x
	}
	return ""
}

// takes reports whether an HTTP configuration is accepted; one that is passing is at the
// third try.
func (e *envoy) takes(x *snapshot.Resource) bool {
	if e.http.tried == nil {
		e.http.tried = map[string]int{}
	}
	e.http.tried[x.Version]++
	return e.quality(x) == good || e.quality(x) == passing && e.http.tried[x.Version] > 2
}

func (e *envoy) onScopes(r Response) string {
	if len(r.Removed) > 0 {
		e.http.broken = "a scope is removed"
	}
	for _, x := range r.Resources {
		e.http.scope = x
	}
	return ""
}

// spoils is the error for a listener that has an HTTP configuration whose last bytes were
// rejected (M23).
func (e *envoy) spoils(l *snapshot.Resource) string {
	for _, ref := range l.Pulls {
		if c := e.http.configs[ref.Name]; ref.Type == snapshot.ExtensionConfig && c != nil && c.rejected {
			e.http.faults++
			return "Error adding/updating listener(s) " + l.Name + ": Didn't find a registered implementation for 'x'"
		}
	}
	for _, ref := range l.Needs {
		if ref.Type == snapshot.Listener && e.listeners[ref.Name] == nil {
			e.http.broken = "listener " + l.Name + " comes before " + ref.Name
		}
	}
	return ""
}

// unheld notes the removal of a listener that another one needs.
func (e *envoy) unheld(name string) {
	ref := snapshot.Ref{Type: snapshot.Listener, Name: name}
	for n, l := range e.listeners {
		for _, r := range []*snapshot.Resource{l.active, l.warming} {
			if n != name && r != nil && slices.Contains(r.Needs, ref) {
				e.http.broken = "listener " + name + " goes before " + n
			}
		}
	}
}

// follow asks for scopes and routes when something needs them (M26), and forgets HTTP
// configurations that no listener has named for so long (M25).
func (e *envoy) follow() {
	h, needed := &e.http, e.needed(snapshot.ExtensionConfig)
	for _, n := range slices.Sorted(maps.Keys(h.configs)) {
		switch c := h.configs[n]; {
		case needed[n]:
			c.unneeded = time.Time{}
		case c.unneeded.IsZero():
			c.unneeded = e.now
		case !e.now.Before(c.unneeded.Add(drainTime)):
			delete(h.configs, n)
			e.unsubscribe(snapshot.ExtensionConfig, n)
		}
	}
	routed := false
	for _, l := range e.listeners {
		for _, r := range []*snapshot.Resource{l.active, l.warming} {
			routed = routed || r != nil && scoped(r) && h.routed(r)
		}
	}
	if routed && !h.scoped {
		h.scoped = true
		e.first(snapshot.ScopedRoute, nil)
	}
	if _, asked := e.rcs["rc"]; routed && h.scope != nil && !asked {
		e.rcs["rc"] = false
		e.subscribe(snapshot.RouteConfiguration, "rc")
	}
}

// config is the HTTP configuration of a test.
func config(name, version string) *snapshot.Resource {
	manager, err := anypb.New(&hcmv3.HttpConnectionManager{StatPrefix: version, HttpFilters: []*hcmv3.HttpFilter{{Name: "router"}}})
	if err != nil {
		panic(err)
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&corev3.TypedExtensionConfig{Name: name, TypedConfig: manager})
	if err != nil {
		panic(err)
	}
	return snapshot.FromBytes(snapshot.ExtensionConfig, name, version, body, snapshot.Meta{})
}
