package policy

// Redirect is where clients are sent.
type Redirect struct {
	SSLRedirect bool
}

// redirectSettings are the rows of Redirect.
var redirectSettings = []Setting{
	{
		Name: "ssl-redirect", Type: yesNo(func(v *Values) *bool { return &v.SSLRedirect }),
		Default: "true", Why: "As ingress-nginx.",
		Envoy: "RedirectAction.https_redirect, 308",
		Doc:   "Whether a host with a TLS section redirects http to https, except below `/.well-known/acme-challenge/`.",
	},
}
