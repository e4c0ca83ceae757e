// Package certificates keeps the Secrets of the wire between Envoys and control plane:
// it makes those that are missing, and renews pairs and CA before they end.
//
// What is to be written follows from the Secrets that there are and from the time alone
// (plan.go); Keeper reads and writes them. It never replaces a CA by one with another
// key, and where there are pairs without the Secret of their CA it leaves all as it is: they
// are somebody else's.
//
// The rights that it needs, in the namespace of the Secrets:
//
//	(core)  secrets  get, create, update
//
// Start reading at plan.
package certificates

import (
	"net/url"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/xds/identity"
)

// Set is which Secrets belong to an installation.
type Set struct {
	Namespace string
	// Release is what their names begin with.
	Release string
	// Classes are those whose Envoys have a pair.
	Classes []string
}

// Owner is who has a pair: the Secret, and the name in its certificate.
type Owner struct {
	Secret string
	Name   *url.URL
}

// Authority is the name of the Secret of the CA.
func (s Set) Authority() string { return s.Release + "-xds-ca" }

// ControlPlane is the name of the Secret of the replicas.
func (s Set) ControlPlane() string { return s.Release + "-xds" }

// Tickets is the name of the Secret that the keys of session tickets are made of.
func (s Set) Tickets() string { return s.Release + "-session-tickets" }

// Owners are all who have a pair, in order.
func (s Set) Owners() []Owner {
	list := []Owner{{s.ControlPlane(), identity.ControlPlane}, {s.Release + "-xds-operator", identity.Operator}, {s.Release + "-xds-approver", identity.Approver}}
	for _, class := range s.Classes {
		list = append(list, Owner{s.Release + "-xds-envoy-" + class, identity.Fleet(class)})
	}
	return list
}

// Names are those of all Secrets.
func (s Set) Names() []string {
	list := []string{s.Authority(), s.Tickets()}
	for _, o := range s.Owners() {
		list = append(list, o.Secret)
	}
	return list
}

// Secret is a new Secret with a pair, and with the CAs that its owner trusts, if any.
func (s Set) Secret(name string, p identity.Pair, roots []byte) *corev1.Secret {
	data := map[string][]byte{identity.CertificateFile: p.Certificate, identity.KeyFile: p.Key}
	if roots != nil {
		data[identity.CAFile] = roots
	}
	return &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace}, Type: corev1.SecretTypeTLS, Data: data}
}
