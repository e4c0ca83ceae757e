package admin

import (
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/xds/admin/adminv1"
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
	bytes  int // of the list, about
	// What the messages of this page are made of: an allocation for all of each.
	room  []slot
	body  []anypb.Any
	lines []string
	text  strings.Builder // of lines
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
	p.fill(one, r)
	if body {
		one.answer.Body = p.shown(r)
	}
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
	// What is sent stays as it is.
	p.list, p.bytes = make([]*adminv1.ResourcesResponse, 0, len(p.list)), 0
	size := p.text.Len()
	p.text = strings.Builder{}
	p.text.Grow(size)
	return p.stream.Send(first)
}

// fill makes the answer about one resource.
func (p *page) fill(s *slot, r *snapshot.Resource) {
	s.of.TypeUrl, s.of.Name, s.of.Version = r.Type.URL(), r.Name, r.Version
	s.answer.Resource, s.answer.Placeholder, s.answer.Size = &s.of, r.Placeholder, uint32(len(r.Body()))
	s.answer.From, s.answer.Needs = lines(p, r.From), lines(p, r.Needs)
}

// shown is the body of a resource as people may see it.
func (p *page) shown(r *snapshot.Resource) *anypb.Any {
	if len(p.body) == 0 {
		p.body = make([]anypb.Any, p.most)
	}
	a := &p.body[0]
	p.body = p.body[1:]
	a.TypeUrl, a.Value = r.Type.URL(), r.Shown()
	return a
}

// lines are the texts of a list.
func lines[T interface{ Write(*strings.Builder) }](p *page, list []T) []string {
	if len(list) == 0 {
		return nil
	}
	if cap(p.lines)-len(p.lines) < len(list) {
		p.lines = make([]string, 0, max(p.most, len(list)))
	}
	first := len(p.lines)
	for _, one := range list {
		from := p.text.Len()
		one.Write(&p.text)
		p.lines = append(p.lines, p.text.String()[from:])
	}
	return p.lines[first:len(p.lines):len(p.lines)]
}
