//go:build real

package source

import (
	"context"
	"errors"
	"flag"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/translator/worlds"

	watcher "legation.dev/watcher/kube"
)

var changes = flag.Int("changes", 1000, "how many random changes are written")

// TestReplicas: after each of many random changes two replicas come to rest at
// the full translation of what the API server holds; and one view never gives
// two results, on whichever replica it is met.
func TestReplicas(t *testing.T) {
	world(t)
	c := watcher.Config{Namespaces: []string{worlds.Namespace, worlds.OtherSpace}}
	seen := &digests{of: map[pmap.Sum]pmap.Sum{}}
	replicas := []*replica{start(t, c, seen), start(t, c, seen)}
	w := worlds.New(1, worlds.Size{Services: 8, Endpoints: 3, Ingresses: 8, TLS: 0.5, Traced: true})
	written, refused := 0, 0
	for _, change := range w.All() {
		write(limited(t), t, change)
	}
	now := truth(limited(t), t, c.Namespaces...)
	for written < *changes {
		change := w.Random()
		if leavesHistory(change) {
			continue
		}
		ctx := limited(t)
		if !write(ctx, t, change) {
			refused++
			continue
		}
		written++
		now[change.Ref] = fetch(ctx, t, change.Ref)
		if written == *changes {
			now = truth(ctx, t, c.Namespaces...) // the whole, once more
		}
		for _, r := range replicas {
			r.await(ctx, t, is(now.digest()))
		}
	}
	t.Logf("%d changes written, %d refused by the API server; %d views", written, refused, len(seen.of))
	if refused > written {
		t.Errorf("most changes were refused")
	}
}

// world makes the namespaces of a World, and has what is in them deleted, with its
// classes.
func world(t testing.TB) {
	t.Helper()
	for _, n := range []string{worlds.Namespace, worlds.OtherSpace} {
		if err := cluster.Apply(limited(t), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
		defer cancel()
		if err := empty(ctx); err != nil {
			t.Error(err)
		}
	})
}

// empty deletes all objects of a World.
func empty(ctx context.Context) error {
	client := cluster.Client()
	errs := []error{deleteAll(ctx, client.NetworkingV1().IngressClasses().DeleteCollection)}
	for _, n := range []string{worlds.Namespace, worlds.OtherSpace} {
		errs = append(errs, deleteAll(ctx, client.NetworkingV1().Ingresses(n).DeleteCollection),
			deleteServices(ctx, n),
			deleteAll(ctx, client.DiscoveryV1().EndpointSlices(n).DeleteCollection),
			deleteAll(ctx, client.CoreV1().Secrets(n).DeleteCollection),
			deleteAll(ctx, client.CoreV1().ConfigMaps(n).DeleteCollection))
	}
	return errors.Join(errs...)
}

// deleteServices deletes one by one: the typed client knows no other way.
func deleteServices(ctx context.Context, namespace string) error {
	services := cluster.Client().CoreV1().Services(namespace)
	list, err := services.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, s := range list.Items {
		if err := services.Delete(ctx, s.Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// deleteAll deletes what there is of a kind. 30,000 objects take the API server longer
// than it gives one request: it says so, and has deleted a part.
func deleteAll(ctx context.Context, of func(context.Context, metav1.DeleteOptions, metav1.ListOptions) error) error {
	for {
		err := of(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		if !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err) || ctx.Err() != nil {
			return err
		}
	}
}

// write writes a change; false if the API server refuses it.
func write(ctx context.Context, t testing.TB, c input.Change) bool {
	t.Helper()
	var err error
	if c.Deleted {
		err = cluster.Delete(ctx, objectOf(c))
	} else {
		err = cluster.Apply(ctx, objectOf(c))
	}
	if err != nil && !apierrors.IsInvalid(err) {
		t.Fatal(err)
	}
	return err == nil
}

// leavesHistory reports whether the result depends on what was before: a class or
// its settings that are gone or have become wrong stay as they were, and where two
// namespaces want a name, the one that had it keeps it.
func leavesHistory(c input.Change) bool {
	switch o := c.Object.(type) {
	case *input.ConfigMap:
		_, mistakes := policy.OfClass(o.Ref(), o.Data)
		return len(mistakes) > 0
	case *input.Ingress:
		return o.Namespace != worlds.Namespace
	case nil:
		return c.Ref.Kind == object.KindIngressClass || c.Ref.Kind == object.KindConfigMap
	}
	return false
}
