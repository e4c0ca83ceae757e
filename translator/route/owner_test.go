package route_test

import (
	"reflect"
	"slices"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// checkOwned: whose a name is, told anew for a class without host-owners; each fragment
// whose rules are not served is told at the host, and nobody else.
func checkOwned(t *testing.T, host string, class *route.Class, of route.Tenure, found []finding.Finding, list []*route.Fragment) {
	t.Helper()
	claimants := claims(host, list).Fragments
	for _, f := range claimants {
		told := slices.ContainsFunc(found, func(p finding.Finding) bool {
			return p.Object == f.Origin.Object && p.Code == finding.HostOwned && p.Field == f.Names(host).Field
		})
		if served := slices.Contains(of.Served, f); served == told {
			t.Errorf("%s: %s is served: %t, told: %t", host, f.Origin.Object, served, told)
		}
	}
	if len(class.Settings.HostOwners) > 0 {
		return
	}
	shared := class.Settings.HostOwnership == policy.SharedHosts
	wildcard, below := route.Wildcard(host)
	want := ""
	var above []*route.Fragment
	if below {
		above = claims(wildcard, list).Fragments
	}
	for _, f := range claimants { // the oldest that no older wildcard of others is above
		if shared || len(above) == 0 || f.Origin.Object.Namespace == above[0].Origin.Object.Namespace || route.Older(f, above[0]) < 0 {
			want = f.Origin.Object.Namespace
			break
		}
	}
	if want == "" && len(above) > 0 {
		want = above[0].Origin.Object.Namespace
	}
	if of.Owner != want {
		t.Errorf("%s belongs to %q, want %q", host, of.Owner, want)
	}
	for _, f := range of.Served {
		if !shared && f.Origin.Object.Namespace != want {
			t.Errorf("%s: %s is served at a host of %s", host, f.Origin.Object, want)
		}
	}
}

// alone are the fragments without those of other namespaces than the owner of a host; false
// if the owner has none for it.
func alone(host string, of route.Tenure, list []*route.Fragment) ([]*route.Fragment, bool) {
	mine := slices.DeleteFunc(slices.Clone(list), func(f *route.Fragment) bool { return !of.Owns(f) })
	return mine, len(claims(host, mine).Fragments) > 0
}

// checkAlone: where hosts are not shared, what an owner's host answers is what it would
// answer if there were nobody else.
func checkAlone(t *testing.T, host string, class *route.Class, mine, list []*route.Fragment) {
	t.Helper()
	if class.Settings.HostOwnership == policy.SharedHosts || len(class.Settings.HostOwners) > 0 || host == route.Any {
		return
	}
	before, _ := merged(host, class, mine)
	after, _ := merged(host, class, list)
	for _, vh := range []*route.VirtualHost{before, after} { // deeper names are no names of the host
		vh.Routes = slices.DeleteFunc(slices.Clone(vh.Routes), func(r route.Route) bool { return r.Deeper != "" })
	}
	if !reflect.DeepEqual(before.Routes, after.Routes) || before.Chain != after.Chain {
		t.Errorf("%s: others change it:\n%+v\n%+v", host, before, after)
	}
}

// TestTenure has what random fragments do not meet.
func TestTenure(t *testing.T) {
	at := func(namespace string, hours int, host string) *route.Fragment {
		f := fragment(object.KindIngress, namespace, hours, route.ByElement)
		f.Origin.Object.Namespace, f.Hosts = namespace, []route.Host{{Name: host, Field: "host"}}
		return f
	}
	kept := func(f *route.Fragment, lapsed bool) []route.Claim {
		c := f.Claim()
		c.Lapsed = lapsed
		return []route.Claim{c}
	}
	one := func(list ...*route.Fragment) []*route.Fragment { return list }
	const host, wildcard = "x.shop.example.com", "*.shop.example.com"
	for _, c := range []struct {
		name      string
		settings  map[string]string
		of, above route.Claims
		owner     string
		served    []string // namespaces
		codes     []finding.Code
	}{
		{"the older wildcard", nil, route.Claims{Fragments: one(at("b", 2, host))}, route.Claims{Fragments: one(at("a", 1, wildcard))}, "a", nil, []finding.Code{finding.HostOwned, finding.HostClaimed}},
		{"the younger wildcard", nil, route.Claims{Fragments: one(at("b", 1, host))}, route.Claims{Fragments: one(at("a", 2, wildcard))}, "b", []string{"b"}, nil},
		{"the wildcard, shared", map[string]string{"host-ownership": "shared"}, route.Claims{Fragments: one(at("b", 2, host))}, route.Claims{Fragments: one(at("a", 1, wildcard))}, "b", []string{"b"}, nil},
		{"gone", nil, route.Claims{Fragments: one(at("b", 2, host)), Kept: kept(at("a", 1, host), true)}, route.Claims{}, "a", nil, []finding.Code{finding.HostOwned}},
		{"a wildcard gone", nil, route.Claims{Fragments: one(at("b", 2, host))}, route.Claims{Kept: kept(at("a", 1, wildcard), true)}, "a", nil, []finding.Code{finding.HostOwned}},
		{"made anew", nil, route.Claims{Fragments: one(at("b", 2, host), at("a", 3, host)), Kept: kept(at("a", 1, host), false)}, route.Claims{}, "a", []string{"a"},
			[]finding.Code{finding.HostOwned, finding.HostClaimed, finding.HostRemembered}},
		{"made anew below a wildcard", nil, route.Claims{Fragments: one(at("a", 3, host)), Kept: kept(at("a", 1, host), false)}, route.Claims{Fragments: one(at("b", 2, wildcard))}, "a", []string{"a"},
			[]finding.Code{finding.HostRemembered}},
		{"opened", map[string]string{"host-owners": host + "=b+solvers"}, route.Claims{Fragments: one(at("solvers", 1, host), at("b", 2, host))}, route.Claims{Fragments: one(at("a", 0, wildcard))}, "b", []string{"solvers", "b"},
			[]finding.Code{finding.HostShared, finding.HostClaimed}},
		{"opened below a wildcard", map[string]string{"host-owners": wildcard + "=*"}, route.Claims{Fragments: one(at("b", 2, host), at("c", 3, host))}, route.Claims{Fragments: one(at("a", 0, wildcard))}, "b", []string{"b", "c"},
			[]finding.Code{finding.HostShared, finding.HostClaimed}},
		{"kept for others", map[string]string{"host-owners": host + "=z"}, route.Claims{Fragments: one(at("b", 2, host))}, route.Claims{}, "", nil, []finding.Code{finding.HostOwned}},
	} {
		overrides, errs := policy.OfClass(object.Ref{}, c.settings)
		class := &route.Class{Settings: policy.Defaults().With(overrides)}
		c.of.Host, c.above.Host = host, wildcard
		got := class.Tenure(c.of, c.above)
		var served []string
		for _, f := range got.Served {
			served = append(served, f.Origin.Object.Namespace)
		}
		var codes []finding.Code
		for _, f := range got.Found {
			codes = append(codes, f.Code)
		}
		if got.Owner != c.owner || !slices.Equal(served, c.served) || !slices.Equal(codes, c.codes) || len(errs) > 0 {
			t.Errorf("%s: belongs to %q, serves %q, tells %q %v", c.name, got.Owner, served, codes, errs)
		}
	}
}

// TestPublicSuffix: a wildcard over everybody's names is not served, unless the class
// names it. Names of private networks have no suffix that everybody shares.
func TestPublicSuffix(t *testing.T) {
	for host, served := range map[string]bool{
		"*.com": false, "*.co.uk": false, "*.github.io": false, "*.ck": false, "*.foo.ck": false, "*.kawasaki.jp": false,
		"*.example.com": true, "*.test": true, "*.internal": true, "*.cluster.local": true, "com": true,
	} {
		f := fragment(object.KindIngress, "a", 0, route.ByElement)
		f.Hosts = []route.Host{{Name: host, Field: "host"}}
		of := route.Claims{Host: host, Fragments: []*route.Fragment{f}}
		class := &route.Class{Settings: policy.Defaults()}
		if got := class.Tenure(of, route.Claims{}); (len(got.Served) > 0) != served || (len(got.Found) == 0) != served {
			t.Errorf("%s: served %v, told %v", host, got.Served, got.Found)
		}
		overrides, _ := policy.OfClass(object.Ref{}, map[string]string{"host-owners": host + "=shop"})
		class.Settings = class.Settings.With(overrides)
		if got := class.Tenure(of, route.Claims{}); len(got.Served) == 0 {
			t.Errorf("%s is named, but not served: %v", host, got.Found)
		}
	}
}
