package policy

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// Owners are who may have a name that another namespace has, too.
type Owners struct {
	HostOwnership HostOwnership
	HostOwners    []HostOwner // in place of what the age of Ingresses decides
}

// HostOwnership is what becomes of rules for a name that another namespace owns.
type HostOwnership string

// Whether they are served. Either way the owner alone decides what concerns the whole name.
const (
	OwnedByNamespace HostOwnership = "namespace"
	SharedHosts      HostOwnership = "shared"
)

// HostOwner is a name with the namespaces that may have it. The value is comparable.
type HostOwner struct {
	Host       string // "shop.example.com", "*.example.com", or "*" for the catch-all
	namespaces string // separated by plus signs, in order; AnyNamespace is all others
}

// AnyNamespace stands for all namespaces.
const AnyNamespace = "*"

// String is "shop.example.com=team-a+team-b".
func (h HostOwner) String() string { return h.Host + "=" + h.namespaces }

// Rank is the place of a namespace among those of h; false if it is none of them.
func (h HostOwner) Rank(namespace string) (int, bool) {
	list := strings.Split(h.namespaces, "+")
	i := slices.Index(list, namespace)
	if i < 0 {
		i = slices.Index(list, AnyNamespace)
	}
	return i, i >= 0
}

// OwnersOf is the entry of HostOwners for a name.
func (o *Owners) OwnersOf(host string) (HostOwner, bool) {
	for _, h := range o.HostOwners {
		if h.Host == host {
			return h, true
		}
	}
	return HostOwner{}, false
}

// ownerRows are the settings of Owners.
var ownerRows = []Setting{
	{
		Name: "host-ownership", Type: oneOf(func(v *Values) *HostOwnership { return &v.HostOwnership }, OwnedByNamespace, SharedHosts),
		Default: "namespace", Why: "Else whoever may write an Ingress in any namespace could take a path of anybody's host, with the cookies that clients send there. OpenShift has the same default.",
		Envoy: "none",
		Doc: "What becomes of a rule for a host that [belongs to another namespace](ownership.md): with `namespace` it is not served, nor is one below a wildcard that belongs to another; with `shared` it is, as ingress-nginx does. " +
			"Either way only Ingresses of the owner's namespace decide what concerns the whole host, and both sides are told.",
	},
	{
		Name: "host-owners", Type: hostOwners(func(v *Values) *[]HostOwner { return &v.HostOwners }),
		Default: "", Why: "Without an entry, the age of Ingresses decides.",
		Envoy: "none", Access: true,
		Doc: "Which namespaces may have a host, instead of [what the age of Ingresses decides](ownership.md#host-owners): `shop.example.com=team-a+cert-manager, *.apps.example.com=*`. " +
			"The first one in the entry that has a rule for the host decides what concerns the whole host; nobody else has it. An entry for a wildcard is also for the names below it that have none; `*` as a host is the catch-all, as a namespace any one.",
	},
}

// hostOwners is a list of names with their namespaces.
func hostOwners(field func(*Values) *[]HostOwner) Type {
	parse := func(text string) ([]HostOwner, error) {
		list, err := items(text, "host=namespace+namespace", parseHostOwner)
		seen := map[string]bool{}
		for _, h := range list {
			if seen[h.Host] {
				return nil, errors.New(h.Host + " has two entries")
			}
			seen[h.Host] = true
		}
		return list, err
	}
	return typeOf("list of host=namespace+namespace", "", field, parse, printItems[HostOwner])
}

// What Kubernetes lets a host of a rule, besides the catch-all, and a namespace be called.
var (
	hostName      = regexp.MustCompile(`^(\*\.)?` + dnsLabel + `(\.` + dnsLabel + `)*$`)
	namespaceName = regexp.MustCompile(`^` + dnsLabel + `$`)
)

const (
	dnsLabel    = `[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`
	longestHost = 253 // bytes
)

func parseHostOwner(text string) (HostOwner, error) {
	host, owners, ok := strings.Cut(text, "=")
	h := HostOwner{Host: strings.TrimSpace(host)}
	if !ok || h.Host != "*" && !hostName.MatchString(h.Host) || len(h.Host) > longestHost {
		return HostOwner{}, errors.New("no host")
	}
	var list []string
	for one := range strings.SplitSeq(owners, "+") {
		one = strings.TrimSpace(one)
		if one != AnyNamespace && !namespaceName.MatchString(one) {
			return HostOwner{}, errors.New("no namespace")
		}
		list = append(list, one)
	}
	h.namespaces = strings.Join(list, "+")
	return h, nil
}
