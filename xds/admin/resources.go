package admin

import (
	"strings"

	"google.golang.org/grpc"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/redact"
	"legation.dev/xds/snapshot"
)

// An answer of a page has at most maxPage resources, and no more once it has pageBytes: what
// waits for a client that does not read is an answer.
const (
	maxPage   = 1000
	pageBytes = 64 << 10
)

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
	page := page{stream: stream, most: int(min(max(r.GetPage(), 1), maxPage))}
	for _, t := range types {
		for name, one := range v.Snapshot.Of(t).All() {
			if !strings.Contains(name, r.GetName()) {
				continue
			}
			if err := page.add(one, r.GetBodies()); err != nil {
				return err
			}
		}
	}
	return page.send()
}

// page is an answer that is being made.
type page struct {
	stream grpc.ServerStreamingServer[adminv1.ResourcesResponse]
	most   int // resources
	list   []*adminv1.ResourcesResponse
	bytes  int    // of the list, about
	room   []slot // for the messages of this page: one allocation for all
}

// slot is the memory of one resource.
type slot struct {
	answer adminv1.ResourcesResponse
	of     adminv1.Resource
}

// add adds one resource, and sends what is full.
func (p *page) add(r *snapshot.Resource, body bool) error {
	if len(p.room) == 0 {
		p.room = make([]slot, p.most)
	}
	one := &p.room[0]
	p.room = p.room[1:]
	one.fill(r, body)
	p.list = append(p.list, &one.answer)
	p.bytes += len(r.Name) + len(one.answer.GetBody().GetValue())
	if len(p.list) < p.most && p.bytes < pageBytes {
		return nil
	}
	return p.send()
}

// send sends what there is, and begins anew.
func (p *page) send() error {
	if len(p.list) == 0 {
		return nil
	}
	first := p.list[0]
	first.More = p.list[1:]
	p.list, p.bytes = make([]*adminv1.ResourcesResponse, 0, len(p.list)), 0 // what is sent stays as it is
	return p.stream.Send(first)
}

// fill makes the answer about one resource.
func (s *slot) fill(r *snapshot.Resource, body bool) {
	s.of.TypeUrl, s.of.Name, s.of.Version = r.Type.URL(), r.Name, r.Version
	s.answer.Resource, s.answer.From, s.answer.Placeholder, s.answer.Size = &s.of, object.Texts(r.From), r.Placeholder, uint32(len(r.Body()))
	if len(r.Needs) > 0 {
		s.answer.Needs = make([]string, len(r.Needs))
	}
	for i, need := range r.Needs {
		s.answer.Needs[i] = need.String()
	}
	if body {
		s.answer.Body = redact.View(r)
	}
}
