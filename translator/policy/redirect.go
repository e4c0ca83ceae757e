package policy

// Redirect is whether requests by http are redirected to https.
type Redirect struct {
	SSLRedirect      bool // from http to https, if the host has a TLS section
	ForceSSLRedirect bool // also without one
}

// redirectRows are the settings of Redirect.
var redirectRows = []Setting{
	{
		Name: "force-ssl-redirect", Type: yesNo(func(v *Values) *bool { return &v.ForceSSLRedirect }),
		Default: "false", Why: "As ingress-nginx.",
		Envoy: "RedirectAction.https_redirect, 308",
		Doc:   "Whether http is redirected to https even without a TLS section: for hosts whose TLS ends in front of Envoy, or that the default certificate serves.",
	},
	{
		Name: "ssl-redirect", Type: yesNo(func(v *Values) *bool { return &v.SSLRedirect }),
		Default: "true", Why: "As ingress-nginx.",
		Envoy: "RedirectAction.https_redirect, 308",
		Doc:   "Whether a host with a TLS section redirects http to https, except below `/.well-known/acme-challenge/`.",
	},
}
