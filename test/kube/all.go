//go:build real

package kube

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// All are the objects of every kind that are in a namespace, or in none.
func (c *Cluster) All(ctx context.Context, namespace string) (all []unstructured.Unstructured, err error) {
	kinds, err := c.client.Discovery().ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	for _, list := range kinds {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, kind := range list.APIResources {
			if !slices.Contains(kind.Verbs, "list") {
				continue
			}
			var of dynamic.ResourceInterface = c.dynamic.Resource(version.WithResource(kind.Name))
			if kind.Namespaced {
				of = c.dynamic.Resource(version.WithResource(kind.Name)).Namespace(namespace)
			}
			found, err := of.List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, err
			}
			all = append(all, found.Items...)
		}
	}
	return all, nil
}
