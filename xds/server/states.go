package server

import (
	"slices"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	statusservice "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// resourceStates is what one Envoy has of each resource, by type and name.
func resourceStates(s delta.Status) []resourceState {
	var out []resourceState
	for t := range snapshot.Types() {
		out = append(out, typeStates(t, s.Types[t])...)
	}
	return out
}

func typeStates(t snapshot.Type, s delta.TypeStatus) []resourceState {
	at := map[string]*resourceState{}
	get := func(name string) *resourceState {
		if at[name] == nil {
			at[name] = &resourceState{kind: t, name: name}
		}
		return at[name]
	}
	for name, r := range s.Have.All() {
		x := get(name)
		x.version, x.state, x.sync = r.Version, adminv3.ClientResourceStatus_ACKED, statusservice.ConfigStatus_SYNCED
		if len(r.Wire()) > 0 { // else a version from elsewhere, whose bytes are not known here
			x.running = r
		}
	}
	for _, f := range s.Flight {
		for _, r := range f.Resources {
			get(r.Name).state, get(r.Name).sync = adminv3.ClientResourceStatus_REQUESTED, statusservice.ConfigStatus_STALE
		}
	}
	for _, x := range s.Rejected {
		r := get(x.Name)
		r.state, r.sync = adminv3.ClientResourceStatus_NACKED, statusservice.ConfigStatus_ERROR
		r.failed = &failure{version: x.Version, details: x.Message, at: x.At}
	}
	out := make([]resourceState, 0, len(at))
	for _, r := range at {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b resourceState) int { return strings.Compare(a.name, b.name) })
	return out
}
