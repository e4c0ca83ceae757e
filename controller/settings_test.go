package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// settingsOf is the ConfigMap of the guarded class, or another one.
func settingsOf(name string, data map[string]string) input.Change {
	all := map[string]string{"namespace-hosts": "0"}
	maps.Copy(all, data)
	return lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: "shop", Name: name}, Data: all}))
}

// classOf is the guarded class with another ConfigMap.
func classOf(config string) input.Change {
	return lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: fleetOfGuard}, Controller: input.Controller,
		Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "shop", Name: config}}))
}

// listeners identifies those that the guarded fleet is served with, and http their HTTP
// configurations.
func (l *loopTest) listeners() (listeners, http string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.fleets[fleetOfGuard]
	a, b := s.Of(snapshot.Listener).Digest(), s.Of(snapshot.ExtensionConfig).Digest()
	return a.String(), b.String()
}

// fresh is what a process without memory serves of what was read last, see served.
func (l *loopTest) fresh() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := input.View{}
	for _, o := range append(l.held.View().ClassObjects(), l.held.View().Objects()...) {
		v = v.With(input.Change{Ref: o.Ref(), Object: o})
	}
	return servedOf(fleetOf(translator.Translate(translator.Result{}, v), fleetOfGuard))
}

// servedNow identifies what the guarded fleet is served with.
func (l *loopTest) servedNow() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return servedOf(l.fleets[fleetOfGuard])
}

// servedOf identifies a snapshot, but for secrets, of which some follow from the clock, and
// clusters, which wait for endpoints.
func servedOf(s snapshot.Snapshot) string {
	for _, t := range []snapshot.Type{snapshot.Secret, snapshot.Cluster, snapshot.Endpoints} {
		s = s.With(t, pmap.Map[*snapshot.Resource]{})
	}
	digest := s.Digest()
	return digest.String()
}

// changesOfSettings are changes of {"http-port": "8080"}, and why they are held; empty: they are not.
var changesOfSettings = []struct {
	to   map[string]string
	why  string
	code finding.Code // that is told
}{
	{map[string]string{"http-port": "8081"}, "every connection of listener http would be closed", finding.SettingsHeld},
	{map[string]string{"http-port": "8080", "bind-addresses": "127.0.0.1"}, "every connection of listener http and of listener https would be closed", finding.SettingsHeld},
	{map[string]string{"http-port": "8080", "proxy-protocol": "required"}, "would be closed", finding.SettingsHeld},
	{map[string]string{"http-port": "8080", "trusted-proxies": "10.0.0.0/8"}, "would be closed", finding.SettingsHeld},
	{map[string]string{"http-port": "8080", "tcp-keepalive": "1m"}, "would be closed", finding.SettingsHeld},
	{map[string]string{"http-port": "8080", "default-tls-secret": "shop/tls"}, "the connections of 1 filter chains of listener https would be closed", finding.SettingsHeld},
	{map[string]string{"htp-port": "8080"}, "every connection of listener http would be closed", finding.SettingsKept},
	{map[string]string{"http-port": "none"}, "fixed at install", finding.SettingsKept},
	{map[string]string{"http-port": "8080", "trusted-hops": "one"}, "who may come", finding.SettingsKept},
	{map[string]string{"http-port": "8080", "allowed-addresses": "ten"}, "who may come", finding.SettingsKept},
	{map[string]string{"http-port": "8080", "access-log": "off"}, "", ""},
	{map[string]string{"http-port": "8080", "access-log": "of"}, "", finding.SettingIgnored},
	{map[string]string{"http-port": "8080", "idle-timeout": "75"}, "", finding.SettingIgnored},
	{map[string]string{"http-port": "8081", "closing-changes": "apply"}, "", ""},
	{map[string]string{"http-port": "8081", "closing-changes": "aply"}, "every connection of listener http would be closed", finding.SettingsHeld},
	{map[string]string{"http-port": "none", "closing-changes": "apply"}, "fixed at install", finding.SettingsKept},
}

// TestSettingsAreHeld: a change of settings that would close connections, and no other, waits as a
// whole: it is told with its field, ends when it is taken back, and is in force when it is approved,
// but for what is wrong and fixed at install. What is not held is what a process without memory
// serves.
func TestSettingsAreHeld(t *testing.T) {
	for _, c := range changesOfSettings {
		t.Run(strings.Join(valuesOf(c.to), " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := make(channel)
				l := guarded(t, source, source, 1, map[string]string{"http-port": "8080"})
				before := l.servedNow()
				l.change(settingsOf("settings", c.to))
				if c.code != "" && !subset([]string{"ConfigMap shop/settings " + string(c.code)}, l.problems()) {
					t.Errorf("Problems are %q, want %s", l.problems(), c.code)
				}
				e := l.entry(held.Class)
				if c.why == "" {
					if e.Object != "" || l.servedNow() != l.fresh() {
						t.Errorf("held is %+v; served as by a process without memory: %t", e, l.servedNow() == l.fresh())
					}
					l.end(t)
					return
				}
				if e.Object != "ConfigMap shop/settings" || e.Fleet != fleetOfGuard || !strings.Contains(e.Reason, c.why) || !e.Since.Equal(time.Now()) || !e.Until.IsZero() {
					t.Errorf("held is %+v", e)
				}
				l.wait(time.Hour)
				l.change(ingressOf(1))
				l.expectServed(t, "while settings are held", 2)
				l.change(deletionOf(1))
				l.wait(time.Minute)
				if l.servedNow() != before {
					t.Error("something else is served")
				}
				l.change(settingsOf("settings", map[string]string{"http-port": "8080"}))
				l.expectHeld(t, "taken back")
				l.change(settingsOf("settings", c.to))
				l.approveSettings(t, e, !strings.Contains(c.why, "fixed"))
				l.end(t)
			})
		})
	}
}

// approveSettings approves what is held, which is e.
func (l *loopTest) approveSettings(t *testing.T, e held.Entry, can bool) {
	t.Helper()
	g := given(fleetOfGuard)
	for _, digest := range []string{"of something else", e.Digest} {
		g.Digest = digest
		if err := l.orders.Do(t.Context(), Approve(g)); (err == nil) != (can && digest == e.Digest) {
			t.Errorf("approved %q: %v", digest, err)
		}
	}
	if !can {
		return
	}
	l.expectHeld(t, "approved")
	if l.servedNow() != l.fresh() {
		t.Error("approved, and it is not what a process without memory serves")
	}
	past := l.orders.Past()
	if last := past[len(past)-1]; last.Kind != ApproveSettingsKind || last.Digest != e.Digest || !strings.Contains(last.String(), "me approved the settings") {
		t.Errorf("told is %+v", last)
	}
}

func valuesOf(settings map[string]string) (list []string) {
	for _, key := range []string{"http-port", "htp-port", "bind-addresses", "proxy-protocol", "trusted-proxies", "tcp-keepalive", "default-tls-secret", "trusted-hops", "allowed-addresses", "access-log", "idle-timeout", "closing-changes"} {
		if text, ok := settings[key]; ok {
			list = append(list, key+"="+text)
		}
	}
	return list
}

// TestSettingsWaitAsAWhole: while a change waits, others of the ConfigMap do, too; what was
// approved is not what was changed since; and a class that names another ConfigMap is a change as
// any other, also if it comes with Ingresses, after a pause, or while the class was gone.
func TestSettingsWaitAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 1, map[string]string{"http-port": "8080"})
		listeners, http := l.listeners()
		same := func(when string, waits bool) {
			t.Helper()
			if a, b := l.listeners(); a != listeners || b != http {
				t.Errorf("%s: listeners are as before: %t, their HTTP configurations: %t", when, a == listeners, b == http)
			}
			if e := l.entry(held.Class); (e.Object != "") != waits {
				t.Errorf("%s: held is %+v", when, e)
			}
		}
		l.change(settingsOf("settings", map[string]string{"http-port": "8081"}))
		first := l.entry(held.Class)
		l.change(settingsOf("settings", map[string]string{"http-port": "8081", "access-log": "off"}))
		same("another setting", true)
		l.approveStale(t, first)
		l.change(settingsOf("settings", map[string]string{"http-port": "8080"}), settingsOf("others", map[string]string{"http-port": "8081"}))
		same("taken back", false)
		l.change(classOf("others"), ingressOf(2))
		same("another ConfigMap", true)
		l.expectServed(t, "an Ingress in the same batch", 2)
		if e := l.entry(held.Class); !strings.HasPrefix(e.Reason, "spec.parameters: ") || e.Object != "IngressClass guarded" {
			t.Errorf("held is %+v", e)
		}
		l.order(t, Pause(given(fleetOfGuard)))
		l.change(settingsOf("others", map[string]string{"http-port": "8082"}))
		same("paused", true)
		l.order(t, Resume(given(fleetOfGuard)))
		same("resumed", true)
		l.change(input.Delete(classOf("others").Ref))
		same("the class is gone", true)
		l.change(classOf("others"))
		same("it is back", true)
		l.change(classOf("settings"))
		same("with the settings that it had", false)
		l.end(t)
	})
}

func (l *loopTest) approveStale(t *testing.T, e held.Entry) {
	t.Helper()
	g := given(fleetOfGuard)
	g.Digest = e.Digest
	if err := l.orders.Do(t.Context(), Approve(g)); err == nil {
		t.Error("what was shown before a change is approved")
	}
}

func (l *loopTest) order(t *testing.T, o Order) {
	t.Helper()
	if err := l.orders.Do(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// TestSettingsOverRestarts: a process that begins with what another one had compares with that;
// what was held goes on, and what was changed meanwhile is a change.
func TestSettingsOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 1, map[string]string{"http-port": "8080"})
		before, _ := l.listeners()
		all := []input.Change{classOf("settings"), ingressOf(0)}
		restarted := func(when string, config input.Change, waits bool) {
			t.Helper()
			last := l.result.View().WithStored(time.Now())
			l.end(t)
			l = startLoopFrom(t, &Loop{Last: last})
			l.change(append(all, config)...)
			if now, _ := l.listeners(); now != before {
				t.Errorf("%s: the listeners are others", when)
			}
			if e := l.entry(held.Class); (e.Object != "") != waits {
				t.Errorf("%s: held is %+v", when, e)
			}
		}
		restarted("changed meanwhile", settingsOf("settings", map[string]string{"http-port": "8081"}), true)
		restarted("as it was", settingsOf("settings", map[string]string{"http-port": "8081"}), true)
		restarted("taken back meanwhile", settingsOf("settings", map[string]string{"http-port": "8080"}), false)
		l.end(t)
	})
}

// TestApprovedSettingsCount: settings that say whose hosts are, and are in force by an approval, leave
// as many hosts as there are then for the share of a deletion.
func TestApprovedSettingsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 40, map[string]string{"http-port": "8080"})
		var owners []string
		for i := range 10 {
			owners = append(owners, fmt.Sprintf("i%03d.example.com=other", i))
		}
		l.change(settingsOf("settings", map[string]string{"http-port": "8081", "host-owners": strings.Join(owners, ",")}))
		l.expectServed(t, "held", 40)
		l.order(t, Approve(given(fleetOfGuard)))
		l.expectServed(t, "approved", 30)
		for i := range 10 { // a third of those that are left
			l.change(deletionOf(10 + i))
		}
		l.wait(time.Minute)
		l.expectServed(t, "a third is removed", 30)
		l.end(t)
	})
}

// TestRenewedWhileHeld: the certificate that settings in force name is followed and renewed while
// others wait that name none, also while the fleet is paused, by a source that reads by name.
func TestRenewedWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var certificates []input.Secret
		for _, c := range worlds.New(1, worlds.Size{Services: 1, Ingresses: 8, TLS: 1}).All() {
			if s, ok := c.Object.(*input.Secret); ok && len(s.Key) > 0 {
				certificates = append(certificates, input.Secret{Meta: input.Meta{Namespace: "shop", Name: "own"}, Certificate: s.Certificate, Key: s.Key})
			}
		}
		own := object.Ref{Kind: object.KindSecret, Namespace: "shop", Name: "own"}
		var used []object.Ref
		source := make(channel)
		l := guardedWith(t, source, &Loop{Source: source, Used: func(refs []object.Ref) { used = refs }}, 1, map[string]string{"default-tls-secret": "shop/own"})
		renewed := func(when string, i int) {
			t.Helper()
			if !slices.Contains(used, own) {
				t.Errorf("%s: used are %v", when, used)
			}
			before := l.secretOf("default-certificate")
			l.change(lower.Put(input.Seal(&certificates[i])))
			if now := l.secretOf("default-certificate"); now == before {
				t.Errorf("%s: what is served is not renewed", when)
			}
		}
		renewed("at first", 0)
		class := fleetOfGuard
		l.change(lower.Put(input.Seal(&input.Ingress{Meta: input.Meta{Namespace: "shop", Name: "i001"}, ClassName: &class, TLS: []input.TLS{{Hosts: []string{"i001.example.com"}, Secret: "of-host"}},
			Rules: []input.Rule{{Host: "i001.example.com", Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: input.Backend{Service: "web", Port: 80}}}}}})))
		l.change(settingsOf("settings", nil))
		if e := l.entry(held.Class); e.Object == "" {
			t.Error("nothing is held")
		}
		renewed("held", 1)
		l.order(t, Pause(given(fleetOfGuard)))
		renewed("paused", 2)
		l.change(deletionOf(1))
		if of := (object.Ref{Kind: object.KindSecret, Namespace: "shop", Name: "of-host"}); !slices.Contains(used, of) {
			t.Errorf("paused, and its Ingress is gone: used are %v", used)
		}
		l.order(t, Resume(given(fleetOfGuard)))
		l.wait(time.Minute) // until the host has gone
		l.order(t, Approve(given(fleetOfGuard)))
		if len(used) > 0 {
			t.Errorf("approved: used are %v", used)
		}
		l.end(t)
	})
}

// secretOf is the version of a secret that the guarded fleet is served with.
func (l *loopTest) secretOf(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.fleets[fleetOfGuard].Of(snapshot.Secret).Get(name)
	if !ok {
		return ""
	}
	return r.Version
}
