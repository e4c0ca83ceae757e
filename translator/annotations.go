package translator

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

// nginxPrefix of the annotations of ingress-nginx.
const nginxPrefix = "nginx.ingress.kubernetes.io/"

// restricts says whether an Ingress limits who may reach its paths by an
// annotation that is not honoured yet: its paths must then not be served openly.
func restricts(o *input.Ingress) bool {
	for key, value := range o.Annotations {
		if name, ok := strings.CutPrefix(key, nginxPrefix); ok && restricted(name, value) != "" {
			return true
		}
	}
	return false
}

// restricted is what an annotation of ingress-nginx restricts; empty for
// nothing, by its name or by its value. One that nobody knows is judged by its
// name, to be safe.
func restricted(name, value string) string {
	if a, ok := nginxAnnotationOf(name); ok {
		if a.restricts == "" || restrictsNobody(name, strings.TrimSpace(value)) {
			return ""
		}
		return a.restricts
	}
	if strings.HasPrefix(name, "auth-") || strings.HasSuffix(name, "-source-range") {
		return "access"
	}
	return ""
}

// restrictsNobody says whether an annotation lets everybody in with this value,
// as cert-manager writes one for its solver.
func restrictsNobody(name, value string) bool {
	switch {
	case strings.HasPrefix(name, "enable-"):
		on, err := strconv.ParseBool(value)
		return err == nil && !on
	case name == "auth-tls-verify-client":
		return value == "off"
	case name == "denylist-source-range":
		return value == ""
	case strings.HasSuffix(name, "-source-range"):
		return value == "" || allowsEverybody(value)
	}
	return false
}

// allowsEverybody says whether a list of addresses contains all of them. One
// that is for IPv4 only is meant so, too: whoever wrote it keeps nobody out. A
// list with anything in it that is no range is for nginx to refuse, not for us to
// open.
func allowsEverybody(list string) bool {
	all := false
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if _, notOne := netip.ParseAddr(text); err != nil && notOne != nil {
			return false
		}
		all = all || err == nil && prefix.Bits() == 0 && prefix.Addr().Is4()
	}
	return all
}

// canary says that an Ingress takes a share of another one's requests.
const canary = "canary"

// isCanary says whether an Ingress is a canary. It is withheld from routing: as
// an Ingress of its own it would take all requests of the path, or none.
func isCanary(o *input.Ingress) bool {
	on, err := strconv.ParseBool(strings.TrimSpace(o.Annotations[nginxPrefix+canary]))
	return err == nil && on
}

func nginxAnnotationOf(name string) (nginxAnnotation, bool) {
	i, ok := slices.BinarySearchFunc(nginxAnnotations, name,
		func(a nginxAnnotation, n string) int { return strings.Compare(a.name, n) })
	if !ok {
		return nginxAnnotation{}, false
	}
	return nginxAnnotations[i], true
}

// checkIngress is what is wrong with an Ingress by itself: annotations that are
// not honoured, and hosts that are none.
func checkIngress(c class, o *input.Ingress) []finding {
	overrides, errs := policy.OfIngress(o.Ref(), o.Annotations)
	found := append(aboutSettings(o.File, errs), c.aboutShare(o.File, overrides)...)
	for _, key := range slices.Sorted(maps.Keys(o.Annotations)) {
		if name, ok := strings.CutPrefix(key, nginxPrefix); ok {
			value := o.Annotations[key]
			message := unhonoured(c, name, value)
			if name == canary && isCanary(o) {
				message = "is not honoured yet: a canary takes part in no routing, and its paths and certificates count for nothing"
			}
			found = append(found, aboutIngress(o, "metadata.annotations."+key, shown(value), message))
		}
	}
	return append(found, checkHosts(o)...)
}

func unhonoured(c class, name, value string) string {
	what := restricted(name, value)
	a, known := nginxAnnotationOf(name)
	switch {
	case what == "" && a.restricts != "":
		return "is not honoured yet; with this value it restricts nobody"
	case what != "" && c.settings.ServeUnprotected:
		return "is not honoured yet; the class serves the paths without it, though it restricts " + what
	case what != "":
		return "is not honoured yet and restricts " + what + ": the paths answer 503 (see the class setting serve-unprotected)"
	case !known:
		return "is not honoured, and ingress-nginx knows no such annotation"
	default:
		return "is not honoured yet"
	}
}

// shown is a value as a Problem repeats it: snippets are not repeated.
func shown(value string) string {
	if len(value) > 80 || strings.Contains(value, "\n") {
		return ""
	}
	return value
}

// checkHosts reports hosts that cannot be served.
func checkHosts(o *input.Ingress) []finding {
	var found []finding
	for i, r := range o.Rules {
		if !validHost(r.Host) {
			found = append(found, aboutIngress(o, indexed("spec.rules", i)+".host", r.Host, badHost+"; the rule is not served"))
		}
	}
	for i, t := range o.TLS {
		if len(t.Hosts) == 0 && t.Secret != "" {
			found = append(found, aboutIngress(o, indexed("spec.tls", i)+".hosts", "",
				"without hosts the default certificate of the class serves, not "+t.Secret))
		}
		for j, h := range t.Hosts {
			switch field := indexed(indexed("spec.tls", i)+".hosts", j); {
			case !validTLSHost(h):
				found = append(found, aboutIngress(o, field, h, badHost+"; it gets no certificate"))
			case !covers(o, h):
				found = append(found, aboutIngress(o, field, h, "no rule of this Ingress is for this host; it gets no certificate and does not redirect"))
			}
		}
	}
	return found
}

func indexed(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

const badHost = "is not a host: a DNS name, or one after *."

var hostPattern = regexp.MustCompile(`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// validHost says whether a rule may have this host; empty is any.
func validHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return host == "" || len(host) <= 253 && err != nil && hostPattern.MatchString(host)
}

// validTLSHost says whether a TLS section may name this host. One name is taken
// by the default certificate.
func validTLSHost(host string) bool {
	return host != "" && host != defaultCertificate && validHost(host)
}
