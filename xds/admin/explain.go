package admin

import (
	"cmp"
	"context"
	"slices"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

// Explain says what is made of an object.
func (s *Service) Explain(ctx context.Context, r *adminv1.ExplainRequest) (*adminv1.ExplainResponse, error) {
	out := s.localExplain(r.GetObject())
	if r.GetLocal() {
		return out, nil
	}
	for _, a := range others(ctx, s.Peers, func(ctx context.Context, c adminv1.AdminClient) (*adminv1.ExplainResponse, error) {
		return c.Explain(ctx, &adminv1.ExplainRequest{Object: r.GetObject(), Local: true})
	}) {
		var isNew bool
		if out.Replicas, isNew = join(out.Replicas, a.address, a.value.GetReplicas(), a.err); isNew {
			out.Made = add(out.Made, a.value.GetMade())
			out.Problems = addProblems(out.Problems, a.value.GetProblems())
		}
	}
	ref, _ := object.Parse(r.GetObject()) // of what is no object nothing is asked
	return out, s.unless(len(out.Made)+len(out.Problems) > 0, "", ref)
}

func (s *Service) localExplain(of string) *adminv1.ExplainResponse {
	out, envoys := &adminv1.ExplainResponse{}, s.Fleets.Envoys()
	ref, _ := object.Parse(of) // nothing was made of what is no object
	objects := []object.Ref{ref}
	for _, name := range s.Store.Fleets() {
		view, _ := s.Store.Watch(name)
		for _, r := range explained(view.Snapshot, ref) {
			out.Made = append(out.Made, madeOf(name, r, envoys))
			objects = append(objects, parts(r)...)
		}
	}
	if s.Wrong != nil {
		out.Problems = s.Wrong(func(o object.Ref) bool { return slices.Contains(objects, o) })
	}
	out.Replicas = []*adminv1.Replica{s.self(s.localEnvoys("").GetEnvoys())}
	return out
}

// explained are the resources that an object has a part in, and what those lead to.
func explained(s snapshot.Snapshot, of object.Ref) (list []*snapshot.Resource) {
	for t := range snapshot.Types() {
		for _, r := range s.Of(t).All() {
			if slices.Contains(r.From, of) {
				list = append(list, r)
			}
		}
	}
	for i := 0; i < len(list); i++ { // which grows
		for _, ref := range leads(list[i]) {
			if r, ok := s.Get(ref); ok && !slices.Contains(list, r) {
				list = append(list, r)
			}
		}
	}
	slices.SortFunc(list, func(a, b *snapshot.Resource) int {
		return snapshot.Ref{Type: a.Type, Name: a.Name}.Compare(snapshot.Ref{Type: b.Type, Name: b.Name})
	})
	return list
}

// leads is where a request goes next: from a virtual host to clusters, and from a
// cluster to endpoints. A listener leads everywhere, which explains nothing.
func leads(r *snapshot.Resource) (refs []snapshot.Ref) {
	next, among := snapshot.Cluster, r.Needs
	switch r.Type {
	case snapshot.VirtualHost:
	case snapshot.Cluster:
		next, among = snapshot.Endpoints, r.Pulls
	default:
		return nil
	}
	for _, ref := range among {
		if ref.Type == next {
			refs = append(refs, ref)
		}
	}
	return refs
}

// parts are the objects that a resource was made of besides Ingresses and classes,
// whose Problems are their own.
func parts(r *snapshot.Resource) (objects []object.Ref) {
	for _, from := range r.From {
		switch from.Kind {
		case object.KindService, object.KindSlice, object.KindSecret:
			objects = append(objects, from)
		}
	}
	return objects
}

// madeOf counts the Envoys of a fleet that run a resource.
func madeOf(fleetName string, r *snapshot.Resource, envoys []fleet.Envoy) *adminv1.Made {
	out := &adminv1.Made{Fleet: fleetName, Resource: refOf(r), From: object.Texts(r.From)}
	for _, e := range envoys {
		if e.Fleet != fleetName {
			continue
		}
		out.Envoys++
		if has(e, snapshot.Ref{Type: r.Type, Name: r.Name}, r.Version) {
			out.Running++
		}
	}
	return out
}

// add adds up what two replicas say. While they see different states of the
// cluster, they may name different versions: both are listed.
func add(a, b []*adminv1.Made) []*adminv1.Made {
	key := func(m *adminv1.Made) [4]string {
		return [4]string{m.GetFleet(), m.GetResource().GetTypeUrl(), m.GetResource().GetName(), m.GetResource().GetVersion()}
	}
	known := map[[4]string]*adminv1.Made{}
	for _, m := range a {
		known[key(m)] = m
	}
	for _, m := range b {
		if same, ok := known[key(m)]; ok {
			same.Envoys += m.GetEnvoys()
			same.Running += m.GetRunning()
		} else {
			a = append(a, m)
		}
	}
	slices.SortStableFunc(a, func(x, y *adminv1.Made) int {
		return cmp.Or(cmp.Compare(x.GetFleet(), y.GetFleet()), cmp.Compare(order(x), order(y)), cmp.Compare(x.GetResource().GetName(), y.GetResource().GetName()))
	})
	return a
}

// order is the place of a type among all types.
func order(m *adminv1.Made) snapshot.Type {
	t, _ := snapshot.TypeOf(m.GetResource().GetTypeUrl())
	return t
}
