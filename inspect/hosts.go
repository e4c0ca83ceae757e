package inspect

import (
	"slices"

	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// ofHosts are what no object shows by itself: what one says of a host that others share.
func ofHosts(r translator.Result) (list []finding.Problem) {
	for fleet := range r.Fleets() {
		seen := map[string]bool{}
		for o := range fleet.Ingresses() {
			for _, h := range o.Fragment().Hosts {
				if !seen[h.Name] {
					seen[h.Name] = true
					list = append(list, ofHost(fleet, h.Name)...)
				}
			}
		}
	}
	return list
}

func ofHost(fleet *translator.Fleet, host string) (list []finding.Problem) {
	of, class := fleet.Tenure(host), fleet.Class()
	for _, f := range of.Served {
		at := f.Host(host)
		if at == nil {
			continue
		}
		if by := class.ClosedBy(of, f); by != nil {
			list = append(list, finding.ClosedByAnother.Of(f.At(at.Field), host, by.Origin.Object, host))
		}
		if others := beside(of, f, host); at.Server.Regex && of.Owns(f) && others > 0 {
			list = append(list, finding.HostPatterns.Of(f.At(at.Field), host, host, others))
		}
	}
	if f := lends(of, host); f != nil && class.Settings.Compatible() {
		list = append(list, finding.HostLends.Of(f.At(f.Host(host).Field), host, host))
	}
	return append(list, clientsOf(fleet, of, host)...)
}

// beside counts the other objects at a host that do not say themselves that its paths are
// patterns.
func beside(of route.Tenure, f *route.Fragment, host string) (n int) {
	for _, other := range of.Served {
		if at := other.Host(host); other != f && at != nil && !at.Server.Regex {
			n++
		}
	}
	return n
}

// lends is the oldest object of the owner of a host, if it asks for anything and no rule
// has the path /.
func lends(of route.Tenure, host string) *route.Fragment {
	var first *route.Fragment
	for _, f := range of.Served {
		at := f.Host(host)
		if at == nil {
			continue
		}
		if slices.ContainsFunc(at.Rules, func(r route.Rule) bool { return r.Path == "/" }) {
			return nil
		}
		if first == nil && of.Owns(f) {
			first = f
		}
	}
	if first == nil || len(first.Policy) == 0 && first.Measures == nil && first.Lends == nil && len(first.Guards) == 0 {
		return nil
	}
	return first
}

// clientsOf tells the other objects of a host that client certificates cannot be checked,
// which closes all of it.
func clientsOf(fleet *translator.Fleet, of route.Tenure, host string) (list []finding.Problem) {
	asks, by := route.ClientsOf(host, of)
	if asks == nil || len(of.Served) < 2 {
		return nil
	}
	if vh := fleet.VirtualHost(host); vh == nil || vh.Clients == nil || !vh.Clients.Closed {
		return nil
	}
	for _, f := range of.Served {
		if at := f.Host(host); f != by && at != nil {
			list = append(list, finding.ClosedByAnother.Of(f.At(at.Field), host, by.Origin.Object, "https of "+host))
		}
	}
	return list
}
