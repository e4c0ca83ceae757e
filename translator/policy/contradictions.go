package policy

import (
	"errors"
	"fmt"
	"slices"
)

// contradiction is what two settings of one object cannot both say. The first
// then counts as not there.
type contradiction struct {
	name, beside string
	check        func(Values) error // of what the object says
}

// contradictions are looked for on one object only: what a narrower object says
// corrects a wider one.
var contradictions = []contradiction{
	{"hash-by", "load-balancing", onlyRingHash(true)},
	{"slow-start", "load-balancing", onlyRingHash(false)},
	{"same-zone-endpoints", "load-balancing", onlyRingHash(false)},
	{"health-check-timeout", "health-check-interval", func(v Values) error {
		if v.HealthCheckTimeout >= v.HealthCheckInterval {
			return fmt.Errorf("not below the health-check-interval of %v beside it", v.HealthCheckInterval)
		}
		return nil
	}},
	{"trusted-hops", "trusted-proxies", func(v Values) error {
		if v.TrustedHops > 0 && len(v.TrustedProxies) > 0 {
			return errors.New("means nothing with the trusted-proxies beside it")
		}
		return nil
	}},
	{"upstream-idle-timeout", presetName, outlastsServer("upstream-idle-timeout")},
	{"upstream-max-lifetime", presetName, outlastsServer("upstream-max-lifetime")},
	{"upstream-max-requests", presetName, outlastsServer("upstream-max-requests")},
	{"per-try-timeout", "request-timeout", func(v Values) error {
		if v.RequestTimeout > 0 && v.PerTryTimeout >= v.RequestTimeout {
			return fmt.Errorf("not below the request-timeout of %v beside it", v.RequestTimeout)
		}
		return nil
	}},
	{"request-timeout", "max-stream-duration", func(v Values) error {
		if v.MaxStreamDuration > 0 && v.RequestTimeout >= v.MaxStreamDuration {
			return fmt.Errorf("not below the max-stream-duration of %v beside it", v.MaxStreamDuration)
		}
		return nil
	}},
}

// onlyRingHash: a setting means something with ring-hash only, or without it only.
func onlyRingHash(with bool) func(Values) error {
	return func(v Values) error {
		if (v.LoadBalancing == RingHash) != with {
			return fmt.Errorf("means nothing with the load-balancing %s beside it", v.LoadBalancing)
		}
		return nil
	}
}

func outlastsServer(name string) func(Values) error {
	return func(v Values) error { return serverOf(v.UpstreamPreset).contradicts(name, v) }
}

// consistent takes out what contradicts another setting beside it.
func (o Overrides) consistent(errs []*FieldError) (Overrides, []*FieldError) {
	for _, c := range contradictions {
		i := o.index(c.name)
		if i < 0 || o.index(c.beside) < 0 {
			continue
		}
		if err := c.check(Values{}.With(o)); err != nil {
			errs = append(errs, &FieldError{Object: o[i].at.Object, Field: o[i].at.Field, Value: o[i].text, Err: err})
			o = slices.Delete(slices.Clone(o), i, i+1)
		}
	}
	return o, errs
}

func (o Overrides) index(name string) int {
	return slices.IndexFunc(o, func(one Override) bool { return one.setting.Name == name })
}
