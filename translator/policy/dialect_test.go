package policy

import (
	"errors"
	"strings"
	"testing"

	"legation.dev/object"
)

// speaker is a dialect as another controller's: a number is seconds, and one word
// names a kind of server.
var speaker = Dialect{Prefix: "other.example.com/", Words: map[string]Word{
	"read-timeout": {Setting: "idle-timeout", Text: func(text string) (string, error) {
		if !isNumber(text) {
			return "", errors.New("not a number of seconds")
		}
		return text + "s", nil
	}},
	"connect-timeout": {Setting: "upstream-connect-timeout", Text: func(text string) (string, error) { return text + "s", nil }},
	"server":          {Setting: presetName},
}}

// TestDialect: what two dialects mean alike prints alike, and names one cluster;
// groups work through a dialect; ours wins; errors name what is written.
func TestDialect(t *testing.T) {
	ingress := object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "a"}
	read := func(annotations map[string]string) (Overrides, []*FieldError) {
		return OfIngress(ingress, annotations, speaker)
	}
	ours, _ := read(map[string]string{Prefix + "idle-timeout": "1m", Prefix + "upstream-connect-timeout": "2000ms", Prefix + presetName: "tomcat"})
	theirs, errs := read(map[string]string{"other.example.com/read-timeout": "60", "other.example.com/connect-timeout": "2", "other.example.com/server": "tomcat", "other.example.com/unknown": "x"})
	if len(errs) > 0 || ours.String() != theirs.String() || ours.Upstream().Hash() != theirs.Upstream().Hash() || ours.Upstream().Hash() == "" {
		t.Errorf("ours is %s, theirs %s (%v)", ours, theirs, errs)
	}
	if v := Defaults().With(theirs); v.UpstreamMaxRequests != 98 {
		t.Errorf("the group gives %d requests", v.UpstreamMaxRequests)
	}
	for name, c := range map[string]struct {
		annotations map[string]string
		field, text string
	}{
		"text":  {map[string]string{"other.example.com/read-timeout": "soon"}, "other.example.com/read-timeout", "not a number of seconds"},
		"value": {map[string]string{"other.example.com/read-timeout": "0"}, "other.example.com/read-timeout", "not between"},
		"twice": {map[string]string{"other.example.com/read-timeout": "60", Prefix + "idle-timeout": "5s"}, "other.example.com/read-timeout",
			"the same setting as metadata.annotations.legation.dev/idle-timeout beside it, which counts"},
	} {
		_, errs := read(c.annotations)
		if len(errs) != 1 || errs[0].Field != "metadata.annotations."+c.field || !strings.HasPrefix(errs[0].Err.Error(), c.text) || errs[0].Value != c.annotations[c.field] {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

// TestNames: names of clusters are for good, so the bytes that they are made of
// never change.
func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"upstream-connect-timeout=2s": "7c6661b31552",
	} {
		name, value, _ := strings.Cut(text, "=")
		o, errs := OfIngress(object.Ref{}, map[string]string{Prefix + name: value})
		if got := o.Upstream().Hash(); len(errs) > 0 || o.String() != text || got != want {
			t.Errorf("%s: %s, hash %s, want %s", text, o, got, want)
		}
	}
}
