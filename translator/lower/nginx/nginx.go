// Package nginx lowers the annotations of ingress-nginx. Each row of its table says what
// becomes of one: it is a setting of ours (words.go), a part of the route model
// (paths.go), without effect here, or refused. What restricts access and is not
// honoured, or not understood, becomes a guard, which closes the paths.
package nginx

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Prefix of the annotations of ingress-nginx.
const Prefix = "nginx.ingress.kubernetes.io/"

// field is where an annotation stands.
func field(name string) string { return "metadata.annotations." + Prefix + name }

// Read adds what the annotations of an object say to its fragment, which has its settings
// already, and returns what they say of its rules.
func Read(f *route.Fragment, annotations map[string]string) Paths {
	var said map[string]string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if name, ok := strings.CutPrefix(key, Prefix); ok {
			if said == nil {
				said = map[string]string{}
			}
			said[name] = annotations[key]
			read(f, name, annotations[key])
		}
	}
	return pathsOf(f, said)
}

func read(f *route.Fragment, name, value string) {
	a, known := annotationOf(name)
	switch restricts := restricted(name, value); {
	case a.as == ours || a.as == setting && !mistaken(f, name): // told where it is read
	case restricts != "": // the class decides what to say
		f.Guards = append(f.Guards, route.Guard{Restricts: restricts, Field: field(name), Value: shown(value)})
	case a.as == setting: // the mistake is told
	case a.restricts != "":
		f.Find(finding.RestrictsNobody, field(name), shown(value))
	case a.as == nothing:
		f.Find(finding.NoEffect, field(name), shown(value), a.why)
	case !known:
		f.Find(finding.UnknownAnnotation, field(name), shown(value))
	case a.as == refused:
		f.Find(finding.NotHonored, field(name), shown(value), a.why)
	default:
		f.Find(finding.NotHonored, field(name), shown(value), "not yet")
	}
}

// mistaken reports whether the setting that an annotation says was invalid. One that counts
// for nothing beside another one is as if it was not there.
func mistaken(f *route.Fragment, name string) bool {
	for _, m := range f.Mistakes {
		var beside policy.Beside
		if m.Field == field(name) && !errors.As(m.Err, &beside) {
			return true
		}
	}
	return false
}

// isTrue reads a boolean as ingress-nginx does; what is none is false.
func isTrue(value string) bool {
	on, err := strconv.ParseBool(strings.TrimSpace(value))
	return err == nil && on
}

// restricted is what an annotation restricts; empty for nothing, by its name or by
// its value. An unknown one is judged by its name, to be safe.
func restricted(name, value string) string {
	if a, ok := annotationOf(name); ok {
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

// restrictsNobody reports whether an annotation lets everybody in with this value,
// as cert-manager writes one for its solver.
func restrictsNobody(name, value string) bool {
	switch {
	case strings.HasPrefix(name, "enable-"):
		on, err := strconv.ParseBool(value)
		return err == nil && !on
	case name == "denylist-source-range":
		return value == ""
	case strings.HasSuffix(name, "-source-range"):
		return value == "" || allowsEverybody(value)
	}
	return false
}

// allowsEverybody reports whether a list of addresses contains all of them. One
// that is for IPv4 only is meant so, too: its author wants to keep no client out. A
// list with anything in it that is no range is for nginx to refuse, not for us to
// open.
func allowsEverybody(list string) bool {
	ranges, ok := rangesOf(list)
	return ok && slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Bits() == 0 && p.Addr().Is4() })
}

// rangesOf are addresses and ranges with commas between; false if anything else is there.
func rangesOf(list string) (ranges []netip.Prefix, ok bool) {
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if single, err := netip.ParseAddr(text); err == nil {
			ranges = append(ranges, netip.PrefixFrom(single, single.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, false
		}
		ranges = append(ranges, p)
	}
	return ranges, true
}

func annotationOf(name string) (annotation, bool) {
	i, ok := slices.BinarySearchFunc(annotations, name,
		func(a annotation, n string) int { return strings.Compare(a.name, n) })
	if !ok {
		return annotation{}, false
	}
	return annotations[i], true
}

// Names are the names of all annotations that ingress-nginx has, without Prefix.
func Names() (names []string) {
	for _, a := range annotations {
		names = append(names, a.name)
	}
	return names
}

// shown is a value as a Problem repeats it: snippets are not repeated.
func shown(value string) string {
	if len(value) > 80 || strings.Contains(value, "\n") {
		return ""
	}
	return value
}
