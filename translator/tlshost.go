package translator

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"legation.dev/translator/input"
)

// A host has a filter chain exactly if an Ingress with a rule for it has a TLS
// section for it, whatever becomes of the Secret. A TLS section alone counts for
// nothing: whoever could claim a host by one could redirect everybody's hosts, and
// answer for them with a certificate of his own.

// tlsUse is the TLS section that decides over a host's certificate: the first
// of the oldest Ingress that has one for the host. Others that name another
// Secret are told.
func tlsUse(v input.View, c class, host string) (use secretUse, found []finding, ok bool) {
	if !validTLSHost(host) {
		return secretUse{}, nil, false
	}
	for other := range tlsUses(v, c, host) {
		switch {
		case !ok:
			use, ok = other, true
		case other.key != use.key:
			found = append(found, about(other.ref, other.file, other.field, other.key,
				fmt.Sprintf("%s names host %s too and is older; Secret %s serves it", use.ref, host, use.key)))
		}
	}
	return use, found, ok
}

// tlsUses yields the TLS sections for host, those of the oldest Ingress first.
func tlsUses(v input.View, c class, host string) iter.Seq[secretUse] {
	return func(yield func(secretUse) bool) {
		for _, o := range c.members(v.IngressesOfHost(host)) {
			for _, i := range tlsSections(o, host) {
				if !yield(sectionUse(o, i)) {
					return
				}
			}
		}
	}
}

func sectionUse(o *input.Ingress, section int) secretUse {
	use := secretUse{ref: o.Ref(), file: o.File, field: indexed("spec.tls", section) + ".secretName"}
	if secret := o.TLS[section].Secret; secret != "" {
		use.key = o.Namespace + "/" + secret
	}
	return use
}

// tlsSections are the TLS sections of o for a host: none without a rule for the
// host; those that name it, else those that name the wildcard it falls under.
func tlsSections(o *input.Ingress, host string) []int {
	if !slices.ContainsFunc(o.Rules, func(r input.Rule) bool { return r.Host == host }) {
		return nil
	}
	named := func(name string) (list []int) {
		for i, t := range o.TLS {
			if slices.Contains(t.Hosts, name) {
				list = append(list, i)
			}
		}
		return list
	}
	list := named(host)
	if wildcard, ok := wildcardOf(host); ok && len(list) == 0 {
		list = named(wildcard)
	}
	return list
}

// tlsHosts yields the hosts of o that a TLS section of it counts for, each with
// those sections.
func tlsHosts(o *input.Ingress) iter.Seq2[string, []int] {
	return func(yield func(string, []int) bool) {
		if len(o.TLS) == 0 {
			return
		}
		for _, r := range o.Rules {
			if !validTLSHost(r.Host) {
				continue
			}
			if list := tlsSections(o, r.Host); len(list) > 0 && !yield(r.Host, list) {
				return
			}
		}
	}
}

// covers says whether a host that a TLS section names counts for any rule of o.
func covers(o *input.Ingress, named string) bool {
	return slices.ContainsFunc(o.Rules, func(r input.Rule) bool {
		wildcard, ok := wildcardOf(r.Host)
		return r.Host == named || ok && wildcard == named
	})
}

// wildcardOf is the wildcard that a host falls under; one that is a wildcard
// itself falls under none.
func wildcardOf(host string) (string, bool) {
	_, parent, ok := strings.Cut(host, ".")
	if !ok || strings.HasPrefix(host, "*") {
		return "", false
	}
	return "*." + parent, true
}

// hasChain says whether a TLS section counts for host.
func hasChain(v input.View, c class, host string) bool {
	for range tlsUses(v, c, host) {
		return validTLSHost(host)
	}
	return false
}

// chainOf is the chain that serves a host by TLS: its own, or that of the
// wildcard it falls under.
func chainOf(v input.View, c class, host string) (string, bool) {
	if hasChain(v, c, host) {
		return host, true
	}
	wildcard, ok := wildcardOf(host)
	return wildcard, ok && hasChain(v, c, wildcard)
}

// defaultUse is the class setting that names the default certificate; false if
// the node's own is used.
func (c class) defaultUse() (secretUse, bool) {
	if c.settings.DefaultTLSSecret == "" {
		return secretUse{}, false
	}
	return secretUse{ref: c.config, file: c.file, field: "data.default-tls-secret", key: c.settings.DefaultTLSSecret}, true
}
