package main

import (
	"context"
	"fmt"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	statusservice "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
	"legation.dev/xds/snapshot"
)

// status reads what an Envoy has acknowledged, as grpcurl does.
type status struct {
	conn   *grpc.ClientConn
	client statusservice.ClientStatusDiscoveryServiceClient
	ask    *statusservice.ClientStatusRequest
}

func newStatus(address, node string) (*status, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	exact := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: node}}
	return &status{conn: conn, client: statusservice.NewClientStatusDiscoveryServiceClient(conn),
		ask: &statusservice.ClientStatusRequest{Node: &corev3.Node{}, ExcludeResourceContents: true,
			NodeMatchers: []*matcherv3.NodeMatcher{{NodeId: exact}}}}, nil
}

func (s *status) close() error { return s.conn.Close() }

// acknowledged are the versions that the Envoy runs, by type URL and name. It is
// empty while the Envoy is not connected.
func (s *status) acknowledged(ctx context.Context) (map[[2]string]string, error) {
	answer, err := s.client.FetchClientStatus(ctx, s.ask, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	versions := map[[2]string]string{}
	for _, envoy := range answer.Config {
		for _, r := range envoy.GenericXdsConfigs {
			if e := r.ErrorState; e != nil {
				return nil, fmt.Errorf("Envoy rejects %s %s: %s", r.TypeUrl, r.Name, e.Details)
			}
			if r.ConfigStatus == statusservice.ConfigStatus_SYNCED {
				versions[[2]string{r.TypeUrl, r.Name}] = r.VersionInfo
			}
		}
	}
	return versions, nil
}

const (
	// pollEvery is the pause between two looks at what Envoy has acknowledged.
	pollEvery = 2 * time.Millisecond
	// landTime is how long a change may take before the demo gives up.
	landTime = 30 * time.Second
)

// landed waits until Envoy runs what the folder says. What that is, this process
// finds out by translating the folder itself: equal manifests give equal versions.
func (s *demo) landed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, landTime)
	defer cancel()
	changes, err := dir.Read(s.folder.path)
	if err != nil {
		return err
	}
	result := translator.Translate(translator.Result{}, input.View{}.With(changes...))
	for _, p := range result.Problems(time.Now()) {
		return p
	}
	fleet, ok := result.Fleet(input.DefaultClass)
	if !ok {
		return fmt.Errorf("the manifests have no IngressClass %s", input.DefaultClass)
	}
	for {
		have, err := s.status.acknowledged(ctx)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, s.legation.log)
		}
		lacks := lacking(fleet.Snapshot, have)
		if lacks == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("Envoy still lacks %v: %w\n%s", lacks, ctx.Err(), s.legation.log)
		case <-time.After(pollEvery):
		}
	}
}

// lacking is a resource that have lacks, or a virtual host that should be gone;
// nil if there is none. Clusters linger for some seconds on purpose.
func lacking(want snapshot.Snapshot, have map[[2]string]string) *snapshot.Ref {
	for t := range snapshot.Types() {
		for name, r := range want.Of(t).All() {
			if have[[2]string{t.URL(), name}] != r.Version {
				return &snapshot.Ref{Type: t, Name: name}
			}
		}
	}
	for key := range have {
		if key[0] == snapshot.VirtualHost.URL() && !want.Of(snapshot.VirtualHost).Has(key[1]) {
			return &snapshot.Ref{Type: snapshot.VirtualHost, Name: key[1]}
		}
	}
	return nil
}
