package route

import (
	"net/http"
	"slices"
)

// Other is a name that a host has beside its own, unless a rule of any object is for it.
type Other struct {
	Name string
	// Redirect: the name sends to the host. Else it is an alias, served as the host is.
	Redirect bool
	Field    string // that says so
}

// Owners are the fragments that make the virtual host of a name, oldest first: those with
// a rule for it, which members gives. Where there is none, they are those of the host that
// has the name beside its own, as one of calling says, as if their rules were for the
// name. Which host that is is returned, else empty. Of several a redirect wins, then the
// first by name.
func Owners(name string, members func(host string) []*Fragment, calling []*Fragment) (list []*Fragment, of string) {
	if list = members(name); len(list) > 0 {
		return list, ""
	}
	var hosts []string
	for _, f := range calling {
		for _, h := range f.Hosts {
			hosts = append(hosts, h.Name)
		}
	}
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		called, redirect := called(members(host), host, name)
		if called != nil && (of == "" || redirect) {
			list, of = called, host
		}
		if redirect {
			break
		}
	}
	return list, of
}

// called is what owners of a host say of it, oldest first, as if it were about another
// name that they give it; nil if they do not. Of aliases, those of the oldest owner that
// has any are in force; a redirect comes before an alias.
func called(owners []*Fragment, host, name string) (list []*Fragment, redirect bool) {
	aliases, aliased := false, false
	for _, f := range owners {
		own := f.Host(host).Others
		redirect = redirect || slices.ContainsFunc(own, func(o Other) bool { return o.Redirect && o.Name == name })
		if !aliases {
			aliases = slices.ContainsFunc(own, func(o Other) bool { return !o.Redirect })
			aliased = slices.ContainsFunc(own, func(o Other) bool { return !o.Redirect && o.Name == name })
		}
	}
	if !redirect && !aliased {
		return nil, false
	}
	for _, f := range owners {
		list = append(list, f.as(host, name, redirect))
	}
	return list, redirect
}

// as is f with what it says of a host for another name: the same, or to be sent to the
// host. A wildcard takes names of any number of labels then.
func (f *Fragment) as(host, name string, redirect bool) *Fragment {
	one, of := *f, *f.Host(host)
	of.Name, of.Deep, of.Others = name, true, nil
	if redirect {
		to := &Action{Redirect: &Redirect{Status: http.StatusPermanentRedirect, Host: host}}
		of = Host{Name: name, TLS: of.TLS}
		one.Policy, one.Guards, one.Fallback, one.Lends = nil, nil, to, to
	}
	one.Hosts = []Host{of}
	return &one
}
