//go:build real

package status

import (
	"bytes"
	"log/slog"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/kube"
)

// rights are those that the comment of package watcher/status lists, for a user who
// serves one namespace.
func rights(namespace, user string) []kube.Object {
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	named := func(r rbacv1.PolicyRule, names ...string) rbacv1.PolicyRule {
		r.ResourceNames = names
		return r
	}
	const coordination, networking, events, core, discovery = "coordination.k8s.io", "networking.k8s.io", "events.k8s.io", "", "discovery.k8s.io"
	inNamespace := []rbacv1.PolicyRule{
		rule(coordination, "leases", "create"), named(rule(coordination, "leases", "get", "update"), "legation"),
		rule(networking, "ingresses", "get", "list", "watch"), rule(networking, "ingresses/status", "patch"),
		rule(events, "events", "create", "patch"),
		named(rule(core, "services", "get", "list", "watch"), "edge"), rule(core, "pods", "list", "watch"),
		rule(core, "services", "get"), rule(core, "secrets", "get"), rule(core, "configmaps", "get"), rule(discovery, "endpointslices", "get"),
	}
	everywhere := []rbacv1.PolicyRule{rule(core, "nodes", "list", "watch"), rule(networking, "ingressclasses", "get")}
	meta := func(namespace string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: user} }
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
	to := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: user}
	}
	return []kube.Object{
		&rbacv1.Role{ObjectMeta: meta(namespace), Rules: inNamespace},
		&rbacv1.RoleBinding{ObjectMeta: meta(namespace), Subjects: subjects, RoleRef: to("Role")},
		&rbacv1.Role{ObjectMeta: meta(metav1.NamespaceDefault), Rules: []rbacv1.PolicyRule{rule(events, "events", "create", "patch")}},
		&rbacv1.RoleBinding{ObjectMeta: meta(metav1.NamespaceDefault), Subjects: subjects, RoleRef: to("Role")},
		&rbacv1.ClusterRole{ObjectMeta: meta(""), Rules: everywhere},
		&rbacv1.ClusterRoleBinding{ObjectMeta: meta(""), Subjects: subjects, RoleRef: to("ClusterRole")},
	}
}

// errorLog keeps all that is logged, at every level.
type errorLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *errorLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write takes a line.
func (l *errorLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *errorLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
