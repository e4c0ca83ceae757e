package policy

import (
	"errors"
	"regexp"
	"strings"

	"legation.dev/object"
)

// Class are the settings of a class that stand in no listener, so that a change
// of one drains no connection.
type Class struct {
	Budget
	NamespaceBudget
	Owners
	Renewal
	Deletion
	Closing
	Taste
	GlobalAuth
	AllowedHeaders        string      // of answers, that custom-headers may set; separated by commas
	DefaultBackend        ServicePort // of requests that no rule matches; zero: none, they are answered 404
	DefaultTLSSecret      object.Ref  // for names without a TLS section; zero: none
	SessionTicketSecret   object.Ref  // what keys of session tickets are derived from; zero: none
	ServeUnprotected      bool        // paths whose restriction is not honoured
	ForeignGuards         Foreign     // what restrictions do that other controllers would honour
	ExternalNames         bool        // Services of type ExternalName are served
	ExternalNameSuffixes  []string    // below which they must be; empty: anywhere
	LoopbackExternalNames bool        // even if they name this node
	ClusterDomain         string      // that names of Services may end with
}

// Foreign is what becomes of an annotation of another controller that restricts access.
type Foreign string

// What becomes of it.
const (
	TellForeign  Foreign = "tell"  // a Problem
	CloseForeign Foreign = "close" // and the paths answer 503
)

// ServicePort names one port of a Service. The zero value names none.
type ServicePort struct{ Namespace, Service, Port string }

// String is "namespace/service:port"; empty for none.
func (p ServicePort) String() string {
	if p == (ServicePort{}) {
		return ""
	}
	return p.Namespace + "/" + p.Service + ":" + p.Port
}

// classRows are the settings of Class but for its Budgets, Owners, Renewal, Deletion, Closing and Taste.
var classRows = []Setting{
	{
		Name: "allowed-response-headers", Type: typeOf("list of headers", "separated by commas", func(v *Values) *string { return &v.AllowedHeaders }, parseHeaders, func(s string) string { return s }),
		Default: "", Why: "None: an Ingress could speak for the whole host, and turn off what protects its neighbours.",
		Envoy: "none",
		Doc:   "The headers of answers that `custom-headers` of an Ingress may set.",
	},
	{
		Name: "cluster-domain", Type: typeOf("DNS name", "in lower case", func(v *Values) *string { return &v.ClusterDomain }, parseDomain, func(s string) string { return s }),
		Default: "cluster.local", Why: "What the DNS of a cluster is set up with, as a rule.",
		Envoy: "none",
		Doc:   "The domain of the cluster: by it `mirror-target` knows a Service. `web.shop.svc` and, with the default, `web.shop.svc.cluster.local` are Service web of namespace shop, whose endpoints get the copies; nobody resolves the name.",
	},
	{
		Name: "default-backend", Type: servicePort(func(v *Values) *ServicePort { return &v.DefaultBackend }),
		Default: "", Why: "Without one, what no rule matches is answered 404, as ingress-nginx does.",
		Envoy: "RouteAction.cluster of the last route of each virtual host",
		Doc:   "The Service of requests that no rule matches. An Ingress with a default backend and no rules wins over it.",
	},
	{
		Name: "default-tls-secret", Type: secretName(func(v *Values) *object.Ref { return &v.DefaultTLSSecret }),
		Default: "", Why: "Without one, the certificate that `legation bootstrap` made for the node answers.",
		Envoy: "CommonTlsContext.tls_certificate_sds_secret_configs of the default filter chain",
		Doc:   "The Secret with the certificate for names without a TLS section. Setting or unsetting it closes the connections of the default chain; another certificate in the Secret does not.",
	},
	{
		Name: "session-ticket-secret", Type: secretName(func(v *Values) *object.Ref { return &v.SessionTicketSecret }),
		Default: "", Why: "Without one, each replica of Legation has keys of its own, which an Envoy keeps as long as it runs: a client resumes its TLS session only at an Envoy that started with the same replica.",
		Envoy: "DownstreamTlsContext.session_ticket_keys_sds_secret_config of every chain",
		Doc:   "A Secret of type kubernetes.io/tls whose private key is the seed of the keys of TLS session tickets. With it, a client that left one Envoy resumes its session at any other, and the keys change every 12 hours. Nobody sees its certificate. Setting it, or another key in the Secret, closes no connection.",
	},
	{
		Name: "external-names", Type: yesNo(func(v *Values) *bool { return &v.ExternalNames }),
		Default: "false", Why: "Who may write a Service in one namespace could have Envoy ask whatever its network reaches, Services of other namespaces among it. With `compatibility: ingress-nginx` it is true, as there without --disable-svc-external-name.",
		Envoy: "Cluster.cluster_type envoy.clusters.dns",
		Doc:   "Whether Services whose endpoints are names are served: of type ExternalName, or with an EndpointSlice of type FQDN. If not, they answer 503. Whatever a name resolves to, a request is never sent to loopback, link-local or unspecified addresses, nor to those by which clouds tell secrets: it is answered 403. `mirror-target` of ingress-nginx needs it, too, where its host is no Service of the namespace. See external-name-suffixes.",
	},
	{
		Name: "external-name-suffixes", Type: typeOf("list of DNS names", "separated by commas", func(v *Values) *[]string { return &v.ExternalNameSuffixes }, parseSuffixes, func(list []string) string { return strings.Join(list, ",") }),
		Default: "", Why: "Any name.",
		Envoy: "none",
		Doc:   "The names that external names may have, and those below which they may be: `example.com, internal.example.net`. Others answer 503, and so does an address.",
	},
	{
		Name: "loopback-external-names", Type: yesNo(func(v *Values) *bool { return &v.LoopbackExternalNames }),
		Default: "false", Why: "Whoever may write a Service would reach what listens on the node's loopback, or a cloud's metadata service.",
		Envoy: "none",
		Doc:   "Whether an external name may be, or resolve to, a loopback, an unspecified, a link-local address or one by which a cloud tells secrets.",
	},
	{
		Name: "foreign-guards", Type: oneOf(func(v *Values) *Foreign { return &v.ForeignGuards }, TellForeign, CloseForeign),
		Default: "tell", Why: "An Ingress may carry the annotations of several controllers, of which one serves it. Whoever moves from another one should set close.",
		Envoy: "none", Access: true,
		Doc: "What an annotation of another controller does that restricts access, as by a password or addresses: `tell` makes it a Problem, `close` also answers the paths of its Ingress 503.",
	},
	{
		Name: "serve-unprotected", Type: yesNo(func(v *Values) *bool { return &v.ServeUnprotected }),
		Default: "false", Why: "Some annotations of ingress-nginx that restrict access are not honoured; to serve such a path openly must be somebody's decision.",
		Envoy: "none",
		Doc:   "Whether paths are served whose Ingress restricts access by a `nginx.ingress.kubernetes.io/` annotation. If not, they answer 503.",
	},
}

// secretName is the "namespace/name" of a Secret, or nothing.
func secretName(field func(*Values) *object.Ref) Type {
	parse := func(text string) (object.Ref, error) {
		if text == "" {
			return object.Ref{}, nil
		}
		namespace, name, ok := strings.Cut(text, "/")
		if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
			return object.Ref{}, errors.New("not namespace/name")
		}
		return object.Ref{Kind: object.KindSecret, Namespace: namespace, Name: name}, nil
	}
	return typeOf("namespace/name", "", field, parse, object.Ref.KeyOrNone)
}

// servicePort is "namespace/service:port", or nothing.
func servicePort(field func(*Values) *ServicePort) Type {
	parse := func(text string) (ServicePort, error) {
		if text == "" {
			return ServicePort{}, nil
		}
		service, port, ok := strings.Cut(text, ":")
		namespace, name, ok2 := strings.Cut(service, "/")
		if !ok || !ok2 || namespace == "" || name == "" || port == "" || strings.Contains(name+port, "/") {
			return ServicePort{}, errors.New("not namespace/service:port")
		}
		return ServicePort{Namespace: namespace, Service: name, Port: port}, nil
	}
	return typeOf("namespace/service:port", "port by number or name", field, parse, ServicePort.String)
}

var dnsSuffix = regexp.MustCompile(`^[a-z0-9_]([-a-z0-9_]*[a-z0-9])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9])?)*$`)

func parseDomain(text string) (string, error) {
	if len(text) > 253 || !dnsSuffix.MatchString(text) {
		return "", errors.New("not a DNS name in lower case")
	}
	return text, nil
}

func parseSuffixes(text string) ([]string, error) {
	return items(text, "a DNS name in lower case", func(one string) (string, error) {
		if len(one) > 253 || !dnsSuffix.MatchString(one) {
			return "", errors.New("no")
		}
		return one, nil
	})
}
