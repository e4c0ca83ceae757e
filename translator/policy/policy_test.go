package policy

import (
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

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
	names := 0
	for _, s := range rows {
		names += 1 + len(s.Aliases)
		for what, text := range map[string]string{"Name": s.Name, "Type": s.Type.Name, "Why": s.Why, "Envoy": s.Envoy, "Doc": s.Doc} {
			if text == "" {
				t.Errorf("%q has no %s", s.Name, what)
			}
		}
		if s.Scopes == 0 || s.Upstream && s.Scopes&OnService == 0 && s.Scopes&OnIngress == 0 || s.OfListener && s.Scopes != OnClass || s.Fixed != "" && !s.OfListener {
			t.Errorf("%s: wrong scopes %v", s.Name, s.Scopes)
		}
		checkDefault(t, s)
	}
	if len(named) != names {
		t.Errorf("%d of %d names and aliases are there twice", names-len(named), names)
	}
}

// TestFields: each field of Values is that of one row, and each row has one, in
// the struct that goes with where the setting may stand.
func TestFields(t *testing.T) {
	rowsOf := map[string][]string{} // names of rows by path of the field, such as "Route.Retry.Retries"
	eachField(reflect.TypeFor[Values](), "", nil, func(path string, index []int) {
		var v Values
		fill(reflect.ValueOf(&v).Elem().FieldByIndex(index))
		for _, s := range table {
			if s.Type.print(&v) == s.Type.print(new(Values)) {
				continue
			}
			rowsOf[path] = append(rowsOf[path], s.Name)
			if scope, _, _ := strings.Cut(path, "."); scope != structOf(s) {
				t.Errorf("%s is in %s, and not in %s", s.Name, path, structOf(s))
			}
		}
		if len(rowsOf[path]) != 1 {
			t.Errorf("%s is the field of %v", path, rowsOf[path])
		}
	})
	if len(rowsOf) != len(table) {
		t.Errorf("%d rows for %d fields", len(table), len(rowsOf))
	}
}

// eachField calls visit with all fields below a struct that embeds others.
func eachField(of reflect.Type, path string, index []int, visit func(path string, index []int)) {
	for i := range of.NumField() {
		f := of.Field(i)
		if !f.IsExported() { // no setting, but what the merge adds
			continue
		}
		path, index := path+f.Name, append(slices.Clone(index), i)
		if f.Anonymous || f.Type == reflect.TypeFor[AuthService]() {
			eachField(f.Type, path+".", index, visit)
			continue
		}
		visit(path, index)
	}
}

// fill makes a value of any type another than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Int64:
		v.SetInt(1)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		if one := v.Index(0); one.Kind() == reflect.String {
			fill(one)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
			return
		}
		fill(v.Field(0))
	default:
		panic(v.Kind().String())
	}
}

// structOf is the part of Values that holds a setting.
func structOf(s Setting) string {
	switch {
	case s.Upstream:
		return "Upstream"
	case s.OfListener:
		return "Listener"
	case s.Scopes == OnClass:
		return "Class"
	}
	return "Route"
}

// checkDefault: a default can be read, and what is printed of it is the same value.
func checkDefault(t *testing.T, s Setting) {
	t.Helper()
	standard, err := s.Type.parse(s.Default)
	if err != nil {
		t.Errorf("%s: default: %v", s.Name, err)
		return
	}
	var v Values
	standard.apply(&v)
	printed := s.Type.print(&v)
	again, err := s.Type.parse(printed)
	if err != nil {
		t.Errorf("%s prints %q, which it cannot read: %v", s.Name, printed, err)
		return
	}
	var w Values
	again.apply(&w)
	if !reflect.DeepEqual(v, w) || standard.text != printed {
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
		{"upstream-preset", "websphere", "", "not one of none, actix, aiohttp, apache, caddy, daphne, dotnet-kestrel, fastify, go, granian, gunicorn, haproxy, hypercorn, iis, jetty, lighttpd, nginx, node, php-fpm-nginx, puma, sanic, spring-boot, starman, tomcat, undertow, uvicorn, uwsgi, varnish, waitress"},
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
		{"bind-addresses", "localhost", "", `"localhost" is not an IP address`},
		{"trusted-proxies", "10.1.2.3/8, 2001:db8::1", "10.0.0.0/8,2001:db8::1/128", ""},
		{"trusted-proxies", "10.0.0.0/33", "", `"10.0.0.0/33" is not an IP address or CIDR range`},
		{"default-backend", "shop/api:http", "shop/api:http", ""},
		{"default-backend", "shop/api", "", "not namespace/service:port"},
		{"host-ownership", "everybody", "", "not one of namespace, shared"},
		{"host-owners", " a.test = shop + blog ,*.test=*, *=infra,", "a.test=shop+blog,*.test=*,*=infra", ""},
		{"host-owners", "a.test", "", `"a.test" is not host=namespace+namespace`},
		{"host-owners", "a.*.test=shop", "", `"a.*.test=shop" is not host=namespace+namespace`},
		{"host-owners", "A.test=shop", "", `"A.test=shop" is not host=namespace+namespace`},
		{"host-owners", "a.test=shop+", "", `"a.test=shop+" is not host=namespace+namespace`},
		{"host-owners", "a.test=shop,a.test=blog", "", "a.test has two entries"},
		{"default-tls-secret", "shop/tls", "shop/tls", ""},
		{"default-tls-secret", "tls", "", "not namespace/name"},
		{"access-log", "/dev/stdout", "/dev/stdout", ""},
		{"access-log", "stdout", "", "neither off nor an absolute path"},
		{"access-log", "/tmp/" + strings.Repeat("a", 256), "", "longer than Linux takes: 4095 bytes, and 255 of a name"},
		{"access-log", strings.Repeat("/a", 2048), "", "longer than Linux takes: 4095 bytes, and 255 of a name"},
		{"tcp-keepalive", "9h", "9h0m0s", ""},
		{"tcp-keepalive", "10h", "", "not between 1s and 9h0m0s"},
		{"upstream-tcp-keepalive", "24h", "", "not between 1s and 9h0m0s"},
		{"bind-address", "::", "", "no such setting"},
	} {
		o, errs := OfClass(object.Ref{Kind: object.KindConfigMap, Name: "settings"}, map[string]string{c.name: c.text})
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
