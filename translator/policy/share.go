package policy

import "fmt"

// shared are the settings of which a Service port may have a share only.
var shared = []struct {
	name  string
	value func(Values) uint32
}{
	{"max-connections", func(v Values) uint32 { return v.MaxConnections }},
	{"max-pending-requests", func(v Values) uint32 { return v.MaxPending }},
}

// Share is how many connections and requests one Service port may have open in
// one Envoy at most.
func (v Values) Share() uint32 {
	return max(1, uint32(uint64(v.ConnectionBudget)*uint64(v.ServiceShare)/100))
}

// Beyond is what o says beyond the share of a Service in the class of v. The
// share is then in force.
func (v Values) Beyond(o Overrides) (errs []*FieldError) {
	for _, s := range shared {
		i := o.index(s.name)
		if i < 0 || s.value(Values{}.With(o)) <= v.Share() {
			continue
		}
		errs = append(errs, &FieldError{Object: o[i].at.Object, Field: o[i].at.Field, Value: o[i].text,
			Err: fmt.Errorf("above %d, which is the service-share of %d %% of the class's connection-budget of %d", v.Share(), v.ServiceShare, v.ConnectionBudget)})
	}
	return errs
}
