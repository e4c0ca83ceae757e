package admin

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
)

// Answers are what is told of objects by those who know them. Each may be nil: then the
// method is not there.
type Answers struct {
	Certificates func(fleet, host string) []*adminv1.Certificate
	Plan         func(manifests []byte, deleted []string) (*adminv1.PlanResponse, error)
	Elsewhere    func(namespace string) []*adminv1.Elsewhere
	// Unknown says that there is no such object, or, of a Ref with a namespace alone, none in
	// that, and which may have been meant; empty if there is.
	Unknown func(object.Ref) string
	// Why also says which replicas were asked.
	Why func(context.Context, *adminv1.WhyRequest) ([]*structpb.Struct, []*adminv1.Replica, error)
}

// Certificates lists what clients are shown.
func (s *Service) Certificates(_ context.Context, r *adminv1.CertificatesRequest) (*adminv1.CertificatesResponse, error) {
	if s.Answers.Certificates == nil {
		return nil, status.Error(codes.Unimplemented, "certificates are not known here")
	}
	list := s.Answers.Certificates(r.GetFleet(), r.GetHost())
	return &adminv1.CertificatesResponse{Instance: s.Instance, Certificates: list}, s.unless(len(list) > 0, r.GetFleet(), object.Ref{})
}

// unless is why an answer of a fleet, and of an object or of a namespace, is empty: one of them is
// not known here, and a name with a typo must not look like one that nothing is wrong with. Empty
// ones are not asked for; there is no error if something was found.
func (s *Service) unless(found bool, fleet string, of object.Ref) error {
	if found {
		return nil
	}
	if fleet != "" {
		if _, err := s.fleet(fleet); err != nil {
			return err
		}
	}
	if of == (object.Ref{}) || s.Answers.Unknown == nil {
		return nil
	}
	if why := s.Answers.Unknown(of); why != "" {
		return status.Error(codes.NotFound, why)
	}
	return nil
}

// maxManifests bounds what is planned, in bytes. It is translated beside what is served.
const maxManifests = 1 << 20

// Plan says what would become different. One is made at a time: each may take as long as a
// pass, and the loop has the other processors.
func (s *Service) Plan(ctx context.Context, r *adminv1.PlanRequest) (*adminv1.PlanResponse, error) {
	out, err := s.plan(r)
	count := s.counting(ctx)
	for _, f := range out.GetFleets() {
		count(f.GetName(), f.GetCloses())
	}
	return out, err
}

func (s *Service) plan(r *adminv1.PlanRequest) (*adminv1.PlanResponse, error) {
	switch {
	case s.Answers.Plan == nil:
		return nil, status.Error(codes.Unimplemented, "nothing can be planned here")
	case len(r.GetManifests()) > maxManifests:
		return nil, status.Errorf(codes.InvalidArgument, "%d bytes of manifests, at most %d are planned", len(r.GetManifests()), maxManifests)
	case !s.planning.TryLock():
		return nil, status.Error(codes.ResourceExhausted, "somebody else is planning: try again in a moment")
	}
	defer s.planning.Unlock()
	out, err := s.Answers.Plan(r.GetManifests(), r.GetDeleted())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	out.Instance = s.Instance
	return out, nil
}

// Why says what becomes of a request.
func (s *Service) Why(ctx context.Context, r *adminv1.WhyRequest) (*adminv1.WhyResponse, error) {
	if s.Answers.Why == nil {
		return nil, status.Error(codes.Unimplemented, "requests are not decided here")
	}
	fleets, replicas, err := s.Answers.Why(ctx, r)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &adminv1.WhyResponse{Instance: s.Instance, Fleets: fleets, Replicas: replicas}, s.unless(len(fleets) > 0, r.GetFleet(), object.Ref{})
}
