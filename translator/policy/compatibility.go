package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Taste are the settings of what is a matter of taste: the API leaves it open, or
// controllers do it differently.
type Taste struct {
	Compatibility Compatibility
	HSTS          HSTS // of every host; zero: none
	ForwardedFor  ForwardedFor
}

// ForwardedFor is what Services are told in X-Forwarded-For.
type ForwardedFor string

// What they are told.
const (
	EveryHop   ForwardedFor = "hops"   // the client, and each proxy that is trusted
	ClientOnly ForwardedFor = "client" // the client alone
)

// Compatibility is whose taste a class has.
type Compatibility string

// The compatibilities.
const (
	Own          Compatibility = off
	IngressNginx Compatibility = "ingress-nginx"
)

// Compatible reports whether what is a matter of taste is done as ingress-nginx does it.
func (t Taste) Compatible() bool { return t.Compatibility == IngressNginx }

// HSTS has a browser come by https only. RFC 6797.
type HSTS struct {
	MaxAge              time.Duration // in whole seconds
	Subdomains, Preload bool
}

// String is the value of the header; "off" for none.
func (h HSTS) String() string {
	if h == (HSTS{}) {
		return off
	}
	text := maxAge + strconv.FormatInt(int64(h.MaxAge/time.Second), 10)
	if h.Subdomains {
		text += "; " + includeSubDomains
	}
	if h.Preload {
		text += "; " + preload
	}
	return text
}

// The directives of HSTS. RFC 6797, 6.1; preload is that of browsers' lists.
const (
	maxAge            = "max-age="
	includeSubDomains = "includeSubDomains"
	preload           = "preload"
)

// hstsOf is the value of the header, or "off".
func hstsOf(field func(*Values) *HSTS) Type {
	parse := func(text string) (h HSTS, err error) {
		for part := range strings.SplitSeq(text, ";") {
			part = strings.TrimSpace(part)
			seconds, age := strings.CutPrefix(part, maxAge)
			switch {
			case age:
				var n uint64
				if n, err = strconv.ParseUint(seconds, 10, 31); err != nil || n == 0 {
					return HSTS{}, errors.New("max-age is not a number of seconds from 1 to 2147483647")
				}
				h.MaxAge = time.Duration(n) * time.Second
			case part == includeSubDomains:
				h.Subdomains = true
			case part == preload:
				h.Preload = true
			default:
				return HSTS{}, fmt.Errorf("%q is not one of max-age=SECONDS, includeSubDomains, preload", part)
			}
		}
		if h.MaxAge == 0 {
			return HSTS{}, errors.New("without max-age=SECONDS")
		}
		return h, nil
	}
	return orOff("header", "max-age=SECONDS; includeSubDomains; preload", field, parse, HSTS.String)
}

// tasteRows are the settings of Taste.
var tasteRows = []Setting{
	{
		Name: "compatibility", Type: group(oneOf(func(v *Values) *Compatibility { return &v.Compatibility }, Own, IngressNginx), func(v *Values) {
			v.HSTS, v.HostOwnership, v.ForwardedFor, v.ExternalNames = HSTS{}, OwnedByNamespace, EveryHop, false
			if v.Compatible() {
				v.HSTS, v.HostOwnership, v.ForwardedFor, v.ExternalNames = HSTS{MaxAge: 365 * day, Subdomains: true}, SharedHosts, ClientOnly, true
			}
		}),
		Gives:   []string{"external-names", "forwarded-for", "host-ownership", "hsts"},
		Default: off, Why: "What the API of Ingress says, and nothing besides it, is what other controllers do, too.",
		Envoy: "several",
		Doc: "Whose taste decides where the API leaves something open. With `ingress-nginx` the Ingresses of that controller get the answers that it gave: hosts that namespaces share, external names, HSTS on https, `/docs` sent to `/docs/` where only that is a path, " +
			"redirects without a port, unmatched paths of a host under the settings of its oldest Ingress, challenges for certificates redirected like all else unless an Ingress has a path for them.",
	},
	{
		Name: "forwarded-for", Type: oneOf(func(v *Values) *ForwardedFor { return &v.ForwardedFor }, EveryHop, ClientOnly),
		Default: string(EveryHop), Why: "A Service can tell by which way a request came.",
		Envoy: "RouteConfiguration.request_headers_to_add",
		Doc:   "What Services are told in X-Forwarded-For behind proxies that are trusted: `hops` is the client, and each of them; `client` is the client alone, as X-Real-IP has it.",
	},
	{
		Name: "hsts", Type: hstsOf(func(v *Values) *HSTS { return &v.HSTS }),
		Default: off, Why: "A browser that has seen the header comes by https only, for as long as it says, whatever is installed meanwhile: that must be somebody's decision.",
		Envoy: "RouteConfiguration.response_headers_to_add, on https; HttpConnectionManager.local_reply_config for what a guard answers where no Service would",
		Doc:   "The Strict-Transport-Security that answers by https have.",
	},
}
