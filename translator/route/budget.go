package route

import (
	"fmt"
	"math"
	"strings"

	"legation.dev/pmap"
	"legation.dev/translator/policy"
)

// Usage is what objects of a namespace cost, by budget: how much is made of them, whoever
// else is there.
type Usage [Budgets]int

// The budgets of a namespace, in the order in which an object is told of one that it does
// not fit into.
const (
	Hosts = iota
	Routes
	TLSHosts
	Bytes // of resources made
	Budgets
)

// BudgetName is the setting that a budget is.
func BudgetName(budget int) string {
	return [Budgets]string{"namespace-hosts", "namespace-routes", "namespace-tls-hosts", "namespace-bytes"}[budget]
}

// Limits are what percent of the budgets come to; a budget that is 0 is any number.
func Limits(b policy.NamespaceBudget, percent int) (most Usage) {
	for i, n := range [Budgets]uint32{b.NamespaceHosts, b.NamespaceRoutes, b.NamespaceTLSHosts, b.NamespaceBytes} {
		if most[i] = int(n) * percent / 100; n == 0 {
			most[i] = math.MaxInt
		}
	}
	return most
}

// Plus is u + n × other. n may be negative.
func (u Usage) Plus(other Usage, n int) Usage {
	for i := range u {
		u[i] += n * other[i]
	}
	return u
}

// Over is the first budget that a usage is above; false if it is above none.
func (u Usage) Over(most Usage) (budget int, over bool) {
	for i := range u {
		if u[i] > most[i] {
			return i, true
		}
	}
	return 0, false
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
			one = one.Plus(Usage{Routes: 1, Bytes: routeBytes}, mostDeeper)
		}
		for j := range h.Rules {
			one[Bytes] += routeBytes + 2*len(h.Rules[j].Path) + settings
		}
		if h.Ends(lent) {
			one = one.Plus(Usage{TLSHosts: 1, Bytes: tlsBytes}, 1)
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
