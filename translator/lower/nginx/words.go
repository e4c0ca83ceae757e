package nginx

import (
	"errors"
	"strconv"
	"strings"

	"legation.dev/translator/lower/nginx/snippet"
	"legation.dev/translator/policy"
)

// Dialect are the annotations that say settings of ours.
var Dialect = &policy.Dialect{Prefix: Prefix, Words: words}

// words are the settings that annotations say. What ingress-nginx takes for no value of
// an annotation counts as not there, as it does there; but here it is told.
var words = map[string][]policy.Word{
	"allowlist-source-range":     {{Setting: "allowed-addresses", Ours: ranges}},
	"cors-allow-credentials":     {{Setting: "cors-credentials", Ours: boolean}},
	"cors-allow-headers":         {{Setting: "cors-headers", Ours: asIs}},
	"cors-allow-methods":         {{Setting: "cors-methods", Ours: asIs}},
	"cors-allow-origin":          {{Setting: "cors-origins", Ours: origins}},
	"cors-expose-headers":        {{Setting: "cors-expose-headers", Ours: asIs}},
	"cors-max-age":               {{Setting: "cors-max-age", Ours: seconds}},
	"enable-cors":                {{Setting: "cors", Ours: boolean}, {Setting: "cors-origins", Ours: fromAnywhere, Yields: true}},
	"auth-method":                {{Setting: "auth-method", Ours: asIs}},
	"auth-always-set-cookie":     {{Setting: "auth-always-set-cookie", Ours: boolean}},
	"auth-proxy-set-headers":     {{Setting: "auth-headers-from", Ours: withNamespace}},
	"auth-request-redirect":      {{Setting: "auth-request-redirect", Ours: withPlaces}},
	"auth-secret-type":           {{Setting: "auth-secret-type", Ours: secretType}},
	"custom-headers":             {{Setting: "custom-headers", Ours: asIs}},
	"enable-access-log":          {{Setting: "log-requests", Ours: boolean}},
	"enable-global-auth":         {{Setting: "global-auth", Ours: boolean}},
	"limit-allowlist":            {{Setting: "rate-exempt-addresses", Ours: asIs}},
	"limit-whitelist":            {{Setting: "rate-exempt-addresses", Ours: asIs}},
	"auth-realm":                 {{Setting: "auth-realm", Ours: asIs}},
	"auth-response-headers":      {{Setting: "auth-response-headers", Ours: asIs}},
	"auth-secret":                {{Setting: "auth-secret", Ours: asIs}},
	"auth-signin":                {{Setting: "auth-signin", Ours: withPlaces}},
	"auth-signin-redirect-param": {{Setting: "auth-signin-redirect-param", Ours: asIs}},
	"auth-type":                  {{Setting: "auth-type", Ours: authType}},
	"auth-url":                   {{Setting: "auth-url", Ours: withPlaces}},
	"satisfy":                    {{Setting: "satisfy", Ours: asIs}},
	"backend-protocol":           {{Setting: "upstream-protocol", Ours: protocol}},
	"denylist-source-range":      {{Setting: "denied-addresses", Ours: ranges}},
	"limit-burst-multiplier":     {{Setting: "rate-burst", Ours: number}},
	"limit-rpm":                  {{Setting: "requests-per-minute", Ours: rate}},
	"limit-rps":                  {{Setting: "requests-per-second", Ours: rate}},
	"load-balance":               {{Setting: "load-balancing", Ours: balance}},
	"proxy-next-upstream":        {{Setting: "retries", Ours: nextUpstream}},
	"upstream-hash-by":           {{Setting: "hash-by", Ours: hashBy}, {Setting: "load-balancing", Ours: byHash}},
	"upstream-vhost":             {{Setting: "upstream-host", Ours: literal}},
	"whitelist-source-range":     {{Setting: "allowed-addresses", Ours: ranges}},
	"x-forwarded-prefix":         {{Setting: "forwarded-prefix", Ours: literal}},
	"force-ssl-redirect":         {{Setting: "force-ssl-redirect", Ours: boolean}},
	"proxy-body-size":            {{Setting: "max-request-body", Ours: size}},
	"proxy-ssl-ciphers":          {{Setting: "upstream-tls-ciphers", Ours: ciphers}},
	"proxy-ssl-name":             {{Setting: "upstream-tls-name", Ours: literal}},
	"proxy-ssl-protocols":        {{Setting: "upstream-tls-versions", Ours: versions}},
	"proxy-ssl-secret":           {{Setting: "upstream-tls-secret", Ours: asIs}},
	"proxy-ssl-server-name":      {{Setting: "upstream-tls-server-name", Ours: onOff}},
	"proxy-ssl-verify":           {{Setting: "upstream-tls-verify", Ours: onOff}},
	"proxy-ssl-verify-depth":     {{Setting: "upstream-tls-verify-depth", Ours: number}},
	"proxy-connect-timeout":      {{Setting: "upstream-connect-timeout", Ours: seconds}},
	"proxy-next-upstream-tries":  {{Setting: "retries", Ours: tries}},
	"proxy-read-timeout":         {{Setting: "idle-timeout", Ours: seconds}},
	"ssl-redirect":               {{Setting: "ssl-redirect", Ours: boolean}},
	"affinity":                   {{Setting: "session-affinity", Ours: affinity}},
	"affinity-canary-behavior":   {{Setting: "session-on-canary", Ours: canaryBehavior}},
	"session-cookie-domain":      {{Setting: "session-cookie-domain", Ours: literal}},
	"session-cookie-expires":     {{Setting: "session-cookie-expires", Ours: age}},
	"session-cookie-max-age":     {{Setting: "session-cookie-max-age", Ours: age}},
	"session-cookie-name":        {{Setting: "session-cookie-name", Ours: literal}},
	"session-cookie-path":        {{Setting: "session-cookie-path", Ours: literal}},
	"session-cookie-samesite":    {{Setting: "session-cookie-same-site", Ours: literal}},
	"session-cookie-secure":      {{Setting: "session-cookie-secure", Ours: boolean}},
}

// ignored is what is wrong with a text that ingress-nginx takes no notice of.
func ignored(what string) error { return policy.Ignored{Err: errors.New(what)} }

// boolean is true or false, as package strconv of Go reads it: T, 1, TRUE.
func boolean(text string) (string, error) {
	on, err := strconv.ParseBool(text)
	if err != nil {
		return "", ignored("neither true nor false")
	}
	return strconv.FormatBool(on), nil
}

// whole is a whole number that is not negative.
func whole(text string) (int, error) {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil && strings.TrimLeft(text, "0123456789") != text:
		return 0, ignored("has a unit, but only whole numbers of seconds count")
	case err != nil || n < 0:
		return 0, ignored("not a whole number")
	}
	return n, nil
}

// seconds are a duration.
func seconds(text string) (string, error) {
	n, err := whole(text)
	return strconv.Itoa(n) + "s", err
}

// tries are one more than retries; 0 is any number, of which ours has a bound.
func tries(text string) (string, error) {
	n, err := whole(text)
	if n == 0 || n > maxTries {
		n = maxTries
	}
	return strconv.Itoa(n - 1), err
}

// maxTries is the most that the setting retries takes, and the first try.
const maxTries = 11

// size is a number of bytes as nginx writes it: 8m. 0 is no limit.
func size(text string) (string, error) {
	unit := ""
	if n := len(text); n > 0 {
		if u, ok := map[byte]string{'k': "Ki", 'K': "Ki", 'm': "Mi", 'M': "Mi", 'g': "Gi", 'G': "Gi"}[text[n-1]]; ok {
			unit, text = u, text[:n-1]
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return "", ignored("not a number of bytes such as 512k, 8m or 1g")
	}
	if n == 0 {
		return "off", nil
	}
	return text + unit, nil
}

// ranges are addresses; one that lets everybody in says nothing.
func ranges(text string) (string, error) {
	if text == "" || allowsEverybody(text) {
		return "", nil
	}
	return text, nil
}

// protocol is what is spoken to endpoints, in any case. What is none counts as HTTP there.
func protocol(text string) (string, error) {
	ours, ok := map[string]string{"HTTP": "http", "HTTPS": "https", "GRPC": "h2c", "GRPCS": "h2"}[strings.ToUpper(text)]
	if !ok {
		return "", errors.New("not one of HTTP, HTTPS, GRPC, GRPCS, which are supported")
	}
	return ours, nil
}

// number is a whole number.
func number(text string) (string, error) {
	n, err := whole(text)
	return strconv.Itoa(n), err
}

// rate is a number of requests, of which 0 is no limit.
func rate(text string) (string, error) {
	n, err := whole(text)
	if n == 0 {
		return "", err
	}
	return strconv.Itoa(n), err
}

// balance is how an endpoint is chosen.
func balance(text string) (string, error) {
	switch text {
	case "round_robin":
		return "round-robin", nil
	case "ewma":
		return "least-request", nil
	}
	return "", ignored("neither round_robin nor ewma")
}

// nextUpstream is when another endpoint is tried. Those that are tried anyway say
// nothing.
func nextUpstream(text string) (string, error) {
	for _, when := range strings.Fields(text) {
		switch when {
		case "off":
			return "0", nil
		case "error", "timeout":
		default:
			return "", errors.New(when + " is not supported: another endpoint is tried where none can have executed the request")
		}
	}
	return "", nil
}

// hashBy is one variable of nginx.
func hashBy(text string) (string, error) {
	name := strings.NewReplacer("$", "", "{", "", "}", "").Replace(text)
	switch name {
	case "request_uri":
		return "path", nil
	case "host", "http_host":
		return "host", nil
	case "remote_addr", "binary_remote_addr":
		return "address", nil
	}
	for prefix, kind := range map[string]string{"http_": "header:", "cookie_": "cookie:", "arg_": "query:"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && strings.Count(text, "$") == 1 {
			if kind == "header:" {
				rest = strings.ReplaceAll(rest, "_", "-")
			}
			return kind + rest, nil
		}
	}
	return "", errors.New("not one of $request_uri, $host, $remote_addr, $http_NAME, $cookie_NAME, $arg_NAME")
}

// byHash is how an endpoint is chosen where hashBy says by what.
func byHash(text string) (string, error) {
	if _, err := hashBy(text); err != nil {
		return "", nil // told of hashBy
	}
	return "ring-hash", nil
}

// literal is a text without variables.
func literal(text string) (string, error) {
	if snippet.Variable.MatchString(text) {
		return "", errors.New("variables are not supported")
	}
	return text, nil
}
