package policy

import (
	"strings"
	"testing"

	"legation.dev/object"
)

// TestRefusedListeners: what Envoy would refuse is refused before it is sent, and what only
// a node can know is not.
func TestRefusedListeners(t *testing.T) {
	for _, c := range []struct {
		data    map[string]string
		refused string // the setting that counts as not there
	}{
		{map[string]string{"http-port": "8080", "https-port": "8080"}, "https-port"},
		{map[string]string{"http-port": "443"}, "http-port"},
		{map[string]string{"https-port": "80"}, "https-port"},
		{map[string]string{"http-port": "443", "https-port": "80"}, ""},
		{map[string]string{"http-port": "9902"}, "http-port"},
		{map[string]string{"https-port": "9904"}, "https-port"},
		{map[string]string{"bind-addresses": "fe80::1%lo"}, "bind-addresses"},
		{map[string]string{"bind-addresses": "::ffff:127.0.0.1"}, "bind-addresses"},
		{map[string]string{"bind-addresses": "127.0.0.1,224.0.0.1"}, "bind-addresses"},
		{map[string]string{"bind-addresses": "ff02::1"}, "bind-addresses"},
		{map[string]string{"bind-addresses": "192.0.2.1,::1"}, ""},
		{map[string]string{"access-log": "/var/log/"}, "access-log"},
		{map[string]string{"access-log": "/"}, "access-log"},
		{map[string]string{"access-log": "/var/../dev/stdout"}, "access-log"},
		{map[string]string{"access-log": "/var/log/envoy.log"}, ""},
	} {
		_, errs := OfClass(object.Ref{}, c.data)
		var got []string
		for _, err := range errs {
			got = append(got, err.Field)
		}
		if len(got) > 1 || (len(got) == 1) != (c.refused != "") || !strings.Contains(strings.Join(got, ""), c.refused) {
			t.Errorf("%v: %v, want %q", c.data, errs, c.refused)
		}
	}
}
