package translator

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/lower/nginx/snippet"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// FuzzSnippet: whatever stands in a snippet of an Ingress, translation makes resources that Envoy
// takes, of its host alone; what it says is in force before and on the paths, or closes them if
// it may restrict; and none of its text is read by Envoy as anything but a value.
func FuzzSnippet(f *testing.F) {
	goods := [...]snippetWorld{newSnippetWorld(f, map[string]string{}), newSnippetWorld(f, map[string]string{"compatibility": "ingress-nginx"})}
	for i, text := range worlds.SnippetLines() {
		f.Add(uint8(i), text)
	}
	f.Add(uint8(2), `add_header A "%CEL('\x27')% \" %REQ(x)% $host" always; more_set_headers "B: %%$uri%";`)
	f.Add(uint8(3), `return 302 "https://a.test/%DOWNSTREAM_REMOTE_PORT%$request_uri"; location ~ "^/[^a]{1,100}\.(php|jsp)$" { deny all; }`)
	f.Add(uint8(1), `rewrite "/(?i)[^/]{9}(%2f)" /\0$1\$2 break; return 200 "%HOSTNAME%";`)
	f.Fuzz(func(t *testing.T, of uint8, text string) {
		if !utf8.ValidString(text) {
			t.Skip("sources hand out no such text")
		}
		w := goods[of>>2%2]
		ingress := w.saying(text, of%2 == 1, of>>1%2 == 1)
		after := Translate(w.result, w.view.With(lower.Put(ingress)))
		fleet, _ := after.Fleet(worlds.Class)
		checkClosed(t, fleet.Snapshot)
		host := render.VirtualHostName("ingress", worlds.HostOf(0))
		for ty, c := range snapshot.Diff(w.before.Snapshot, fleet.Snapshot) {
			if ty != snapshot.VirtualHost || c.Key != host {
				t.Fatalf("%s %s is another one", ty, c.Key)
			}
			checkTexts(t, c.New)
		}
		vh := fleet.VirtualHost(worlds.HostOf(0))
		said := slices.ContainsFunc(after.Problems(time.Now()), func(p finding.Problem) bool { return p.Code == finding.SnippetNotUnderstood })
		switch {
		case said && !snippet.Harmless(text):
			checkShut(t, vh)
		case !said:
			checkInForce(t, vh, ingress.Fragment())
		}
	})
}

// snippetWorld is a good cluster, and what was made of it.
type snippetWorld struct {
	view   input.View
	result Result
	before *Fleet
}

func newSnippetWorld(f *testing.F, settings map[string]string) snippetWorld {
	w := snippetWorld{view: input.View{}.With(worlds.New(1, worlds.Size{Services: 2, Endpoints: 1, Ingresses: 3}).All()...)}
	w.view = w.view.With(lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: worlds.Namespace, Name: worlds.Settings}, Data: worlds.Unbounded(settings)})))
	w.view = w.view.With(lower.Put(w.saying("", false, false)))
	w.result = Translate(Result{}, w.view)
	fleet, ok := w.result.Fleet(worlds.Class)
	if !ok {
		f.Fatal("there is no fleet")
	}
	w.before = fleet
	return w
}

// saying is the first Ingress of the world with two paths and a snippet; its paths may be
// patterns.
func (w snippetWorld) saying(text string, ofServer, regex bool) *input.Ingress {
	var o input.Ingress
	for _, first := range w.view.Ingresses().All() {
		o = *first
		break
	}
	to := o.Rules[0].Paths[0].Backend
	o.Rules = []input.Rule{{Host: worlds.HostOf(0), Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: to}, {Path: "/a/(b|c)*", Type: input.PathImplementationSpecific, Backend: to}}}}
	name := "configuration-snippet"
	if ofServer {
		name = "server-snippet"
	}
	o.Annotations = map[string]string{}
	if text != "" {
		o.Annotations["nginx.ingress.kubernetes.io/"+name] = text
	}
	if regex {
		o.Annotations["nginx.ingress.kubernetes.io/use-regex"] = "true"
	}
	return input.Seal(&o)
}

// checkShut: nobody gets at a Service.
func checkShut(t *testing.T, vh *route.VirtualHost) {
	t.Helper()
	for _, r := range vh.Routes {
		if len(r.Targets) > 0 {
			t.Errorf("%s is open beside a snippet that is not understood", r.Name)
		}
	}
}

// checkInForce: before each path stand the conditions and places of the snippet, but for those that
// its requests cannot have, and on it is what else it says.
func checkInForce(t *testing.T, vh *route.VirtualHost, f *route.Fragment) {
	t.Helper()
	server := f.Hosts[0].Server
	answered := map[string]int{} // by the names of the routes, so far
	for _, r := range vh.Routes {
		answered[r.Name]++
		if len(r.Targets) == 0 || strings.Contains(r.Name, " to ") { // a path that has become another one
			continue
		}
		name := strings.TrimSuffix(r.Name, " rewritten")
		for _, m := range []*route.Measures{f.Measures, server.Measures} {
			if m == nil {
				continue
			}
			before := name + " if"
			if m == server.Measures {
				before = f.Origin.Object.Key() + " server if"
			}
			always := 0
			for _, b := range m.Before {
				if b.Match.Path == "" {
					always++
				}
			}
			if n := answered[before]; n < always || n > len(m.Before) {
				t.Errorf("%s: %d conditions before it, want %+v", r.Name, n, m.Before)
			}
			if len(m.Addresses) > 0 && !slices.Equal(r.Measures.Addresses, m.Addresses) {
				t.Errorf("%s: addresses are %+v, want %+v", r.Name, r.Measures, m.Addresses)
			}
			if name == r.Name && answered[name+" rewritten"] > len(m.Rewrites) {
				t.Errorf("%s: %d rewrites before it, want %+v", r.Name, answered[name+" rewritten"], m.Rewrites)
			}
		}
		for _, p := range server.Places {
			if p.First && p.Action.Move == nil && answered[f.Origin.Object.Key()+" location "+p.Match.Path] == 0 {
				t.Errorf("%s: before %+v", r.Name, p)
			}
		}
	}
}

// Limits of a pattern in Envoy: of the instructions that RE2 counts (100,000, see package
// bootstrap) a part, since those that Go counts are larger.
const mostInstructions = 60_000

// known are the parts of a request that a format string may have, and the one expression, whose
// text is written byte by byte.
var known = regexp.MustCompile(`%%|%REQ\((:PATH|:AUTHORITY|X-FORWARDED-PROTO)\)%|%PATH\(NQ\)%|%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|` +
	`%CEL\(response\.code in \[[0-9, ]+\] \? '(\\x[0-9a-f]{2})*' : ''\)%`)

// checkTexts: Envoy takes all of a resource, its patterns among it, and reads no text of it that
// it would not read of others.
func checkTexts(t *testing.T, r *snapshot.Resource) {
	t.Helper()
	if r == nil {
		t.Fatal("the host is gone")
	}
	m, err := r.Any().UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	walk(t, m.ProtoReflect(), func(m proto.Message) {
		if v, ok := m.(validator); ok {
			if err := v.ValidateAll(); err != nil {
				t.Error(err)
			}
		}
		switch m := m.(type) {
		case *matcherv3.RegexMatcher:
			checkPattern(t, m.Regex)
		case *corev3.HeaderValue:
			checkFormat(t, m.Value)
		case *corev3.SubstitutionFormatString:
			checkFormat(t, m.GetTextFormatSource().GetInlineString())
			if m.GetTextFormatSource() == nil || m.ContentType != "" || len(m.Formatters) > 0 {
				t.Errorf("a snippet makes %v", m)
			}
		case *luav3.Lua, *luav3.LuaPerRoute:
			t.Errorf("a snippet makes %v", m)
		}
	})
}

// checkFormat: Envoy reads nothing of a text but what is known.
func checkFormat(t *testing.T, text string) {
	t.Helper()
	if left := known.ReplaceAllString(text, ""); strings.Contains(left, "%") {
		t.Errorf("Envoy reads %q of %q", left, text)
	}
}

func checkPattern(t *testing.T, pattern string) {
	t.Helper()
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		t.Errorf("%q is no pattern: %v", pattern, err)
		return
	}
	program, err := syntax.Compile(re.Simplify())
	if err != nil || len(program.Inst) > mostInstructions || regexp.MustCompile(`\\[pP]`).MatchString(strings.ReplaceAll(pattern, `\\`, "")) {
		t.Errorf("Envoy would not take %q", pattern)
	}
}
