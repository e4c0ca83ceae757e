package nginx

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/policy"
)

// Fate is what becomes of a key of the ConfigMap of ingress-nginx, or of an argument.
type Fate string

// The fates.
const (
	AsSetting Fate = "setting"   // it is settings of the class
	NoEffect  Fate = "no effect" // nothing is lost by leaving it out
	ToDecide  Fate = "decide"    // somebody has to
	Lost      Fate = "lost"      // there is nothing like it
	Elsewhere Fate = "elsewhere" // it is said to a command or to the chart, as Why says
)

// Key is what became of one key.
type Key struct {
	Name, Value string
	Fate        Fate
	Settings    []string // those that it became
	Why         string   // if it is no setting, or not wholly
}

// key is how a key is read.
type key struct {
	says []policy.Word
	fate Fate // if it says nothing
	why  string
}

// ofConfigMap are the keys that no annotation is called by; the others mean what the
// annotation does. Values have nginx's units.
var ofConfigMap = map[string]key{
	"allow-backend-server-header":           {says: []policy.Word{{Setting: "server-header", Ours: either("pass", "remove")}}},
	"allow-snippet-annotations":             {fate: NoEffect, why: "snippets are read into types, and never become configuration text"},
	"annotations-risk-level":                {fate: NoEffect, why: "no annotation becomes configuration text"},
	"client-body-timeout":                   {fate: NoEffect, why: "idle-timeout ends a body that stands still"},
	"client-header-timeout":                 {fate: NoEffect, why: "a request has 10 s for its headers"},
	"custom-http-errors":                    {fate: ToDecide, why: "say it on the Ingresses that want it, with default-backend"},
	"global-allowed-response-headers":       {says: []policy.Word{{Setting: "allowed-response-headers", Ours: asIs}}},
	"global-auth-always-set-cookie":         {says: []policy.Word{{Setting: "global-auth-always-set-cookie", Ours: boolean}}},
	"global-auth-cache-duration":            {fate: NoEffect, why: "the service is asked about each request"},
	"global-auth-cache-key":                 {fate: NoEffect, why: "the service is asked about each request"},
	"global-auth-method":                    {says: []policy.Word{{Setting: "global-auth-method", Ours: asIs}}},
	"global-auth-request-redirect":          {says: []policy.Word{{Setting: "global-auth-request-redirect", Ours: withPlaces}}},
	"global-auth-response-headers":          {says: []policy.Word{{Setting: "global-auth-response-headers", Ours: asIs}}},
	"global-auth-signin":                    {says: []policy.Word{{Setting: "global-auth-signin", Ours: withPlaces}}},
	"global-auth-signin-redirect-param":     {says: []policy.Word{{Setting: "global-auth-signin-redirect-param", Ours: asIs}}},
	"global-auth-snippet":                   {fate: ToDecide, why: "text of nginx is not taken; say what it is for"},
	"global-auth-url":                       {says: []policy.Word{{Setting: "global-auth-url", Ours: withPlaces}}},
	"no-auth-locations":                     {fate: ToDecide, why: "only /.well-known/acme-challenge, its default, is exempt from global-auth-url; say global-auth: \"false\" on other Ingresses that are to be open"},
	"enable-opentelemetry":                  {fate: ToDecide, why: "name the Service of your collector in tracing-collector"},
	"opentelemetry-trust-incoming-span":     {fate: ToDecide, why: "clients are not believed by default: tracing-parents"},
	"otel-sampler-ratio":                    {fate: ToDecide, why: "tracing-sampling, in percent"},
	"otel-service-name":                     {says: []policy.Word{{Setting: "tracing-service", Ours: asIs}}},
	"otlp-collector-host":                   {fate: ToDecide, why: "name the Service of your collector in tracing-collector, namespace/name:port"},
	"otlp-collector-port":                   {fate: ToDecide, why: "it is part of tracing-collector"},
	"keep-alive":                            {says: []policy.Word{{Setting: "downstream-idle-timeout", Ours: seconds}}},
	"keep-alive-requests":                   {fate: NoEffect, why: "Envoy's connections have no number of requests"},
	"large-client-header-buffers":           {fate: ToDecide, why: "max-request-headers bounds all headers together, in KiB"},
	"max-worker-connections":                {fate: NoEffect, why: "legation bootstrap --max-connections bounds them"},
	"max-worker-open-files":                 {fate: NoEffect, why: "Envoy has the limit of its container"},
	"reuse-port":                            {fate: NoEffect, why: "Envoy always does"},
	"server-tokens":                         {fate: NoEffect, why: "Envoy says no version"},
	"strict-validate-path-type":             {fate: NoEffect, why: "paths are patterns where an Ingress says so, whatever their type"},
	"upstream-keepalive-requests":           {says: []policy.Word{{Setting: "upstream-max-requests", Ours: number}}},
	"upstream-keepalive-time":               {says: []policy.Word{{Setting: "upstream-max-lifetime", Ours: literal}}},
	"upstream-keepalive-timeout":            {says: []policy.Word{{Setting: "upstream-idle-timeout", Ours: seconds}}},
	"use-gzip":                              {fate: Lost, why: "answers are not compressed"},
	"enable-brotli":                         {fate: Lost, why: "answers are not compressed"},
	"use-http2":                             {fate: NoEffect, why: "HTTP/2 is always offered"},
	"use-proxy-protocol":                    {says: []policy.Word{{Setting: "proxy-protocol", Ours: either("required", "off")}}},
	"worker-processes":                      {fate: NoEffect, why: "Envoy has --concurrency"},
	"worker-shutdown-timeout":               {fate: NoEffect, why: "shutdown-manager ends Envoy when its work is done, at the latest after its deadline"},
	"log-format-upstream":                   {fate: ToDecide, why: "access-log-fields chooses among the fields of a JSON line"},
	"compute-full-forwarded-for":            {says: []policy.Word{{Setting: "forwarded-for", Ours: either("hops", "client")}}},
	"enable-access-log-for-default-backend": {fate: NoEffect, why: "every request is logged that access-log-filter names"},
}

// either is one of two words of ours for true and false.
func either(yes, no string) func(string) (string, error) {
	return func(text string) (string, error) {
		ours, err := boolean(text)
		switch {
		case err != nil:
			return "", err
		case ours == "true":
			return yes, nil
		}
		return no, nil
	}
}

// asAnnotation is a key that means what the annotation of its name does.
func asAnnotation(name string) (key, bool) {
	switch a, _ := annotationOf(name); a.as {
	case setting:
		return key{says: words[name]}, true
	case nothing:
		return key{fate: NoEffect, why: a.why}, true
	case refused:
		return key{fate: Lost, why: a.why}, true
	}
	return key{}, false
}

// Import makes settings of a class of the ConfigMap of ingress-nginx, and says what became
// of each key, in order. The settings can be read; what cannot be is to be decided.
func Import(data map[string]string) (settings map[string]string, keys []Key) {
	settings = map[string]string{"compatibility": string(policy.IngressNginx), "server-header": "remove"}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		switch {
		case strings.HasPrefix(name, "hsts"), name == "use-forwarded-headers", name == "proxy-real-ip-cidr", name == "forwarded-for-header":
			continue // together, below
		}
		keys = append(keys, imported(settings, name, strings.TrimSpace(data[name])))
	}
	keys = append(keys, strict(settings, data)...)
	keys = append(keys, forwarded(settings, data)...)
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	return settings, keys
}

// imported reads one key by itself.
func imported(settings map[string]string, name, value string) Key {
	k, known := ofConfigMap[name]
	if !known {
		k, known = asAnnotation(name)
	}
	switch {
	case !known:
		return Key{Name: name, Value: value, Fate: Lost, Why: "is not known here: look for it in docs/differences.md"}
	}
	key := k.read(settings, value)
	key.Name, key.Value = name, value
	return key
}

// read adds to settings what a value says.
func (k key) read(settings map[string]string, value string) Key {
	if len(k.says) == 0 {
		return Key{Fate: k.fate, Why: k.why}
	}
	key := Key{Fate: AsSetting}
	for _, w := range k.says {
		ours, err := w.Ours(value)
		if err == nil && ours != "" {
			_, errs := policy.OfClass(object.Ref{}, map[string]string{w.Setting: ours})
			for _, e := range errs {
				err = e.Err
			}
		}
		switch {
		case err != nil:
			key.Fate, key.Why = ToDecide, err.Error()
		case ours != "":
			settings[w.Setting] = ours
			key.Settings = append(key.Settings, w.Setting)
		}
	}
	if key.Fate == AsSetting && len(key.Settings) == 0 {
		key.Fate, key.Why = NoEffect, "says what is done anyway"
	}
	return key
}

// strict reads the keys of HSTS, which are one setting.
func strict(settings, data map[string]string) (keys []Key) {
	names := []string{"hsts", "hsts-include-subdomains", "hsts-max-age", "hsts-preload"}
	on := func(name string, otherwise bool) bool {
		if v, err := strconv.ParseBool(strings.TrimSpace(data[name])); err == nil {
			return v
		}
		return otherwise
	}
	said := false
	for _, name := range names {
		if value, has := data[name]; has {
			said = true
			keys = append(keys, Key{Name: name, Value: value, Fate: AsSetting, Settings: []string{"hsts"}})
		}
	}
	switch age := strings.TrimSpace(data["hsts-max-age"]); {
	case !said:
	case !on("hsts", true):
		settings["hsts"] = "off"
	default:
		if n, err := strconv.Atoi(age); err != nil || n <= 0 {
			age = "31536000"
		}
		settings["hsts"] = "max-age=" + age
		if on("hsts-include-subdomains", true) {
			settings["hsts"] += "; includeSubDomains"
		}
		if on("hsts-preload", false) {
			settings["hsts"] += "; preload"
		}
	}
	return keys
}

// forwarded reads the keys that say whose X-Forwarded-For counts. Without a list of them
// ingress-nginx believes everybody: that becomes no setting, somebody has to decide.
func forwarded(settings, data map[string]string) (keys []Key) {
	believes, protocol := isTrue(data["use-forwarded-headers"]), isTrue(data["use-proxy-protocol"])
	for _, name := range []string{"forwarded-for-header", "proxy-real-ip-cidr", "use-forwarded-headers"} {
		value, has := data[name]
		if !has {
			continue
		}
		k := Key{Name: name, Value: value, Fate: NoEffect, Why: "use-forwarded-headers is off"}
		switch {
		case name == "proxy-real-ip-cidr" && protocol && !believes && !allowsEverybody(value):
			k.Fate, k.Why = ToDecide, "proxy-protocol: required takes the client's address from whoever connects: let nobody else reach the listeners"
		case !believes:
		case name == "forwarded-for-header" && !strings.EqualFold(strings.TrimSpace(value), "X-Forwarded-For"):
			k.Fate, k.Why = Lost, "clients are told apart by X-Forwarded-For only"
		case name != "forwarded-for-header" && settings["trusted-proxies"] == "" && (name == "use-forwarded-headers" || allowsEverybody(value)):
			k.Fate, k.Why = ToDecide, "name the proxies in front in trusted-proxies, or their number in trusted-hops: ingress-nginx believes everybody"
		case name == "proxy-real-ip-cidr" && !allowsEverybody(value):
			_, errs := policy.OfClass(object.Ref{}, map[string]string{"trusted-proxies": value})
			if k.Fate, k.Why = AsSetting, ""; len(errs) > 0 {
				k.Fate, k.Why = ToDecide, errs[0].Err.Error()
			} else {
				settings["trusted-proxies"], k.Settings = value, []string{"trusted-proxies"}
			}
		default:
			k.Why = "says what is done anyway"
			if name == "use-forwarded-headers" {
				k.Fate, k.Settings, k.Why = AsSetting, []string{"trusted-proxies"}, ""
			}
		}
		keys = append(keys, k)
	}
	return keys
}
