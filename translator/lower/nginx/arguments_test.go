package nginx

import (
	"maps"
	"slices"
	"testing"
)

// TestArguments: each argument has a fate, and what it becomes can be read as a setting.
func TestArguments(t *testing.T) {
	for name, k := range ofArguments {
		if (k.fate == "") != (len(k.says) > 0) || k.fate != "" && k.why == "" {
			t.Errorf("%s: %+v", name, k)
		}
	}
	for _, name := range switches {
		if _, ok := ofArguments[name]; !ok {
			t.Errorf("%s is no argument", name)
		}
	}
	settings := map[string]string{}
	keys, err := ImportArguments(settings, []string{"nginx-ingress-controller", "--watch-ingress-without-class=false", "--default-ssl-certificate", "a/b", "--enable-topology-aware-routing", "--health-check-path=no slash", "--controller-class=x"})
	if err != nil || !maps.Equal(settings, map[string]string{"default-tls-secret": "a/b", "same-zone-endpoints": "1"}) {
		t.Errorf("%v, %v", settings, err)
	}
	fates := map[string]Fate{}
	for _, k := range keys {
		fates[k.Name] = k.Fate
	}
	if want := map[string]Fate{"--watch-ingress-without-class": NoEffect, "--default-ssl-certificate": AsSetting, "--enable-topology-aware-routing": AsSetting, "--health-check-path": ToDecide, "--controller-class": Elsewhere}; !maps.Equal(fates, want) {
		t.Errorf("%v", keys)
	}
	if !slices.IsSortedFunc(keys, func(a, b Key) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) }) {
		t.Error("not sorted")
	}
}
