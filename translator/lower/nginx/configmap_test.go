package nginx

import (
	"maps"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/policy"
)

// TestImport: what becomes of the keys of a ConfigMap, and that a class can read what
// comes of them.
func TestImport(t *testing.T) {
	settings, keys := Import(map[string]string{"proxy-body-size": "8m", "proxy-read-timeout": "120", "proxy-connect-timeout": "5s", "hsts-max-age": "60", "hsts-preload": "true",
		"use-forwarded-headers": "true", "proxy-real-ip-cidr": "10.0.0.0/8", "keep-alive": "30", "use-proxy-protocol": "true", "server-tokens": "false", "use-gzip": "true",
		"no-such-key": "x", "proxy-next-upstream": "error timeout", "global-auth-url": "http://auth.ns.svc/check?h=$host", "global-auth-response-headers": "X-User", "global-auth-cache-key": "$remote_user",
		"global-allowed-response-headers": "X-Team", "compute-full-forwarded-for": "true", "enable-modsecurity": "true"})
	want := map[string]string{"compatibility": "ingress-nginx", "server-header": "remove", "max-request-body": "8Mi", "idle-timeout": "120s", "hsts": "max-age=60; includeSubDomains; preload",
		"trusted-proxies": "10.0.0.0/8", "downstream-idle-timeout": "30s", "proxy-protocol": "required",
		"global-auth-url": "http://auth.ns.svc/check?h={host}", "global-auth-response-headers": "X-User", "allowed-response-headers": "X-Team", "forwarded-for": "hops"}
	if !maps.Equal(settings, want) {
		t.Errorf("got %v", settings)
	}
	if _, errs := policy.OfClass(object.Ref{}, settings); len(errs) > 0 {
		t.Errorf("a class cannot read them: %v", errs)
	}
	fates := map[string]Fate{"proxy-body-size": AsSetting, "proxy-connect-timeout": ToDecide, "server-tokens": NoEffect, "use-gzip": Lost, "no-such-key": Lost, "proxy-next-upstream": NoEffect,
		"global-auth-url": AsSetting, "global-auth-cache-key": NoEffect, "enable-modsecurity": Lost, "hsts-preload": AsSetting, "use-forwarded-headers": AsSetting, "proxy-real-ip-cidr": AsSetting}
	got := map[string]Fate{}
	for _, k := range keys {
		got[k.Name] = k.Fate
		if (k.Fate == AsSetting) != (len(k.Settings) > 0) || k.Fate != AsSetting && k.Why == "" {
			t.Errorf("%+v", k)
		}
	}
	for name, fate := range fates {
		if got[name] != fate {
			t.Errorf("%s: %s, want %s", name, got[name], fate)
		}
	}
}

// TestImportBelieves: nobody is believed whom the ConfigMap does not name.
func TestImportBelieves(t *testing.T) {
	for _, data := range []map[string]string{{"use-forwarded-headers": "true"}, {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "0.0.0.0/0"}, {"use-forwarded-headers": "false", "proxy-real-ip-cidr": "10.0.0.0/8"}} {
		settings, keys := Import(data)
		if _, has := settings["trusted-proxies"]; has {
			t.Errorf("%v: %v", data, settings)
		}
		if isTrue(data["use-forwarded-headers"]) && keys[len(keys)-1].Fate != ToDecide {
			t.Errorf("%v: %+v", data, keys)
		}
	}
}

// TestImportRealIP: who may say a client's address is never lost in silence.
func TestImportRealIP(t *testing.T) {
	for name, c := range map[string]struct {
		data map[string]string
		key  string
		want Fate
	}{
		"everybody":      {map[string]string{"use-forwarded-headers": "true", "proxy-real-ip-cidr": "0.0.0.0/0"}, "proxy-real-ip-cidr", ToDecide},
		"PROXY":          {map[string]string{"use-proxy-protocol": "true", "proxy-real-ip-cidr": "10.0.0.0/8"}, "proxy-real-ip-cidr", ToDecide},
		"PROXY, all":     {map[string]string{"use-proxy-protocol": "true", "proxy-real-ip-cidr": "0.0.0.0/0"}, "proxy-real-ip-cidr", NoEffect},
		"of any case":    {map[string]string{"use-forwarded-headers": "true", "forwarded-for-header": " x-forwarded-for"}, "forwarded-for-header", NoEffect},
		"another header": {map[string]string{"use-forwarded-headers": "true", "forwarded-for-header": "CF-Connecting-IP"}, "forwarded-for-header", Lost},
	} {
		_, keys := Import(c.data)
		for _, k := range keys {
			if k.Name == c.key && k.Fate != c.want {
				t.Errorf("%s: %+v, want %s", name, k, c.want)
			}
		}
	}
}
