//go:build real

package kube

import (
	"context"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	watchtools "k8s.io/client-go/tools/watch"
	sigsyaml "sigs.k8s.io/yaml"
)

// Define gives the API server kinds that it does not have of itself: a
// CustomResourceDefinition in each file. It returns when all of them are served.
func (c *Cluster) Define(ctx context.Context, files ...string) error {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		u := &unstructured.Unstructured{}
		if err := sigsyaml.UnmarshalStrict(text, &u.Object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		at := c.at(u)
		if _, err := at.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := awaitEstablished(ctx, at, u.GetName()); err != nil {
			return fmt.Errorf("%s: waiting until the kind is served: %w", file, err)
		}
	}
	return nil
}

// awaitEstablished waits until a CustomResourceDefinition has the condition with
// which its kind is served.
func awaitEstablished(ctx context.Context, of dynamic.ResourceInterface, name string) error {
	w, err := of.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name}) // it begins with the object as it is
	if err != nil {
		return err
	}
	_, err = watchtools.UntilWithoutRetry(ctx, w, func(e watch.Event) (bool, error) {
		u, ok := e.Object.(*unstructured.Unstructured)
		return ok && established(u), nil
	})
	return err
}

func established(definition *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions") // none before it was looked at
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
			return true
		}
	}
	return false
}
