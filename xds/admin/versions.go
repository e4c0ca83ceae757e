package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/impact"
	"legation.dev/xds/redact"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// History lists the versions of a fleet that this replica keeps, or those of them that are
// asked for.
func (s *Service) History(_ context.Context, r *adminv1.HistoryRequest) (*adminv1.HistoryResponse, error) {
	versions, err := s.versions(r.GetFleet())
	if err != nil {
		return nil, err
	}
	about, ok := object.Parse(r.GetObject())
	if r.GetObject() != "" && !ok {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no object: want a kind and a name, as in Ingress shop/checkout", r.GetObject())
	}
	if at := r.GetAt(); at != nil && versions[0].Time.After(at.AsTime()) {
		return nil, status.Errorf(codes.OutOfRange, "nothing is kept of that time: the first version is of %s", versions[0].Time.UTC().Format(time.RFC3339))
	}
	out := &adminv1.HistoryResponse{Instance: s.Instance}
	for i, v := range versions {
		early := r.GetSince() != nil && v.Time.Before(r.GetSince().AsTime())
		if !early && (r.GetAt() == nil || current(versions, i, r.GetAt().AsTime())) && (!ok || concerned(versions, i, about)) {
			out.Versions = append(out.Versions, versionOf(v))
		}
	}
	return out, nil
}

// current reports whether version i was the newest at a moment.
func current(versions []store.Version, i int, at time.Time) bool {
	return !versions[i].Time.After(at) && (i+1 == len(versions) || versions[i+1].Time.After(at))
}

// concerned reports whether an object has a part in what version i changed.
func concerned(versions []store.Version, i int, of object.Ref) bool {
	if i == 0 {
		return false
	}
	for _, c := range snapshot.Diff(versions[i-1].Snapshot, versions[i].Snapshot) {
		if c.HadOld && slices.Contains(c.Old.From, of) || c.HasNew && slices.Contains(c.New.From, of) {
			return true
		}
	}
	return false
}

// Watch tells of each version until the client leaves.
func (s *Service) Watch(r *adminv1.WatchRequest, stream grpc.ServerStreamingServer[adminv1.WatchResponse]) error {
	name, err := s.fleet(r.GetFleet())
	if err != nil {
		return err
	}
	for {
		view, _ := s.Store.Watch(name)
		if err := stream.Send(&adminv1.WatchResponse{Version: versionOf(view.Version)}); err != nil {
			return err
		}
		select {
		case <-view.Changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// Diff says what leads from one version to another.
func (s *Service) Diff(_ context.Context, r *adminv1.DiffRequest) (*adminv1.DiffResponse, error) {
	name, err := s.fleet(r.GetFleet())
	if err != nil {
		return nil, err
	}
	versions := s.Store.History(name)
	to, err := numbered(versions, r.GetTo())
	if err != nil {
		return nil, err
	}
	from := r.GetFrom()
	if from == 0 {
		from = to.Number - 1
	}
	before, err := numbered(versions, from)
	if from == 0 {
		before, err = store.Version{}, nil // the first version has nothing before it
	}
	if err != nil {
		return nil, err
	}
	out := &adminv1.DiffResponse{Fleet: name, From: versionOf(before), To: versionOf(to)}
	for c := range impact.Of(before.Snapshot, to.Snapshot) {
		out.Changes = append(out.Changes, ChangeOf(c))
	}
	return out, nil
}

// ChangeOf is a change as it is told.
func ChangeOf(c impact.Change) *adminv1.Change {
	return &adminv1.Change{Kind: string(c.Kind), Type: c.Type.String(), Name: c.Name, From: object.Texts(c.From), Drains: c.Drains, Effect: c.Effect}
}

// Resources lists what a fleet is served.
func (s *Service) Resources(r *adminv1.ResourcesRequest, stream grpc.ServerStreamingServer[adminv1.ResourcesResponse]) error {
	versions, err := s.versions(r.GetFleet())
	if err != nil {
		return err
	}
	v, err := numbered(versions, r.GetVersion())
	if err != nil {
		return err
	}
	types, err := typesOf(r.GetTypeUrls())
	if err != nil {
		return err
	}
	for _, t := range types {
		for name, one := range v.Snapshot.Of(t).All() {
			if !strings.Contains(name, r.GetName()) {
				continue
			}
			if err := stream.Send(resourceOf(one, r.GetBodies())); err != nil {
				return err
			}
		}
	}
	return nil
}

func resourceOf(r *snapshot.Resource, body bool) *adminv1.ResourcesResponse {
	out := &adminv1.ResourcesResponse{Resource: refOf(r), From: object.Texts(r.From), Placeholder: r.Placeholder, Size: uint32(len(r.Body()))}
	for _, need := range r.Needs {
		out.Needs = append(out.Needs, need.String())
	}
	if body {
		out.Body = redact.View(r)
	}
	return out
}

func refOf(r *snapshot.Resource) *adminv1.Resource {
	return &adminv1.Resource{TypeUrl: r.Type.URL(), Name: r.Name, Version: r.Version}
}

// versions are those of a fleet, oldest first; at least one.
func (s *Service) versions(fleetName string) ([]store.Version, error) {
	name, err := s.fleet(fleetName)
	return s.Store.History(name), err
}

// fleet is the name of a fleet. Where there is but one, it need not be named.
func (s *Service) fleet(name string) (string, error) {
	all := s.Store.Fleets()
	switch {
	case slices.Contains(all, name):
		return name, nil
	case len(all) == 0:
		return "", status.Error(codes.Unavailable, "nothing is published yet")
	case name == "" && len(all) == 1:
		return all[0], nil
	case name == "":
		return "", status.Errorf(codes.InvalidArgument, "name one of the fleets: %s", strings.Join(all, ", "))
	}
	return "", status.Errorf(codes.NotFound, "there is no fleet %q; there are: %s", name, strings.Join(all, ", "))
}

// numbered is the version with a number; 0 is the current one.
func numbered(versions []store.Version, number uint64) (store.Version, error) {
	first, last := versions[0], versions[len(versions)-1]
	switch {
	case number == 0:
		return last, nil
	case number < first.Number || number > last.Number:
		return store.Version{}, status.Errorf(codes.OutOfRange, "version %d is not kept: there are %d to %d", number, first.Number, last.Number)
	}
	return versions[number-first.Number], nil
}

func typesOf(urls []string) (types []snapshot.Type, err error) {
	for _, url := range urls {
		t, ok := snapshot.TypeOf(url)
		if !ok {
			return nil, status.Errorf(codes.InvalidArgument, "type %q is not served here", url)
		}
		types = append(types, t)
	}
	if len(urls) == 0 {
		for t := range snapshot.Types() {
			types = append(types, t)
		}
	}
	return types, nil
}
