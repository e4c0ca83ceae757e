// Package identity says who is at the other end of the wire, by certificates.
//
// The xDS stream carries private keys, so both ends prove who they are by mutual
// TLS. Use a dedicated CA: any certificate that it signs is trusted. A name in the
// certificate, a URI in the form of SPIFFE, says what its owner may do:
//
//	spiffe://legation.dev/control-plane   a replica: Envoys accept it, and it may ask other replicas
//	spiffe://legation.dev/fleet/CLASS     an Envoy whose node.cluster is that IngressClass
//	spiffe://legation.dev/operator        a person: may look at everything but keys
//	spiffe://legation.dev/approver        a person: may also approve, pause and resume
//
// A Folder holds a pair and the CAs and follows their change; a Gate lets clients
// into a gRPC server, or refuses them with a status that says why; Dial is the
// client's side. An Authority makes certificates.
//
// Start reading at Gate.
package identity

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
)

// TrustDomain is the host of all names. It is the same in every installation: what
// tells them apart is their CA.
const TrustDomain = "legation.dev"

// ServerName is the DNS name in a certificate of ControlPlane, for programs such as
// grpcurl that look for one. Envoys and replicas go by the URI.
const ServerName = "legation"

const fleetPath = "/fleet/"

// ControlPlane, Operator and Approver are names; Fleet makes those of Envoys.
var (
	ControlPlane = name("/control-plane")
	Operator     = name("/operator")
	Approver     = name("/approver")
)

// Fleet is the name of the Envoys of an IngressClass.
func Fleet(class string) *url.URL { return name(fleetPath + class) }

func name(path string) *url.URL { return &url.URL{Scheme: "spiffe", Host: TrustDomain, Path: path} }

// Names are what the URIs of a certificate say of its owner.
type Names struct {
	ControlPlane, Operator, Approver bool

	Fleets []string // classes
}

// NamesOf reads a certificate. URIs that are not ours say nothing.
func NamesOf(c *x509.Certificate) (n Names) {
	for _, u := range c.URIs {
		class, isFleet := strings.CutPrefix(u.Path, fleetPath)
		switch {
		case u.String() != name(u.Path).String(): // another's, or with a query, an escape, a port
		case u.Path == ControlPlane.Path:
			n.ControlPlane = true
		case u.Path == Operator.Path:
			n.Operator = true
		case u.Path == Approver.Path:
			n.Approver = true
		case isFleet && class != "":
			n.Fleets = append(n.Fleets, class)
		}
	}
	return n
}

// none reports whether nothing was said.
func (n Names) none() bool {
	return !n.ControlPlane && !n.Operator && !n.Approver && len(n.Fleets) == 0
}

// serves reports whether its owner is an Envoy of a fleet.
func (n Names) serves(fleet string) bool { return slices.Contains(n.Fleets, fleet) }
