package ingress

import (
	"strings"

	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// maxPath is the longest path that a rule may have, in bytes. Longer ones have no use in
// practice, as browsers and proxies accept URLs of 2 to 8 KiB only. Without a limit, one
// Ingress could take a lot of Envoy's memory.
const maxPath = 4096

// match returns the route match for a path, or in wrong why the path is refused. The
// rules are those of the API server's validation. A path with ? or # is refused too,
// since the path of a request never contains them. An empty path of type
// ImplementationSpecific matches every request.
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
	case strings.ContainsFunc(m.Path, unprintable):
		return m, "contains what no path of a request can contain"
	case strict && len(input.BadInPath(m.Path)) > 0:
		return m, "contains //, /./, /../ or %2F"
	case len(m.Path) > maxPath:
		return m, "is longer than 4096 bytes"
	}
	return m, ""
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == '�' }
