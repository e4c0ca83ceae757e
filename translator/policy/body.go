package policy

// Body bounds what a client sends.
type Body struct {
	RequestBody uint64 // of one request, in bytes; zero: no limit
}

// bodyRows are the settings of Body.
var bodyRows = []Setting{
	{
		Name: "max-request-body", Type: sizeOrOff(func(v *Values) *uint64 { return &v.RequestBody }, 1, 1<<40),
		Default: "1Mi", Why: "As ingress-nginx (proxy-body-size 1m). More is answered 413.",
		Envoy: "http filter body_size_limit of the route, else of RouteConfiguration",
		Doc: "How large the body of a request may be in all. It is counted as it is passed on, not collected first: without a Content-Length the backend has seen what came before the 413. " +
			"The messages that a client sends in one gRPC call are one body, as with ingress-nginx; a WebSocket has no limit.",
	},
}
