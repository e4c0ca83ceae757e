package route

import (
	"fmt"
	"strings"

	"legation.dev/pmap"
	"legation.dev/translator/policy"
)

// Usage is what the objects of a namespace cost: how much is made of them, whoever else is
// there.
type Usage struct{ Hosts, Routes, TLSHosts, Bytes int }

// Plus is u + n × other. n may be negative.
func (u Usage) Plus(other Usage, n int) Usage {
	return Usage{u.Hosts + n*other.Hosts, u.Routes + n*other.Routes, u.TLSHosts + n*other.TLSHosts, u.Bytes + n*other.Bytes}
}

// Sum identifies the usage.
func (u Usage) Sum() pmap.Sum {
	return pmap.SumOf(fmt.Sprint(u))
}

// What a resource has beside the texts of its object, in bytes, measured on what is made:
// a virtual host or a route without settings, and a TLS host with its part of the listener.
const (
	hostBytes  = 600
	routeBytes = 250
	tlsBytes   = 1200
)

// Cost is what the object by itself costs. Rules of a host are charged for each name that
// it has; one whose host is a wildcard for the rules without a host that are copied to it.
// A solver's object costs nothing, so that a namespace over its budget can still have its
// certificates renewed. lent is that of Host.Ends.
func (f *Fragment) Cost(lent bool) (u Usage) {
	if f.Withheld || f.Solves() {
		return u
	}
	settings := len(f.Policy.String())
	for i := range f.Hosts {
		h := &f.Hosts[i]
		one := Usage{Hosts: 1, Routes: len(h.Rules), Bytes: hostBytes + len(h.Name)}
		if strings.HasPrefix(h.Name, "*.") {
			one.Routes, one.Bytes = one.Routes+mostDeeper, one.Bytes+mostDeeper*routeBytes
		}
		for j := range h.Rules {
			one.Bytes += routeBytes + 2*len(h.Rules[j].Path) + settings
		}
		if h.Ends(lent) {
			one.TLSHosts, one.Bytes = 1, one.Bytes+tlsBytes
		}
		u = u.Plus(one, 1+len(h.Others))
	}
	return u
}

// Solves reports whether all rules of an object are those by which an issuer of
// certificates looks.
func (f *Fragment) Solves() bool {
	for i := range f.Hosts {
		for j := range f.Hosts[i].Rules {
			if path := f.Hosts[i].Rules[j].Path; !strings.HasPrefix(path, ACME) || len(path) > maxToken {
				return false
			}
		}
		if len(f.Hosts[i].Rules) != 1 || len(f.Hosts[i].Others) > 0 || len(f.Hosts[i].TLS) > 0 {
			return false
		}
	}
	return len(f.Hosts) == 1 && f.CatchAll == nil
}

// maxToken is the longest path of a solver, in bytes: tokens of RFC 8555 have 43.
const maxToken = 256

// Over is the first budget of a namespace that a usage is above; empty if it is above none.
// percent of each is what may be used.
func (u Usage) Over(b policy.NamespaceBudget, percent int) (what string, used, most int) {
	for _, one := range []struct {
		what string
		used int
		most uint32
	}{{"namespace-hosts", u.Hosts, b.NamespaceHosts}, {"namespace-routes", u.Routes, b.NamespaceRoutes},
		{"namespace-tls-hosts", u.TLSHosts, b.NamespaceTLSHosts}, {"namespace-bytes", u.Bytes, b.NamespaceBytes}} {
		if one.most > 0 && one.used*100 > int(one.most)*percent {
			return one.what, one.used, int(one.most)
		}
	}
	return "", 0, 0
}
