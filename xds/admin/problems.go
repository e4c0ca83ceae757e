package admin

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
)

// Problems says what all replicas know to be wrong: each knows what its own Envoys reject.
func (s *Service) Problems(ctx context.Context, r *adminv1.ProblemsRequest) (*adminv1.ProblemsResponse, error) {
	out := &adminv1.ProblemsResponse{Replicas: []*adminv1.Replica{{Instance: s.Instance}}}
	if s.Wrong != nil {
		out.Problems = s.Wrong(func(o object.Ref) bool { return r.GetNamespace() == "" || o.Namespace == r.GetNamespace() })
	}
	if s.Answers.Elsewhere != nil {
		out.Elsewhere = s.Answers.Elsewhere(r.GetNamespace())
	}
	if r.GetLocal() {
		return out, nil
	}
	for _, a := range others(ctx, s.Peers, func(ctx context.Context, c adminv1.AdminClient) (*adminv1.ProblemsResponse, error) {
		return c.Problems(ctx, &adminv1.ProblemsRequest{Namespace: r.GetNamespace(), Local: true})
	}) {
		var isNew bool
		if out.Replicas, isNew = join(out.Replicas, a.address, a.value.GetReplicas(), a.err); isNew {
			out.Problems = addProblems(out.Problems, a.value.GetProblems())
		}
	}
	slices.SortStableFunc(out.Problems, compareProblems)
	return out, s.unless(len(out.Problems)+len(out.Elsewhere) > 0, "", object.Ref{Namespace: r.GetNamespace()})
}

func compareProblems(a, b *adminv1.Problem) int {
	return cmp.Or(cmp.Compare(a.GetObject(), b.GetObject()), cmp.Compare(a.GetField(), b.GetField()), cmp.Compare(a.GetMessage(), b.GetMessage()))
}

// addProblems joins what two replicas say. What both know is known since the earlier time.
func addProblems(a, b []*adminv1.Problem) []*adminv1.Problem {
	type key struct{ object, field, value, message string }
	of := func(p *adminv1.Problem) key {
		return key{p.GetObject(), p.GetField(), p.GetValue(), p.GetMessage()}
	}
	known := map[key]int{}
	for i, p := range a {
		known[of(p)] = i
	}
	for _, p := range b {
		i, both := known[of(p)]
		switch {
		case !both:
			a = append(a, p)
		case p.GetSince().AsTime().Before(a[i].GetSince().AsTime()):
			a[i] = proto.CloneOf(a[i])
			a[i].Since = p.GetSince()
		}
	}
	return a
}
