//go:build real

package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Endpoints are the addresses in a Service's slices, by what they can do, as the
// endpointslice controller wrote them.
type Endpoints struct {
	Ready       []string
	Terminating []string // and serving
}

// EndpointsOf reads the slices of a Service out of all of its namespace.
func EndpointsOf(slices []*discoveryv1.EndpointSlice, service string) (e Endpoints) {
	for _, s := range slices {
		if s.Labels[discoveryv1.LabelServiceName] != service {
			continue
		}
		for _, p := range s.Endpoints {
			switch {
			case *p.Conditions.Ready:
				e.Ready = append(e.Ready, p.Addresses...)
			case *p.Conditions.Serving && *p.Conditions.Terminating:
				e.Terminating = append(e.Terminating, p.Addresses...)
			}
		}
	}
	return e
}

// AwaitEndpoints waits until a Service has so many endpoints of each sort.
func (c *Cluster) AwaitEndpoints(ctx context.Context, namespace, service string, ready, terminating int) (now Endpoints, err error) {
	err = Await(ctx, c.client.DiscoveryV1().EndpointSlices(namespace), func(all []*discoveryv1.EndpointSlice) error {
		now = EndpointsOf(all, service)
		if len(now.Ready) != ready || len(now.Terminating) != terminating {
			return fmt.Errorf("Service %s/%s has %+v; want %d ready, %d terminating", namespace, service, now, ready, terminating)
		}
		return nil
	})
	return now, err
}

// AwaitServed waits until Deployments have all their pods ready and no old ones,
// and the slices of the Services of the same names say so, which is later.
func (c *Cluster) AwaitServed(ctx context.Context, deployments ...*appsv1.Deployment) error {
	if err := c.AwaitReady(ctx, deployments...); err != nil {
		return err
	}
	for _, d := range deployments {
		if _, err := c.AwaitEndpoints(ctx, d.Namespace, d.Name, int(*d.Spec.Replicas), 0); err != nil {
			return err
		}
	}
	return nil
}
