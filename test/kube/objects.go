//go:build real

package kube

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

const (
	// fieldManager is who writes what Apply writes.
	fieldManager = "test"
	// cleanupTimeout bounds the deletion of a test's namespace, which is only
	// begun.
	cleanupTimeout = 10 * time.Second
	// tokenLifetime is longer than any test, in seconds.
	tokenLifetime = 24 * 60 * 60
)

// Namespace makes a namespace for a test, with the account that pods need, and
// has it deleted when the test ends.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	namespaces := c.client.CoreV1().Namespaces()
	n, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := c.deleteNamespace(ctx, n.Name); err != nil {
			t.Error(err)
		}
	})
	if err := c.awaitAccount(t.Context(), n.Name); err != nil {
		t.Fatal(err)
	}
	return n.Name
}

// deleteNamespace begins the deletion. Ingresses go first, so that nothing routes
// to what is taken away.
func (c *Cluster) deleteNamespace(ctx context.Context, name string) error {
	err := c.client.NetworkingV1().Ingresses(name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	if err != nil {
		return err
	}
	return c.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
}

// awaitAccount waits for the account without which no pod is admitted.
func (c *Cluster) awaitAccount(ctx context.Context, namespace string) error {
	return Await(ctx, c.client.CoreV1().ServiceAccounts(namespace), func(all []*corev1.ServiceAccount) error {
		for _, a := range all {
			if a.Name == "default" {
				return nil
			}
		}
		return fmt.Errorf("namespace %s has no account named default", namespace)
	})
}

// ServiceAccount is an account that exists, by a token of its own.
func (c *Cluster) ServiceAccount(ctx context.Context, namespace, name string) (*rest.Config, error) {
	seconds := int64(tokenLifetime)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	answer, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	config := c.anonymous()
	config.BearerToken = answer.Status.Token
	return config, nil
}

// Apply writes objects in order, as `kubectl apply --server-side --force-conflicts`
// would. Each gets the generation and age that it has in the API server by then: AwaitReady
// waits for the former.
func (c *Cluster) Apply(ctx context.Context, objects ...Object) error {
	for _, o := range objects {
		u, at, err := c.resource(o)
		if err != nil {
			return err
		}
		now, err := at.Apply(ctx, o.GetName(), u, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", u.GetKind(), keyOf(o), err)
		}
		o.SetGeneration(now.GetGeneration())
		o.SetCreationTimestamp(now.GetCreationTimestamp())
	}
	return nil
}

// Delete deletes objects in order; those that are not there are no error. What
// they own goes with them.
func (c *Cluster) Delete(ctx context.Context, objects ...Object) error {
	background := metav1.DeletePropagationBackground
	for _, o := range objects {
		u, at, err := c.resource(o)
		if err != nil {
			return err
		}
		err = at.Delete(ctx, o.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting %s %s: %w", u.GetKind(), keyOf(o), err)
		}
	}
	return nil
}

// resource is an object as it is written, and where.
func (c *Cluster) resource(o Object) (*unstructured.Unstructured, dynamic.ResourceInterface, error) {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		return nil, nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(kinds[0])
	u.SetManagedFields(nil)
	u.SetResourceVersion("")
	u.SetUID("")
	unstructured.RemoveNestedField(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(content, "metadata", "generation")
	return u, c.at(u), nil
}

// at is where an object is.
func (c *Cluster) at(u *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(u.GroupVersionKind())
	if u.GetNamespace() == "" {
		return c.dynamic.Resource(plural)
	}
	return c.dynamic.Resource(plural).Namespace(u.GetNamespace())
}

// Port is the port of what Web makes; PortName is its name.
const (
	Port     = 8080
	PortName = "http"
)

// Web is a Deployment whose pods answer on Port as test/echo does, and the
// Service of the same name for them. Grace is how long a deleted pod serves on,
// in whole seconds; at least one.
func Web(namespace, name string, pods int32, grace time.Duration) (*appsv1.Deployment, *corev1.Service) {
	labels := map[string]string{LabelService: name}
	seconds := max(1, int64(grace.Seconds()))
	m := metav1.ObjectMeta{Namespace: namespace, Name: name}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &seconds, Containers: []corev1.Container{{Name: "echo", Image: "echo",
			Ports: []corev1.ContainerPort{{Name: PortName, ContainerPort: Port, Protocol: corev1.ProtocolTCP}}}}}}
	deployment := &appsv1.Deployment{ObjectMeta: m,
		Spec: appsv1.DeploymentSpec{Replicas: &pods, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template}}
	service := &corev1.Service{ObjectMeta: m, Spec: corev1.ServiceSpec{Selector: labels,
		Ports: []corev1.ServicePort{{Name: PortName, Port: Port, TargetPort: intstr.FromString(PortName), Protocol: corev1.ProtocolTCP}}}}
	return deployment, service
}

// AwaitReady waits until Deployments have all their pods
// ready and no old ones.
func (c *Cluster) AwaitReady(ctx context.Context, deployments ...*appsv1.Deployment) error {
	for _, d := range deployments {
		err := Await(ctx, c.client.AppsV1().Deployments(d.Namespace), func(all []*appsv1.Deployment) error {
			for _, now := range all {
				if now.Name == d.Name && now.Generation >= d.Generation {
					return complete(now)
				}
			}
			return fmt.Errorf("no Deployment %s of generation %d", keyOf(d), d.Generation)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func complete(d *appsv1.Deployment) error {
	want, s := *d.Spec.Replicas, d.Status
	if s.ObservedGeneration >= d.Generation && s.Replicas == want && s.UpdatedReplicas == want && s.AvailableReplicas == want {
		return nil
	}
	return fmt.Errorf("Deployment %s: generation %d of %d observed; of %d pods: %d there, %d updated, %d available; %s",
		keyOf(d), s.ObservedGeneration, d.Generation, want, s.Replicas, s.UpdatedReplicas, s.AvailableReplicas, conditions(d))
}

// conditions are those of a Deployment, in their order.
func conditions(d *appsv1.Deployment) string {
	var all []string
	for _, c := range d.Status.Conditions {
		all = append(all, fmt.Sprintf("%s=%s: %s", c.Type, c.Status, c.Message))
	}
	return strings.Join(all, "; ")
}
