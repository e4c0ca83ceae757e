package policy

// Class is what a whole class shares, and what it lets its Ingresses do.
type Class struct {
	ConnectionBudget      uint32      // connections to all
	DefaultBackend        ServicePort // zero: none
	DefaultTLSSecret      string      // "namespace/name", or empty
	ExternalNames         bool
	LoopbackExternalNames bool
	ServeUnprotected      bool
	ServiceShare          uint32 // percent of it that one Service port may have
}

// classSettings are the rows of Class.
var classSettings = []Setting{
	{
		Name: "connection-budget", Type: whole(func(v *Values) *uint32 { return &v.ConnectionBudget }, "connections", 2, 1<<20),
		Default: "32768", Why: "Twice what a Service port has by default. It must stay below the open files that one Envoy may have (RLIMIT_NOFILE), less those of its clients.",
		Envoy: "none",
		Doc:   "How many connections and requests one Envoy may have open to all endpoints. See service-share.",
	},
	{
		Name: "default-backend", Type: servicePort(func(v *Values) *ServicePort { return &v.DefaultBackend }),
		Default: "", Why: "Without one, what no rule matches is answered 404, as ingress-nginx does.",
		Envoy: "RouteAction.cluster of the last route of each virtual host",
		Doc:   "The Service of requests that no rule matches. An Ingress with a default backend and no rules wins over it.",
	},
	{
		Name: "default-tls-secret", Type: objectName(func(v *Values) *string { return &v.DefaultTLSSecret }),
		Default: "", Why: "Without one, the certificate that `legation bootstrap` made for the node answers.",
		Envoy: "CommonTlsContext.tls_certificate_sds_secret_configs of the default filter chain",
		Doc:   "The Secret with the certificate for names without a TLS section. Setting or unsetting it closes the connections of the default chain; another certificate in the Secret does not.",
	},
	{
		Name: "external-names", Type: yesNo(func(v *Values) *bool { return &v.ExternalNames }),
		Default: "true", Why: "As ingress-nginx without --disable-svc-external-name.",
		Envoy: "Cluster.type STRICT_DNS",
		Doc:   "Whether Services of type ExternalName are served. If not, they answer 503.",
	},
	{
		Name: "loopback-external-names", Type: yesNo(func(v *Values) *bool { return &v.LoopbackExternalNames }),
		Default: "false", Why: "Whoever may write a Service would reach what listens on the node's loopback, or a cloud's metadata service.",
		Envoy: "none",
		Doc:   "Whether an ExternalName may be localhost, a loopback, an unspecified or a link-local address.",
	},
	{
		Name: "serve-unprotected", Type: yesNo(func(v *Values) *bool { return &v.ServeUnprotected }),
		Default: "false", Why: "Annotations of ingress-nginx that restrict access are not honoured yet; to serve such a path openly must be somebody's decision.",
		Envoy: "none",
		Doc:   "Whether paths are served whose Ingress restricts access by a `nginx.ingress.kubernetes.io/` annotation. If not, they answer 503.",
	},
	{
		Name: "service-share", Type: whole(func(v *Values) *uint32 { return &v.ServiceShare }, "percent", 1, 100),
		Default: "50", Why: "A Service that hangs cannot take more than half of an Envoy.",
		Envoy: "CircuitBreakers.thresholds",
		Doc:   "The share of connection-budget that one Service port may have. A larger `max-connections` is a Problem, and this share is in force.",
	},
}

// ServicePort names one port of a Service. The zero value names none.
type ServicePort struct{ Namespace, Service, Port string }

// String is "namespace/service:port"; empty for none.
func (p ServicePort) String() string {
	if p == (ServicePort{}) {
		return ""
	}
	return p.Namespace + "/" + p.Service + ":" + p.Port
}
