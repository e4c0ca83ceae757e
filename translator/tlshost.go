package translator

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"legation.dev/translator/input"
)

// A host has a filter chain exactly if a TLS section names it, whatever becomes
// of the Secret.

// tlsUse is the TLS section that decides over a host's certificate: the first
// of the oldest Ingress that names the host. Others that name another Secret
// are told.
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

// tlsUses yields the TLS sections that name host, those of the oldest Ingress
// first.
func tlsUses(v input.View, c class, host string) iter.Seq[secretUse] {
	return func(yield func(secretUse) bool) {
		for _, o := range c.members(v.IngressesOfHost(host)) {
			for i, t := range o.TLS {
				use := secretUse{ref: o.Ref(), file: o.File, field: indexed("spec.tls", i) + ".secretName"}
				if t.Secret != "" {
					use.key = o.Namespace + "/" + t.Secret
				}
				if slices.Contains(t.Hosts, host) && !yield(use) {
					return
				}
			}
		}
	}
}

// hasChain says whether a TLS section names host.
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
	_, parent, ok := strings.Cut(host, ".")
	if !ok || strings.HasPrefix(host, "*") {
		return "", false
	}
	return "*." + parent, hasChain(v, c, "*."+parent)
}

// defaultUse is the class setting that names the default certificate; false if
// the node's own is used.
func (c class) defaultUse() (secretUse, bool) {
	if c.settings.DefaultTLSSecret == "" {
		return secretUse{}, false
	}
	return secretUse{ref: c.config, file: c.file, field: "data.default-tls-secret", key: c.settings.DefaultTLSSecret}, true
}
