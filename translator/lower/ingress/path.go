package ingress

import (
	"strings"

	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// maxPath bounds a path in bytes; no client sends a longer one (browsers and
// proxies stop at 2 to 8 KiB) and it bounds what one Ingress can cost Envoy.
const maxPath = 4096

// match is the match of a path, or what is wrong with it. The rules are those of
// the API server's validation; ? and # can be in no path. An empty path is all.
func match(p input.Path) (m route.Match, wrong string) {
	m = route.Match{Kind: route.Prefix, Path: p.Path}
	strict := p.Type == input.PathExact || p.Type == input.PathPrefix
	if p.Type == input.PathExact {
		m.Kind = route.Exact
	}
	if p.Path == "" && !strict {
		m.Path = "/"
	}
	switch {
	case !strings.HasPrefix(m.Path, "/"):
		return m, "does not begin with /"
	case strings.ContainsAny(m.Path, "?#"), strings.ContainsFunc(m.Path, unprintable):
		return m, "contains what no path of a request can contain"
	case strict && len(input.BadInPath(m.Path)) > 0:
		return m, "contains //, /./, /../ or %2F"
	case len(m.Path) > maxPath:
		return m, "is longer than 4096 bytes"
	}
	return m, ""
}

func unprintable(r rune) bool { return r <= ' ' || r == 0x7f || r == '�' }
