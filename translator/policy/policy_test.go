package policy

import (
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"legation.dev/object"
)

var update = flag.Bool("update", false, "rewrite docs/settings.md")

// settingsPage is generated from the table.
const settingsPage = "../../docs/settings.md"

// TestTable: every row says all that people must know of a setting, and has a
// default that it can read. Rows are in order, and each has its own field.
func TestTable(t *testing.T) {
	rows := Table()
	if !slices.IsSortedFunc(rows, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("rows are not in order of their names")
	}
	for i, s := range rows {
		if i > 0 && rows[i-1].Name == s.Name {
			t.Errorf("%s is there twice", s.Name)
		}
		for what, text := range map[string]string{"Name": s.Name, "Type": s.Type.Name, "Why": s.Why, "Envoy": s.Envoy, "Doc": s.Doc} {
			if text == "" {
				t.Errorf("%q has no %s", s.Name, what)
			}
		}
		if s.Scopes == 0 || s.Upstream && s.Scopes&OnClass == 0 || s.Fixed && s.Scopes != OnClass {
			t.Errorf("%s: wrong scopes %v", s.Name, s.Scopes)
		}
		checkDefault(t, s)
	}
	if n := leaves(reflect.TypeFor[Values]()); n != len(rows) {
		t.Errorf("%d rows for %d fields of Values", len(rows), n)
	}
}

// leaves are the fields of a struct that hold a value: those of embedded structs
// count one by one.
func leaves(t reflect.Type) (n int) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous {
			n += leaves(f.Type)
		} else {
			n++
		}
	}
	return n
}

// checkDefault: a default can be read, and what is printed of it is the same value.
func checkDefault(t *testing.T, s Setting) {
	t.Helper()
	apply, err := s.Type.parse(s.Default)
	if err != nil {
		t.Errorf("%s: default: %v", s.Name, err)
		return
	}
	var v Values
	apply(&v)
	printed := s.Type.print(&v)
	again, err := s.Type.parse(printed)
	if err != nil {
		t.Errorf("%s prints %q, which it cannot read: %v", s.Name, printed, err)
		return
	}
	var w Values
	again(&w)
	if !reflect.DeepEqual(v, w) {
		t.Errorf("%s: %q is printed as %q, which is another value", s.Name, s.Default, printed)
	}
}

// TestSettingsPage: the page is what the table gives.
func TestSettingsPage(t *testing.T) {
	want := Markdown()
	if *update {
		if err := os.WriteFile(settingsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(settingsPage)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v): run make golden", settingsPage, err)
	}
}

// TestValues: what each type of setting takes and refuses.
func TestValues(t *testing.T) {
	for _, c := range []struct{ name, text, want, err string }{
		{"upstream-connect-timeout", "2000ms", "2s", ""},
		{"upstream-connect-timeout", " 2s ", "2s", ""},
		{"upstream-connect-timeout", "5", "", "missing unit: write 5s, for example"},
		{"upstream-connect-timeout", "soon", "", "not a duration such as 1.5s"},
		{"upstream-connect-timeout", "1ms", "", "not between 10ms and 1m0s"},
		{"max-connections", "100", "100", ""},
		{"max-connections", "0", "", "not between 1 and 1048576"},
		{"upstream-max-requests", "off", "off", ""},
		{"upstream-max-requests", "1", "1", ""},
		{"upstream-max-requests", "0", "", "not between 1 and 1073741824"},
		{"upstream-max-lifetime", "off", "off", ""},
		{"upstream-max-lifetime", "60m", "1h0m0s", ""},
		{"upstream-preset", "tomcat", "tomcat", ""},
		{"upstream-preset", "websphere", "", "not one of none, apache, dotnet-kestrel, go, gunicorn, iis, jetty, nginx, node, php-fpm-nginx, puma, spring-boot, tomcat, uvicorn"},
		{"max-connections", "many", "", "not a whole number"},
		{"max-request-body", "1024Ki", "1Mi", ""},
		{"max-request-body", "1000", "1000", ""},
		{"max-request-body", "0", "off", ""},
		{"max-request-body", "8m", "", "not a number of bytes such as 512Ki, 8Mi or 1Gi"},
		{"max-request-body", "2000Gi", "", "not between 1 and 1024Gi"},
		{"max-request-body", "99999999999Gi", "", "not a number of bytes such as 512Ki, 8Mi or 1Gi"},
		{"http-port", "65536", "", "not between 1 and 65535"},
		{"ssl-redirect", "false", "false", ""},
		{"ssl-redirect", "no", "", "neither true nor false"},
		{"drain-upgrades", "close", "close", ""},
		{"drain-upgrades", "cut", "", "not one of hold, close"},
		{"escaped-slashes", "keep", "keep", ""},
		{"escaped-slashes", "drop", "", "not one of unescape, reject, keep"},
		{"bind-addresses", "127.0.0.1, ::1,127.0.0.1", "127.0.0.1,::1", ""},
		{"bind-addresses", "", "", "at least one address is needed"},
		{"bind-addresses", "localhost", "", `"localhost" is none`},
		{"trusted-proxies", "10.1.2.3/8, 2001:db8::1", "10.0.0.0/8,2001:db8::1/128", ""},
		{"trusted-proxies", "10.0.0.0/33", "", `"10.0.0.0/33" is none`},
		{"default-backend", "shop/api:http", "shop/api:http", ""},
		{"default-backend", "shop/api", "", "not namespace/service:port"},
		{"default-tls-secret", "shop/tls", "shop/tls", ""},
		{"default-tls-secret", "tls", "", "not namespace/name"},
		{"access-log", "/dev/stdout", "/dev/stdout", ""},
		{"access-log", "stdout", "", "neither off nor an absolute path"},
		{"bind-address", "::", "", "no such setting"},
	} {
		o, errs := read(object.Ref{Kind: object.KindConfigMap, Name: "settings"}, OnClass, "data.", map[string]string{c.name: c.text})
		switch {
		case c.err == "" && (len(errs) > 0 || o[0].text != c.want):
			t.Errorf("%s=%q: %v, %v; want %q", c.name, c.text, o, errs, c.want)
		case c.err != "" && (len(errs) != 1 || errs[0].Err.Error() != c.err || errs[0].Field != "data."+c.name):
			t.Errorf("%s=%q: %v, %v; want error %q", c.name, c.text, o, errs, c.err)
		}
	}
}

// TestScopes: a setting that may not stand on a kind of object is refused there;
// annotations that are not ours are not looked at.
func TestScopes(t *testing.T) {
	annotations := map[string]string{Prefix + "http-port": "80", Prefix + "upstream-connect-timeout": "1s", "example.com/http-port": "x"}
	of, errs := OfIngress(object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "a"}, annotations)
	if len(of) != 1 || len(errs) != 1 || !errors.Is(errs[0], ErrScope) {
		t.Errorf("Ingress: %v, %v", of, errs)
	}
	of, errs = OfService(object.Ref{Kind: object.KindService, Namespace: "shop", Name: "a"}, annotations)
	if len(of) != 1 || len(errs) != 1 || errs[0].Error() != `Service shop/a: metadata.annotations.legation.dev/http-port="80": not a setting of this kind of object` {
		t.Errorf("Service: %v, %v", of, errs)
	}
}

// TestHash: overrides that say the same have the same hash, and none has none.
func TestHash(t *testing.T) {
	hash := func(annotations map[string]string) string {
		o, _ := OfIngress(object.Ref{}, annotations)
		return o.Upstream().Hash()
	}
	one := hash(map[string]string{Prefix + "upstream-connect-timeout": "2s"})
	switch {
	case one == "" || one != hash(map[string]string{Prefix + "upstream-connect-timeout": "2000ms"}):
		t.Error("two ways to write 2s differ")
	case one == hash(map[string]string{Prefix + "upstream-connect-timeout": "3s"}):
		t.Error("2s and 3s are equal")
	case hash(nil) != "" || hash(map[string]string{Prefix + "idle-timeout": "5s"}) != "":
		t.Error("a setting that does not shape a cluster counts")
	}
}
