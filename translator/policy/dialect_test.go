package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"legation.dev/object"
)

// theirs is a dialect that says seconds without a unit, as many do.
var theirs = &Dialect{Prefix: "example.com/", Words: map[string][]Word{
	"read-timeout": {{Setting: "idle-timeout", Ours: inSeconds}},
	"send-timeout": {{Setting: "idle-timeout", Ours: inSeconds}},
	"connect-time": {{Setting: "upstream-connect-timeout", Ours: inSeconds}},
	"keepalive":    {{Setting: "upstream-idle-timeout", Ours: inSeconds}},
	"app-server": {{Setting: presetName, Ours: func(text string) (string, error) {
		return strings.ToLower(text), nil
	}}},
	"listen":  {{Setting: "http-port", Ours: func(text string) (string, error) { return text, nil }}},
	"nothing": {{Setting: "retries", Ours: func(string) (string, error) { return "", nil }}},
	"ring-by": {{Setting: "hash-by", Ours: func(text string) (string, error) { return text, nil }}, {Setting: "load-balancing", Ours: func(string) (string, error) { return "ring-hash", nil }}},
}}

func inSeconds(text string) (string, error) {
	if !isNumber(text) {
		return "", errors.New("not a number of seconds")
	}
	return text + "s", nil
}

// TestDialectMeansTheSame: what a dialect says is what our words say: text, hash,
// values and who else is corrected. A group is one word of it.
func TestDialectMeansTheSame(t *testing.T) {
	for _, c := range []struct{ ours, theirs map[string]string }{
		{map[string]string{"idle-timeout": "60s"}, map[string]string{"read-timeout": "60"}},
		{map[string]string{"idle-timeout": "1m", "upstream-connect-timeout": "2000ms"}, map[string]string{"send-timeout": " 60 ", "connect-time": "2.0"}},
		{map[string]string{"upstream-preset": "tomcat"}, map[string]string{"app-server": "Tomcat"}},
		{map[string]string{"upstream-preset": "tomcat", "upstream-idle-timeout": "10s"}, map[string]string{"app-server": "TOMCAT", "keepalive": "10"}},
		{map[string]string{"load-balancing": "ring-hash", "hash-by": "address"}, map[string]string{"ring-by": "address", "nothing": "x"}},
	} {
		annotations := map[string]string{"example.com/other": "x"}
		for name, text := range c.theirs {
			annotations[theirs.Prefix+name] = text
		}
		want, _ := OfIngress(object.Ref{}, prefixed(c.ours))
		got, errs := OfIngress(object.Ref{}, annotations, theirs)
		if len(errs) > 0 || len(got) != len(c.ours) || got.String() != want.String() || got.Hash() != want.Hash() ||
			Defaults().With(got).String() != Defaults().With(want).String() {
			t.Errorf("%v: %s (%v); want %s", c.theirs, got, errs, want)
		}
		if o, errs := OfIngress(object.Ref{}, annotations); len(o)+len(errs) > 0 {
			t.Errorf("%v is read without the dialect: %v, %v", c.theirs, o, errs)
		}
	}
}

// TestDialectErrors: an error names annotation and text as they were written. Of
// two that say the same setting one counts, ours if it can be read.
func TestDialectErrors(t *testing.T) {
	const ours, read, send = "legation.dev/idle-timeout", "example.com/read-timeout", "example.com/send-timeout"
	for _, c := range []struct {
		annotations map[string]string
		text        string
		errs        []string
	}{
		{map[string]string{read: "60s"}, "", []string{read + `="60s": not a number of seconds`}},
		{map[string]string{read: "0"}, "", []string{read + `="0": not between 100ms and 168h0m0s`}},
		{map[string]string{"example.com/listen": "80"}, "", []string{`example.com/listen="80": not a setting of this kind of object`}},
		{map[string]string{read: "60", ours: "5s"}, "idle-timeout=5s",
			[]string{read + `="60": counts for nothing: metadata.annotations.` + ours + ` beside it says the same setting`}},
		{map[string]string{read: "60", send: "060"}, "idle-timeout=1m0s",
			[]string{send + `="060": counts for nothing: metadata.annotations.` + read + ` beside it says the same setting`}},
		{map[string]string{read: "60", ours: "5"}, "idle-timeout=1m0s", []string{ours + `="5": missing unit: write 5s, for example`}},
		{map[string]string{"example.com/app-server": "Gunicorn", "example.com/keepalive": "3"}, "upstream-preset=gunicorn",
			[]string{`example.com/keepalive="3": above 1.5s (75 % of the server's 2s), which is all that the preset gunicorn beside it allows`}},
	} {
		o, errs := OfIngress(object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "a"}, c.annotations, theirs)
		var got []string
		for _, err := range errs {
			got = append(got, strings.TrimPrefix(err.Error(), "Ingress shop/a: metadata.annotations."))
		}
		if o.String() != c.text || !slices.Equal(got, c.errs) {
			t.Errorf("%v:\n%s %q, want\n%s %q", c.annotations, o, got, c.text, c.errs)
		}
	}
}

// TestDialectOrigin: explain names the annotation that was written, also for what
// a group gives, and a share that is exceeded is exceeded there.
func TestDialectOrigin(t *testing.T) {
	service := object.Ref{Kind: object.KindService, Namespace: "shop", Name: "a"}
	o, _ := OfService(service, map[string]string{"example.com/app-server": "Tomcat"}, theirs)
	row := Explain(o)[rowOf("upstream-max-requests")]
	if want := (Origin{service, "metadata.annotations.example.com/app-server"}); row.From != want || row.Preset != "tomcat" || row.Value != "98" {
		t.Errorf("%v of preset %q from %v, want it from %v", row.Value, row.Preset, row.From, want)
	}
	many := &Dialect{Prefix: "example.com/", Words: map[string][]Word{"dozens": {{Setting: "max-connections", Ours: func(s string) (string, error) { return s + "000", nil }}}}}
	o, _ = OfService(service, map[string]string{"example.com/dozens": "17"}, many)
	errs := Defaults().Beyond(o)
	if len(errs) != 1 || errs[0].Field != "metadata.annotations.example.com/dozens" || errs[0].Value != "17" {
		t.Errorf("beyond the share: %v", errs)
	}
}

// TestDialectOrder: of two dialects the first counts, whatever it is called.
func TestDialectOrder(t *testing.T) {
	others := &Dialect{Prefix: "another.example/", Words: theirs.Words}
	annotations := map[string]string{"example.com/read-timeout": "60", "another.example/read-timeout": "5"}
	for text, order := range map[string][]*Dialect{"idle-timeout=1m0s": {theirs, others}, "idle-timeout=5s": {others, theirs}} {
		if o, errs := OfIngress(object.Ref{}, annotations, order...); o.String() != text || len(errs) != 1 {
			t.Errorf("%s first: %s, %v; want %s", order[0].Prefix, o, errs, text)
		}
	}
}

// TestAliases: an alias is another name of the same setting; if both stand on an
// object the name counts.
func TestAliases(t *testing.T) {
	rows := Table()
	rows[rowOf("idle-timeout")].Aliases = []string{"a-timeout", "b-timeout"}
	if page := rows[rowOf("idle-timeout")].markdown(); !strings.Contains(page, "- Also called: `a-timeout`, `b-timeout`\n") {
		t.Errorf("people are not told:\n%s", page)
	}
	r := reader{byName(rows), object.Ref{}, OnIngress, ""}
	for _, c := range []struct {
		texts     map[string]string
		text, err string
	}{
		{map[string]string{Prefix + "b-timeout": "60s"}, "idle-timeout=1m0s", ""},
		{map[string]string{Prefix + "b-timeout": "60"}, "", "missing unit: write 60s, for example"},
		{map[string]string{Prefix + "a-timeout": "60s", Prefix + "idle-timeout": "5s"}, "idle-timeout=5s",
			"counts for nothing: legation.dev/idle-timeout beside it says the same setting"},
		{map[string]string{Prefix + "b-timeout": "60s", Prefix + "a-timeout": "5s"}, "idle-timeout=5s",
			"counts for nothing: legation.dev/a-timeout beside it says the same setting"},
	} {
		o, errs := r.annotations(c.texts, nil)
		switch {
		case o.String() != c.text || (len(errs) > 0) != (c.err != ""):
			t.Errorf("%v: %s, %v; want %s", c.texts, o, errs, c.text)
		case c.err != "" && (errs[0].Err.Error() != c.err || !strings.HasSuffix(errs[0].Field, "-timeout")):
			t.Errorf("%v: %v; want error %q", c.texts, errs, c.err)
		}
	}
}
