package policy

import (
	"errors"
	"strings"
)

// Toward is what a Service is told of a request beside what the client said.
type Toward struct {
	Host   string // instead of the client's; empty leaves that
	Prefix string // that the path had lost; empty says none
}

// towardRows are the settings of Toward.
var towardRows = []Setting{
	{
		Name: "forwarded-prefix", Type: headerText(func(v *Values) *string { return &v.Prefix }),
		Default: "", Why: "What a client sends is passed on.",
		Envoy: "Route.request_headers_to_add",
		Doc:   "The X-Forwarded-Prefix that the Service is told: the part of the path that a rewrite took away. What a client sends is replaced.",
	},
	{
		Name: "upstream-host", Type: headerText(func(v *Values) *string { return &v.Host }),
		Default: "", Why: "The Service is told the host that the client asked for.",
		Envoy: "RouteAction.host_rewrite_literal",
		Doc:   "The Host that the Service is told instead of the client's.",
	},
}

// Custom are headers of answers that an Ingress has in a ConfigMap.
type Custom struct{ CustomHeaders string }

// customRows are the settings of Custom.
var customRows = []Setting{
	{
		Name: "custom-headers", Type: configMapName(func(v *Values) *string { return &v.CustomHeaders }),
		Default: "", Why: "Answers are passed on as they are.",
		Envoy: "http filter header_mutation of the route", Restricts: "headers of answers",
		Doc: "A ConfigMap of the same namespace with headers that all answers have, those of Envoy's own too, in place of what the Service says: each key is a name that `allowed-response-headers` of the class has. Without the ConfigMap, or with a header that is not allowed, the paths answer 503.",
	},
}

// headerText is a text that can stand in a header.
func headerText(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		if len(text) > longestHeader || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return "", errors.New("not printable ASCII without spaces, of at most 1024 bytes")
		}
		return text, nil
	}
	return typeOf("text", "printable ASCII without spaces", field, parse, func(s string) string { return s })
}

// longestHeader that a setting may give, in bytes.
const longestHeader = 1024
