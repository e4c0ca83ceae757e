//go:build real

package incluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"legation.dev/test/inprocess"
	"legation.dev/translator"
	"legation.dev/translator/input"
	source "legation.dev/watcher/kube"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

// relistEvery is how long Settle waits for one state of the API server before it
// reads the next.
const relistEvery = 500 * time.Millisecond

// Settle waits until every replica that runs has translated what the API server
// holds, and every Envoy runs exactly that. What a replica holds back, such as a
// path that moves to pods which are not there yet, is waited for.
func (s *Stack) Settle(ctx context.Context) error {
	for {
		err := s.settled(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// settled waits for the state that the API server holds now.
func (s *Stack) settled(ctx context.Context) error {
	round, cancel := context.WithTimeout(ctx, relistEvery)
	defer cancel()
	want, err := s.want(round)
	if err != nil {
		<-round.Done() // the API server may be away
		return err
	}
	return inprocess.Await(round, func() error { return s.run(round, want) })
}

// want is the full translation of what the API server holds.
func (s *Stack) want(ctx context.Context) (snapshot.Snapshot, error) {
	view := input.View{}.WithStandIn(s.standIn)
	for _, list := range s.lists(ctx) {
		objects, err := list()
		if err != nil {
			return snapshot.Snapshot{}, err
		}
		err = meta.EachListItem(objects, func(o runtime.Object) error {
			view = view.With(source.Reduce(o))
			return nil
		})
		if err != nil {
			return snapshot.Snapshot{}, err
		}
	}
	fleet, ok := translator.Translate(translator.Result{}, view).Fleet(s.options.Class)
	if !ok {
		return snapshot.Snapshot{}, fmt.Errorf("the API server holds no class %s", s.options.Class)
	}
	return fleet.Snapshot, nil
}

// lists read each kind.
func (s *Stack) lists(ctx context.Context) []func() (runtime.Object, error) {
	c, all := s.Kube.Client(), metav1.ListOptions{}
	return []func() (runtime.Object, error){
		func() (runtime.Object, error) { return c.NetworkingV1().IngressClasses().List(ctx, all) },
		func() (runtime.Object, error) { return c.NetworkingV1().Ingresses("").List(ctx, all) },
		func() (runtime.Object, error) { return c.CoreV1().Services("").List(ctx, all) },
		func() (runtime.Object, error) { return c.DiscoveryV1().EndpointSlices("").List(ctx, all) },
		func() (runtime.Object, error) { return c.CoreV1().Secrets("").List(ctx, all) },
		func() (runtime.Object, error) { return c.CoreV1().ConfigMaps("").List(ctx, all) },
	}
}

// run is an error if not all Envoys run what is wanted, or a replica here has
// translated something else.
func (s *Stack) run(ctx context.Context, want snapshot.Snapshot) error {
	connected := map[string]bool{} // where it is led to
	for _, r := range s.Replicas {
		if r.Plane != nil {
			if f, ok := r.Plane.Result().Fleet(s.options.Class); !ok || f.Snapshot.Digest() != want.Digest() {
				return fmt.Errorf("replica %s has not translated what the API server holds", r.Address)
			}
		}
		list, err := r.envoys(ctx)
		if err != nil {
			return err
		}
		for _, e := range list {
			connected[e.id] = connected[e.id] || s.leads(e.id, r)
			if refs := fleet.Due(want, e.status); len(refs) > 0 {
				return fmt.Errorf("%s lacks %d resources: %.300v", e.id, len(refs), refs)
			}
		}
	}
	return s.all(connected)
}

// leads reports whether an Envoy is led to a replica.
func (s *Stack) leads(id string, to *Replica) bool {
	return slices.ContainsFunc(s.Envoys, func(e *Envoy) bool { return e.ID == id && e.XDS.leads() == to.Address })
}

// all is an error if an Envoy has ended or is not connected.
func (s *Stack) all(connected map[string]bool) error {
	var errs []error
	for _, e := range s.Envoys {
		if err := e.Err(); err != nil {
			errs = append(errs, err)
		} else if !connected[e.ID] {
			errs = append(errs, fmt.Errorf("%s is not connected", e.ID))
		}
	}
	return errors.Join(errs...)
}

// askStatus asks a replica what its Envoys run.
func askStatus(ctx context.Context, conn *grpc.ClientConn) (list []running, err error) {
	client := statusv3.NewClientStatusDiscoveryServiceClient(conn)
	answer, err := client.FetchClientStatus(ctx, &statusv3.ClientStatusRequest{ExcludeResourceContents: true})
	if err != nil {
		return nil, err
	}
	for _, c := range answer.Config {
		list = append(list, running{c.Node.Id, statusOf(c)})
	}
	return list, nil
}

// statusOf is what an Envoy runs, as far as the versions go.
func statusOf(c *statusv3.ClientConfig) (s delta.Status) {
	for t := range snapshot.Types() {
		s.Types[t].Requested = true // what is there to be requested, and was not, is missing
	}
	for _, x := range c.GenericXdsConfigs {
		t, ok := snapshot.TypeOf(x.TypeUrl)
		if !ok {
			continue
		}
		if x.VersionInfo != "" {
			s.Types[t].Have = s.Types[t].Have.Set(x.Name, snapshot.FromBytes(t, x.Name, x.VersionInfo, nil, snapshot.Meta{}))
		}
		if x.ErrorState != nil {
			s.Types[t].Rejected = append(s.Types[t].Rejected, delta.Rejection{Name: x.Name})
		}
	}
	return s
}
