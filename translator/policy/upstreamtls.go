package policy

import (
	"fmt"
	"slices"
	"strings"
)

// UpstreamTLS is how an endpoint is spoken to by TLS, where a Secret says with what. Without
// one nothing is verified.
type UpstreamTLS struct {
	TLSSecret   string // ca.crt, and tls.crt and tls.key for endpoints that ask for a certificate
	TLSName     string // that the certificate of an endpoint must have, and of the handshake
	TLSServer   bool   // whether the handshake says TLSName
	TLSVerify   bool
	TLSDepth    uint32
	TLSVersions TLSVersions
	TLSCiphers  string // separated by commas; empty: Envoy's own
}

// TLSVersions are those that are spoken.
type TLSVersions string

// The versions.
const (
	TLSEither TLSVersions = "1.2-1.3"
	TLSOnly12 TLSVersions = "1.2"
	TLSOnly13 TLSVersions = "1.3"
)

// Ciphers are those that Envoy knows for TLS 1.2, by their names in OpenSSL. It takes no
// list with another one. TLS 1.3 has its own, which are always there.
var Ciphers = []string{
	"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
	"ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA",
	"AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA",
}

// upstreamTLSRows are the settings of UpstreamTLS. Only an Ingress has them: its Secret is
// one of its own namespace.
var upstreamTLSRows = []Setting{
	{
		Name: "upstream-tls-ciphers", Type: ciphers(func(v *Values) *string { return &v.TLSCiphers }),
		Default: "", Why: "Envoy's own are all strong.",
		Envoy: "UpstreamTlsContext.common_tls_context.tls_params.cipher_suites",
		Doc:   "The ciphers of TLS 1.2 to endpoints, beside `upstream-tls-secret`.",
	},
	{
		Name: "upstream-tls-name", Type: headerText(func(v *Values) *string { return &v.TLSName }),
		Default: "", Why: "There is no name that all endpoints have.",
		Envoy: "CertificateValidationContext.match_typed_subject_alt_names, UpstreamTlsContext.sni",
		Doc:   "The name that certificates of endpoints must have where `upstream-tls-verify` is on, and that a handshake says where `upstream-tls-server-name` is.",
	},
	{
		Name: "upstream-tls-secret", Type: typeOf("name of a Secret", "of the same namespace", func(v *Values) *string { return &v.TLSSecret }, parseSecretName, func(s string) string { return s }),
		Default: "", Why: "As ingress-nginx: endpoints have certificates of their own making.",
		Envoy: "UpstreamTlsContext.common_tls_context", Restricts: "which endpoints are believed",
		Doc: "A Secret for TLS to endpoints (`upstream-protocol`): `tls.crt` and `tls.key` are shown to those that ask for a certificate, `ca.crt` is what theirs are verified by (`upstream-tls-verify`). Without the Secret, or without what is needed of it, the paths answer 503. Another certificate in it is shown in new handshakes, and closes no connection; another `ca.crt` replaces the connections to endpoints, and requests under way go on.",
	},
	{
		Name: "upstream-tls-server-name", Type: yesNo(func(v *Values) *bool { return &v.TLSServer }),
		Default: "false", Why: "As ingress-nginx.",
		Envoy: "UpstreamTlsContext.sni",
		Doc:   "Whether a handshake with an endpoint says `upstream-tls-name`.",
	},
	{
		Name: "upstream-tls-verify", Type: yesNo(func(v *Values) *bool { return &v.TLSVerify }),
		Default: "false", Why: "As ingress-nginx.",
		Envoy: "CommonTlsContext.validation_context",
		Doc:   "Whether an endpoint must have a certificate of an authority in `upstream-tls-secret`, for `upstream-tls-name`, without which the paths answer 503. One that has none is answered 502 for.",
	},
	{
		Name: "upstream-tls-verify-depth", Type: whole(func(v *Values) *uint32 { return &v.TLSDepth }, "certificates", 0, 10),
		Default: "1", Why: "As ingress-nginx.",
		Envoy: "CertificateValidationContext.max_verify_depth",
		Doc:   "How many certificates may stand between that of an endpoint and the authority.",
	},
	{
		Name: "upstream-tls-versions", Type: oneOf(func(v *Values) *TLSVersions { return &v.TLSVersions }, TLSEither, TLSOnly12, TLSOnly13),
		Default: string(TLSEither), Why: "Endpoints choose.",
		Envoy: "TlsParameters.tls_minimum_protocol_version, tls_maximum_protocol_version",
		Doc:   "The versions of TLS to endpoints, beside `upstream-tls-secret`.",
	},
}

// ciphers is a list of Ciphers.
func ciphers(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		list, err := items(text, "a cipher", func(one string) (string, error) {
			if !slices.Contains(Ciphers, one) {
				return "", fmt.Errorf("not one of %s", strings.Join(Ciphers, ", "))
			}
			return one, nil
		})
		return strings.Join(list, ","), err
	}
	return typeOf("list of ciphers", strings.Join(Ciphers, ", "), field, parse, func(s string) string { return s })
}
