package nginx

import (
	"errors"
	"strings"

	"legation.dev/authz/rule"
	"legation.dev/translator/lower/nginx/snippet"
)

// places are the variables of nginx that the URLs of a service may have.
var places = map[string]string{"$host": rule.Host, "$http_host": rule.Authority, "$best_http_host": rule.Authority, "$scheme": rule.Scheme, "$pass_access_scheme": rule.Scheme,
	"$request_uri": rule.URI, "$escaped_request_uri": rule.Escaped}

// secretType is how a Secret has passwords; what is none counts as a file, as there.
func secretType(text string) (string, error) {
	if text != "auth-file" && text != "auth-map" {
		return "", ignored("neither auth-file nor auth-map")
	}
	return text, nil
}

// withPlaces is a text with places for its variables.
func withPlaces(text string) (string, error) {
	if strings.ContainsAny(text, "{}") && !strings.Contains(text, "${") {
		return "", errors.New("has a brace")
	}
	var err error
	ours := snippet.Variable.ReplaceAllStringFunc(text, func(name string) string {
		place, ok := places[strings.NewReplacer("{", "", "}", "").Replace(name)]
		if !ok {
			err = errors.New(name + " is not supported here")
		}
		return place
	})
	return ours, err
}

// authType is basic; digest is none that Envoy could check.
func authType(text string) (string, error) {
	if text != "basic" {
		return "", errors.New("only basic is supported")
	}
	return text, nil
}
