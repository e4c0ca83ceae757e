package translator

import (
	"maps"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/policy"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// otherValues are values of listener settings that differ from the defaults.
var otherValues = map[string]string{
	"access-log": "/var/log/access.log", "access-log-fields": "time,status", "access-log-filter": "errors",
	"bind-addresses": "127.0.0.1", "downstream-idle-timeout": "5m", "downstream-max-lifetime": "1h", "drain-upgrades": "close",
	"escaped-slashes": "reject", "external-http-port": "8080", "external-https-port": "8443", "health-path": "/healthz",
	"http-port": "8080", "https-port": "8443", "max-request-headers": "30", "proxy-protocol": "required",
	"server-header": "remove", "tcp-keepalive": "1m", "trusted-hops": "2", "trusted-proxies": "10.0.0.0/8",
	"tracing-collector": traced, "tracing-parents": "everybody", "tracing-sampling": "2", "tracing-service": "front",
}

// traced is a collector of traces.
const traced = worlds.Namespace + "/collector:4317"

// besides are settings without which others have no effect.
var besides = map[string]map[string]string{
	"tracing-parents": {"tracing-collector": traced}, "tracing-sampling": {"tracing-collector": traced}, "tracing-service": {"tracing-collector": traced},
}

// TestFixed: a setting of listeners changes a listener, and so closes connections, exactly
// if it says why; else it changes HTTP configurations alone.
func TestFixed(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 1, Ingresses: 2, TLS: 1})
	base := input.View{}.With(w.All()...)
	of := func(settings map[string]string) snapshot.Snapshot {
		f, _ := Translate(Result{}, base.With(
			lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: worlds.Namespace, Name: worlds.Settings}, Data: settings})),
			lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller,
				Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: worlds.Namespace, Name: worlds.Settings}})),
		)).Fleet(worlds.Class)
		return f.Snapshot
	}
	for _, s := range policy.Table() {
		if !s.OfListener {
			continue
		}
		settings := map[string]string{s.Name: otherValues[s.Name]}
		maps.Copy(settings, besides[s.Name])
		before, after := of(besides[s.Name]), of(settings)
		changed := func(t snapshot.Type) bool { return before.Of(t).Digest() != after.Of(t).Digest() }
		if fixed := s.Fixed != ""; changed(snapshot.Listener) != fixed {
			t.Errorf("%s: listeners change: %t, fixed: %q", s.Name, changed(snapshot.Listener), s.Fixed)
		}
		if !changed(snapshot.Listener) && !changed(snapshot.ExtensionConfig) {
			t.Errorf("%s: %q changes nothing", s.Name, otherValues[s.Name])
		}
	}
}
