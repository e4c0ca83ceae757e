//go:build real

package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"legation.dev/test/envoy"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/worlds"

	watcher "legation.dev/watcher/kube"
)

// account is one with the rights of a file of deploy/.
func account(ctx context.Context, t testing.TB, file string) *rest.Config {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	config, remove, err := cluster.Rights(ctx, filepath.Join(root, "deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := remove(ctx); err != nil {
			t.Error(err)
		}
	})
	return config
}

// forbidden is how many requests the API server has refused for lack of rights.
func forbidden(ctx context.Context, t testing.TB) float64 {
	t.Helper()
	n, err := cluster.Forbidden(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRights: the rights of deploy/ are enough to follow what is served, in the
// cluster and in some namespaces only, and the API server refuses nothing.
func TestRights(t *testing.T) {
	for file, namespaces := range map[string][]string{
		"rbac.yaml":                 nil,
		"manifests/namespaces.yaml": {worlds.Namespace, "legation"},
	} {
		t.Run(file, func(t *testing.T) {
			world(t)
			ctx := limited(t)
			config := account(ctx, t, file)
			before := forbidden(ctx, t)
			r := start(t, watcher.Config{REST: config, Namespaces: namespaces}, nil)
			for _, c := range worlds.New(4, worlds.Size{Services: 2, Endpoints: 2, Ingresses: 4, TLS: 0.5}).All() {
				write(ctx, t, c)
			}
			r.await(ctx, t, is(truth(ctx, t, worlds.Namespace).digest()))
			r.awaitWaiting(ctx, t, false)
			if n := forbidden(ctx, t) - before; n > 0 {
				t.Errorf("the API server refused %v requests", n)
			}
		})
	}
}

// TestRightsWithdrawn: rights that are taken away take nothing else away, the
// source says which it lacks, and finds what changed when they are back.
func TestRightsWithdrawn(t *testing.T) {
	world(t)
	ctx := limited(t)
	config := account(ctx, t, "rbac.yaml")
	r := start(t, watcher.Config{REST: config}, nil)
	w := worlds.New(5, worlds.Size{Services: 4, Endpoints: 2, Ingresses: 4, TLS: 1})
	for _, c := range w.All() {
		write(ctx, t, c)
	}
	r.await(ctx, t, is(truth(ctx, t, worlds.Namespace).digest()))
	role, err := cluster.Client().RbacV1().ClusterRoles().Get(ctx, "legation-legation-objects", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := r.counted()
	less := role.DeepCopy()
	less.Rules = []rbacv1.PolicyRule{{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses"}, Verbs: []string{"list", "watch"}}}
	if less, err = cluster.Client().RbacV1().ClusterRoles().Update(ctx, less, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := cluster.APIServer.Kill(); err != nil { // open watches would go on
		t.Fatal(err)
	}
	restart(ctx, t, cluster.APIServer)
	for len(r.source.Waiting()) != 4 || r.source.Waiting()[0].Text == "" {
		if ctx.Err() != nil {
			t.Fatalf("the source waits for %v", r.source.Waiting())
		}
		r.awaitWaiting(ctx, t, true)
	}
	if n := r.counted() - before; n > 0 {
		t.Errorf("the loss of rights led to %d translations", n)
	}
	less.Rules = role.Rules
	if _, err = cluster.Client().RbacV1().ClusterRoles().Update(ctx, less, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	write(ctx, t, w.Endpoint(0))
	write(ctx, t, w.Secret(1))
	r.await(ctx, t, is(truth(ctx, t, worlds.Namespace).digest()))
	r.awaitWaiting(ctx, t, false)
}

// TestRightsInPart: a namespace that is gone with its rights, and Secrets of another that may
// not be read, keep a start from nothing else, are told as what they are, and come when the
// rights do.
func TestRightsInPart(t *testing.T) {
	world(t)
	ctx := limited(t)
	config := account(ctx, t, "manifests/namespaces.yaml")
	for _, c := range worlds.New(6, worlds.Size{Services: 2, Endpoints: 2, Ingresses: 4, TLS: 1}).All() {
		write(ctx, t, c)
	}
	rbac := cluster.Client().RbacV1()
	full, err := rbac.RoleBindings(worlds.Namespace).Get(ctx, "legation-legation", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "no-secrets"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"},
		Resources: []string{"ingresses", "services", "endpointslices", "configmaps"}, Verbs: []string{"get", "list", "watch"}}}}
	less := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: worlds.Namespace, Name: "part"}, Subjects: full.Subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: part.Name}}
	if err := errors.Join(cluster.Delete(ctx, full), cluster.Apply(ctx, part, less)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Delete(context.Background(), part, less) })
	r := start(t, watcher.Config{REST: config, Namespaces: []string{worlds.Namespace, "legation", "gone"}, Refused: 200 * time.Millisecond}, nil)
	r.await(ctx, t, func(result translator.Result) error {
		count := map[finding.Code]int{}
		for _, p := range result.Problems(time.Now()) {
			count[p.Code]++
		}
		fleets := 0
		for range result.Fleets() {
			fleets++
		}
		// Of the namespace that is gone five kinds, of the other Secrets.
		if count[finding.KindRefused] != 6 || count[finding.SecretNotRead] == 0 || count[finding.NoSecret] > 0 || fleets == 0 {
			return fmt.Errorf("%d fleets, Problems %v", fleets, count)
		}
		return nil
	})
	if since := r.source.FollowedSince(time.Now().Add(time.Hour)); since.After(time.Now()) {
		t.Error("no hold will end because of what may not be read")
	}
	gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}
	again := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "gone", Name: full.Name}, Subjects: full.Subjects, RoleRef: full.RoleRef}
	back := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: worlds.Namespace, Name: full.Name}, Subjects: full.Subjects, RoleRef: full.RoleRef}
	if err := cluster.Apply(ctx, gone, again, back); err != nil {
		t.Fatal(err)
	}
	r.await(ctx, t, is(truth(ctx, t, worlds.Namespace).digest()))
	r.awaitWaiting(ctx, t, false)
	r.await(ctx, t, func(result translator.Result) error {
		for _, p := range result.Problems(time.Now()) {
			if p.Code == finding.KindRefused {
				return p
			}
		}
		return nil
	})
}
