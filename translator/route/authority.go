package route

import "strings"

// FindHost is the name of the virtual host that takes an authority, among the names that
// are served: the host itself, else the longest wildcard above it, else Any. Port, case
// and a trailing dot are ignored. False means that no virtual host takes it.
func FindHost(authority string, served func(name string) bool) (string, bool) {
	host, _ := cutPort(undotted(authority))
	host = strings.ToLower(host)
	if host != Any && served(host) {
		return host, true
	}
	for i := 1; i < len(host); i++ { // a wildcard matches one character at least
		if wildcard := "*" + host[i:]; host[i] == '.' && served(wildcard) {
			return wildcard, true
		}
	}
	return Any, served(Any)
}

// undotted is an authority without the dot at the end of its host.
func undotted(authority string) string {
	i := strings.LastIndexByte(authority, '.')
	if i >= 0 && (i == len(authority)-1 || authority[i+1] == ':') {
		return authority[:i] + authority[i+1:]
	}
	return authority
}

// cutPort splits an authority before the colon of its port. It does not check that a
// number follows.
func cutPort(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.LastIndexByte(authority, ']') > i {
		return authority, ""
	}
	return authority[:i], authority[i:]
}

// oneLabelBelow reports whether an authority has exactly one label in place of the star
// of a wildcard. A port must be a number.
func oneLabelBelow(wildcard, authority string) bool {
	host, port := cutPort(authority)
	if port != "" && strings.Trim(port, "0123456789") != ":" || port == ":" {
		return false
	}
	suffix := strings.TrimPrefix(wildcard, "*")
	label := len(host) - len(suffix)
	return label > 0 && strings.EqualFold(host[label:], suffix) && !strings.Contains(host[:label], ".")
}
