package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	statusservice "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

// clientStatus tells people what each Envoy has acknowledged and rejected.
// Secret values are redacted.
type clientStatus struct {
	statusservice.UnimplementedClientStatusDiscoveryServiceServer
	server *Server
}

// maxConfigs bounds one answer, in resources of all Envoys in it: about 100 MB
// without their contents. A thousand Envoys with 30,000 resources each must be
// asked for one by one.
const maxConfigs = 1_000_000

// FetchClientStatus answers once.
func (c clientStatus) FetchClientStatus(_ context.Context, r *statusservice.ClientStatusRequest) (*statusservice.ClientStatusResponse, error) {
	matches, err := nodeMatcher(r.GetNodeMatchers())
	if err != nil {
		return nil, err
	}
	bodies := bodyCache{}
	if r.GetExcludeResourceContents() {
		bodies = nil
	}
	out, total, why := new(statusservice.ClientStatusResponse), 0, c.server.whyWaiting()
	for _, e := range c.server.fleets.Envoys() {
		if !matches(e.ID) {
			continue
		}
		config := clientConfig(e, bodies, why)
		if total += len(config.GenericXdsConfigs); total > maxConfigs {
			return nil, status.Errorf(codes.ResourceExhausted, "more than %d resources: choose Envoys by node_matchers", maxConfigs)
		}
		out.Config = append(out.Config, config)
	}
	return out, nil
}

// StreamClientStatus answers each request once.
func (c clientStatus) StreamClientStatus(g statusservice.ClientStatusDiscoveryService_StreamClientStatusServer) error {
	left := make(chan struct{})
	defer close(left)
	requests := receive(c.server, left, g.Recv)
	for {
		select {
		case r := <-requests:
			if r.err != nil {
				return endOf(r.err)
			}
			answer, err := c.FetchClientStatus(g.Context(), r.message)
			if err != nil {
				return err
			}
			if err := g.Send(answer); err != nil {
				return err
			}
		case <-c.server.stopping:
			return errStopping
		}
	}
}

// whyWaiting is why nothing is published at all; empty if something is.
func (s *Server) whyWaiting() string {
	select {
	case <-s.store.Ready():
		return ""
	default:
	}
	why := "nothing is published yet"
	if s.sourceWaiting != nil {
		if list := s.sourceWaiting(); len(list) > 0 {
			why += ": " + strings.Join(list, "; ")
		}
	}
	return why
}

// clientConfig is the answer of one Envoy; why is that of whyWaiting.
func clientConfig(e fleet.Envoy, bodies bodyCache, why string) *statusservice.ClientConfig {
	out := &statusservice.ClientConfig{
		Node: &corev3.Node{Id: e.ID, Cluster: e.Fleet, UserAgentName: "envoy",
			UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: e.Version},
			Locality:             &corev3.Locality{Region: e.Region, Zone: e.Zone, SubZone: e.SubZone}},
		ClientScope: scopeOf(e, why, time.Now()),
	}
	for _, r := range resourceStates(e.Status) {
		out.GenericXdsConfigs = append(out.GenericXdsConfigs, r.config(bodies))
	}
	return out
}

// lateAfter is Envoy's own fetch timeout: a response that is not answered so
// long waits for something that does not warm.
const lateAfter = 15 * time.Second

// scopeOf says which of an Envoy's streams this is, and what is wrong with it.
func scopeOf(e fleet.Envoy, why string, now time.Time) string {
	text := fmt.Sprintf("stream from %s since %s", e.Peer, e.Since.UTC().Format(time.RFC3339))
	switch {
	case e.Waiting && why != "":
		text += "; waiting: " + why
	case e.Waiting:
		text += fmt.Sprintf("; waiting: there is no fleet %q", e.Fleet)
	}
	for t := range snapshot.Types() {
		if since := e.Status.Types[t].Since; !since.IsZero() && now.Sub(since) > lateAfter {
			text += fmt.Sprintf("; late: %s is unanswered since %s", t, since.UTC().Format(time.RFC3339))
		}
	}
	return text
}

// resourceState is what one Envoy has of one resource.
type resourceState struct {
	kind    snapshot.Type
	name    string
	version string             // what it runs; "" if nothing
	running *snapshot.Resource // nil if the body is not known
	state   adminv3.ClientResourceStatus
	sync    statusservice.ConfigStatus
	failed  *failure // the last rejection of this name, if its version is still wanted
}

// failure is a rejected version.
type failure struct {
	version string
	details string
	at      time.Time
}

func (r resourceState) config(bodies bodyCache) *statusservice.ClientConfig_GenericXdsConfig {
	out := &statusservice.ClientConfig_GenericXdsConfig{TypeUrl: r.kind.URL(), Name: r.name, VersionInfo: r.version,
		ClientStatus: r.state, ConfigStatus: r.sync, XdsConfig: bodies.of(r.running)}
	if f := r.failed; f != nil {
		out.ErrorState = &adminv3.UpdateFailureState{VersionInfo: f.version, Details: f.details, LastUpdateAttempt: timestamppb.New(f.at)}
	}
	return out
}

// bodyCache holds the redacted bodies of one answer, since Envoys share most
// of them. A nil cache leaves contents out.
type bodyCache map[*snapshot.Resource]*anypb.Any

func (c bodyCache) of(r *snapshot.Resource) *anypb.Any {
	if c == nil || r == nil {
		return nil
	}
	if c[r] == nil {
		c[r] = r.View()
	}
	return c[r]
}
