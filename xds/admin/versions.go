package admin

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/history"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// mostListed is how many versions an answer has at most: 2 MB of the 4 MB that gRPC takes.
const mostListed = 5000

// History lists the versions of a fleet that are known here, or those of them that are
// asked for.
func (s *Service) History(_ context.Context, r *adminv1.HistoryRequest) (*adminv1.HistoryResponse, error) {
	name, err := s.fleet(r.GetFleet())
	if err != nil {
		return nil, err
	}
	about, ok := object.Parse(r.GetObject())
	if r.GetObject() != "" && !ok {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no object: want a kind and a name, as in Ingress shop/checkout", r.GetObject())
	}
	wanted := func(e history.Entry) bool {
		return (r.GetSince() == nil || !e.Time.Before(r.GetSince().AsTime())) && (r.GetObject() == "" || e.Concerns(about))
	}
	out := &adminv1.HistoryResponse{Instance: s.Instance}
	current, _ := s.Store.Watch(name)
	var first, last history.Entry
	add := func(e history.Entry, until time.Time) {
		if e.Number == 0 || !wanted(e) || r.GetAt() != nil && (e.Began.After(r.GetAt().AsTime()) || !until.After(r.GetAt().AsTime())) {
			return
		}
		if len(out.Versions) == mostListed {
			out.Versions, out.More = slices.Delete(out.Versions, 0, 1), true
		}
		out.Versions = append(out.Versions, entryOf(e, current.Version))
	}
	for e := range s.history(name).Entries(name, enough(r)) {
		if first.Number == 0 {
			first = e
		}
		add(last, e.Began)
		last = e
	}
	add(last, endOfTime)
	if at := r.GetAt(); at != nil && first.Began.After(at.AsTime()) {
		return nil, status.Errorf(codes.OutOfRange, "nothing is kept of that time: the first version is of %s", first.Began.UTC().Format(time.RFC3339))
	}
	return out, s.unless(len(out.GetVersions()) > 0, "", about)
}

// endOfTime is after all moments that somebody asks for.
var endOfTime = time.Unix(1<<40, 0)

// enough reports whether what is asked for does not go back beyond an entry.
func enough(r *adminv1.HistoryRequest) func(history.Entry) bool {
	return func(first history.Entry) bool {
		for _, t := range []*timestamppb.Timestamp{r.GetSince(), r.GetAt()} {
			if t != nil {
				return !first.Began.After(t.AsTime())
			}
		}
		return false
	}
}

// history is that of this process, or one of the versions in the Store.
func (s *Service) history(name string) *history.Book {
	if s.Book != nil {
		return s.Book
	}
	b := history.New(history.Config{Age: math.MaxInt64})
	for _, v := range s.Store.History(name) {
		b.Offer(name, v)
	}
	return b
}

// entryOf is an entry as it is told. Whether the current version was only stored may have
// changed since.
func entryOf(e history.Entry, current store.Version) *adminv1.Version {
	out := &adminv1.Version{Number: e.Number, Time: timestamppb.New(e.Time), Cause: e.Cause, Digest: e.Digest, Resources: uint32(e.Resources), Edits: editsOf(e.Edits)}
	if e.First != e.Number {
		out.First, out.Began = e.First, timestamppb.New(e.Began)
	}
	at := e.Stored
	if e.Number == current.Number {
		at = current.Snapshot.Stored()
	}
	if !at.IsZero() {
		out.Stored = timestamppb.New(at)
	}
	return out
}

func editsOf(list []snapshot.Edit) (out []*adminv1.Edit) {
	for _, e := range list {
		one := &adminv1.Edit{Object: e.Object.String(), Deleted: e.Deleted, Manager: e.Manager}
		if !e.Time.IsZero() {
			one.Time = timestamppb.New(e.Time)
		}
		out = append(out, one)
	}
	return out
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

// Diff says what leads from one version to another: by their bodies if both are in the Store,
// else by what was noted of each step.
func (s *Service) Diff(_ context.Context, r *adminv1.DiffRequest) (*adminv1.DiffResponse, error) {
	name, err := s.fleet(r.GetFleet())
	if err != nil {
		return nil, err
	}
	versions := s.Store.History(name)
	first, last := versions[0].Number, versions[len(versions)-1].Number
	from, to := r.GetFrom(), cmp.Or(r.GetTo(), last)
	if from == 0 && to > first {
		from = to - 1
	}
	if max(from, to) > last {
		_, err := numbered(versions, max(from, to))
		return nil, err
	}
	if from == 0 && to == 1 && first == 1 {
		return diffOf(name, store.Version{}, versions[0]), nil // it has nothing before it
	}
	if min(from, to) < first {
		return s.noted(name, from, to)
	}
	return diffOf(name, versions[from-first], versions[to-first]), nil
}

func diffOf(name string, before, to store.Version) *adminv1.DiffResponse {
	out := &adminv1.DiffResponse{Fleet: name, From: versionOf(before), To: versionOf(to)}
	for c := range impact.Of(before.Snapshot, to.Snapshot) {
		out.Changes = append(out.Changes, ChangeOf(c))
	}
	return out
}

// noted is Diff by what was noted; from 0 is the version before that of to.
func (s *Service) noted(name string, from, to uint64) (*adminv1.DiffResponse, error) {
	book := s.history(name)
	if from == 0 {
		for e := range book.Entries(name, func(first history.Entry) bool { return first.Number <= to }) {
			if e.Number == to {
				from = e.First - 1
			}
		}
	}
	if from > to {
		return nil, status.Errorf(codes.OutOfRange, "from version %d to %d: of versions that are not kept with their bodies, name the older one first", from, to)
	}
	if from == to {
		return &adminv1.DiffResponse{Fleet: name, From: &adminv1.Version{Number: to}, To: &adminv1.Version{Number: to}, Noted: true}, nil
	}
	before, after, changes, err := book.Diff(name, from, to)
	if err != nil {
		return nil, status.Error(codes.OutOfRange, err.Error())
	}
	current, _ := s.Store.Watch(name)
	out := &adminv1.DiffResponse{Fleet: name, From: entryOf(before, current.Version), To: entryOf(after, current.Version), Noted: true}
	if before.Time.IsZero() {
		out.From = &adminv1.Version{Number: from}
	}
	for _, c := range changes {
		out.Changes = append(out.Changes, ChangeOf(c))
	}
	return out, nil
}

// ChangeOf is a change as it is told.
func ChangeOf(c impact.Change) *adminv1.Change {
	return &adminv1.Change{Kind: string(c.Kind), Type: c.Type.String(), Name: c.Name, From: object.Texts(c.From), Drains: c.Drains, Effect: c.Effect}
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
