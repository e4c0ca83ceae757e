package policy

import (
	"testing"
	"time"

	"legation.dev/object"
)

// TestPresets: what a preset sets is below what its server does by itself, with
// the margin that was measured; without a preset the defaults are in force.
func TestPresets(t *testing.T) {
	for _, s := range servers {
		if s.use.idle == 0 || s.limits.idle > 0 && s.use.idle > s.limits.idle*idlePercent/100 {
			t.Errorf("%s: idle %v for a server with %v", s.name, s.use.idle, s.limits.idle)
		}
		if s.limits.requests > 0 && (s.use.requests == 0 || s.use.requests >= s.limits.requests) {
			t.Errorf("%s: %d requests for a server with %d", s.name, s.use.requests, s.limits.requests)
		}
		if s.limits.age > 0 && (s.use.age == 0 || s.use.age >= s.limits.age) {
			t.Errorf("%s: age %v for a server with %v", s.name, s.use.age, s.limits.age)
		}
		if s.name != NoPreset && s.options == "" {
			t.Errorf("%s: whoever has changed the server is not told", s.name)
		}
	}
	d := Defaults()
	if got := (lifetimes{d.UpstreamIdleTimeout, d.UpstreamMaxRequests, d.UpstreamMaxLifetime}); got != serverOf(NoPreset).use {
		t.Errorf("defaults are %v, without a preset %v", got, serverOf(NoPreset).use)
	}
}

// TestPrecedence: Service before Ingress before class before default; a preset
// is a value of the object that has it, and the other settings of that object
// correct it.
func TestPrecedence(t *testing.T) {
	const idle, preset, requests = "upstream-idle-timeout", "upstream-preset", "upstream-max-requests"
	for _, c := range []struct {
		name                    string
		class, ingress, service map[string]string
		idle                    time.Duration
		requests                uint32
	}{
		{"default", nil, nil, nil, 1500 * time.Millisecond, 0},
		{"class", map[string]string{idle: "3s"}, nil, nil, 3 * time.Second, 0},
		{"Ingress before class", map[string]string{idle: "3s"}, map[string]string{idle: "4s"}, nil, 4 * time.Second, 0},
		{"Service before Ingress", map[string]string{idle: "3s"}, map[string]string{idle: "4s"}, map[string]string{idle: "5s"}, 5 * time.Second, 0},
		{"Service before class", map[string]string{idle: "3s"}, nil, map[string]string{idle: "5s"}, 5 * time.Second, 0},
		{"each by itself", map[string]string{idle: "3s", requests: "7"}, map[string]string{requests: "8"}, map[string]string{idle: "5s"}, 5 * time.Second, 8},
		{"preset of the class", map[string]string{preset: "tomcat"}, nil, nil, 15 * time.Second, 98},
		{"preset of a narrower object", map[string]string{idle: "3s", requests: "7"}, nil, map[string]string{preset: "gunicorn"}, 1500 * time.Millisecond, 0},
		{"preset corrected beside it", nil, nil, map[string]string{preset: "tomcat", idle: "10s"}, 10 * time.Second, 98},
		{"preset corrected by a narrower object", map[string]string{preset: "gunicorn"}, nil, map[string]string{idle: "10s"}, 10 * time.Second, 0},
		{"no preset after all", map[string]string{preset: "tomcat"}, nil, map[string]string{preset: "none"}, 1500 * time.Millisecond, 0},
		{"a wrong one counts as not there", map[string]string{idle: "3s"}, map[string]string{idle: "4"}, nil, 3 * time.Second, 0},
		{"a contradiction counts as not there", nil, nil, map[string]string{preset: "gunicorn", idle: "2s"}, 1500 * time.Millisecond, 0},
	} {
		class, _ := OfClass(object.Ref{}, c.class)
		ingress, _ := OfIngress(object.Ref{}, prefixed(c.ingress))
		service, _ := OfService(object.Ref{}, prefixed(c.service))
		v := Defaults().With(class).With(ingress).With(service)
		if v.UpstreamIdleTimeout != c.idle || v.UpstreamMaxRequests != c.requests {
			t.Errorf("%s: idle %v, %d requests; want %v, %d", c.name, v.UpstreamIdleTimeout, v.UpstreamMaxRequests, c.idle, c.requests)
		}
	}
}

// TestContradictions: what outlasts the server that the object names itself is
// a FieldError at the field that has to change, and nothing else is.
func TestContradictions(t *testing.T) {
	for _, c := range []struct{ preset, name, text, err string }{
		{"gunicorn", "upstream-idle-timeout", "1.5s", ""},
		{"gunicorn", "upstream-idle-timeout", "1.6s", "above 1.5s (75 % of the server's 2s), which is all that the preset gunicorn beside it allows"},
		{"go", "upstream-idle-timeout", "1h", ""},
		{"none", "upstream-idle-timeout", "1h", ""},
		{"tomcat", "upstream-max-requests", "99", ""},
		{"tomcat", "upstream-max-requests", "100", "above 99 (the server closes after 100), which is all that the preset tomcat beside it allows"},
		{"tomcat", "upstream-max-requests", "off", "above 99 (the server closes after 100), which is all that the preset tomcat beside it allows"},
		{"tomcat", "upstream-max-lifetime", "off", ""},
		{"nginx", "upstream-max-lifetime", "59m", ""},
		{"nginx", "upstream-max-lifetime", "1h", "above 50m0s (the server closes after 1h0m0s), which is all that the preset nginx beside it allows"},
	} {
		service := object.Ref{Kind: object.KindService, Namespace: "shop", Name: "a"}
		o, errs := OfService(service, map[string]string{Prefix + presetName: c.preset, Prefix + c.name: c.text})
		switch {
		case c.err == "" && (len(errs) > 0 || len(o) != 2):
			t.Errorf("%s, %s=%s: %v, %v; want none", c.preset, c.name, c.text, o, errs)
		case c.err != "" && (len(errs) != 1 || len(o) != 1 || errs[0].Err.Error() != c.err ||
			errs[0].Object != service || errs[0].Field != "metadata.annotations."+Prefix+c.name):
			t.Errorf("%s, %s=%s: %v, %v; want error %q", c.preset, c.name, c.text, o, errs, c.err)
		}
	}
}

// TestContradictionText: the error has our setting's canonical text, however it
// was written.
func TestContradictionText(t *testing.T) {
	_, errs := OfService(object.Ref{}, prefixed(map[string]string{presetName: "gunicorn", "upstream-idle-timeout": " 1600ms"}))
	if len(errs) != 1 || errs[0].Value != "1.6s" {
		t.Errorf("%v; want one, of 1.6s", errs)
	}
}
