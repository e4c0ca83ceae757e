package nginx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Answer is what came of a request, in the form of expected.json.
type Answer struct {
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	// Certificate is the name in that of the server, unless it is that of the cases.
	Certificate string    `json:"certificate,omitempty"`
	Upstream    *upstream `json:"upstream,omitempty"` // nil: no backend answered
	BodyBytes   *int      `json:"body_bytes,omitempty"`
	Error       string    `json:"error,omitempty"` // there was no answer
	// Counts are how often a request that was sent many times had each outcome.
	Counts map[string]int `json:"counts,omitempty"`
	// Cookie and Endpoints are of a request that was sent again with the cookie of its
	// answer: whether there was one, and how many endpoints answered then.
	Cookie    *bool `json:"cookie,omitempty"`
	Endpoints *int  `json:"endpoints_seen,omitempty"`
	// Served: a backend answered. An answer to HEAD has no Upstream that would tell.
	Served bool `json:"served,omitempty"`
}

// upstream is what a backend received, and where.
type upstream struct {
	Port    int               `json:"port"`
	Path    string            `json:"path"`
	Method  string            `json:"method"`
	TLS     bool              `json:"tls"`
	Body    int               `json:"body,omitempty"` // bytes
	Headers map[string]string `json:"headers"`
	// Foreign is the address of the backend if it is one of another case.
	Foreign string `json:"foreign,omitempty"`
}

// Differ says in what two answers differ: "status 503, not 200; upstream none, not 18001".
func Differ(got, want Answer) string {
	g, w := flat(got), flat(want)
	var list []string
	for _, key := range differing(got, want) {
		list = append(list, fmt.Sprintf("%s %s, not %s", key, named(g[key]), named(w[key])))
	}
	return strings.Join(list, "; ")
}

// differing are the names of what differs in two answers.
func differing(got, want Answer) (list []string) {
	g, w := flat(got), flat(want)
	keys := maps.Clone(g)
	maps.Copy(keys, w)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if (got.Upstream == nil || want.Upstream == nil) && strings.HasPrefix(key, "upstream.") {
			continue // that there is none says it all
		}
		if g[key] != w[key] {
			list = append(list, key)
		}
	}
	return list
}

func named(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// flat is an answer as texts by dotted names.
func flat(a Answer) map[string]string {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and numbers
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		panic(err) // it was made above
	}
	delete(tree, "served") // that of the handed answers is not known
	out := map[string]string{}
	flatten("", tree, out)
	if a.Upstream != nil {
		out["upstream"] = "there"
	}
	return out
}

func flatten(prefix string, tree map[string]any, out map[string]string) {
	for key, value := range tree {
		if below, ok := value.(map[string]any); ok {
			flatten(prefix+key+".", below, out)
			continue
		}
		out[prefix+key] = fmt.Sprint(value)
		if key == "x-forwarded-for" { // Envoy puts no space between, which means nothing in a list
			out[prefix+key] = strings.ReplaceAll(out[prefix+key], ", ", ",")
		}
		if key == "set-cookie" {
			out[prefix+key] = unordered(out[prefix+key])
		}
	}
}

// between is what stands between the values of a header that was sent several times.
const between = " || "

// opaque is a cookie of a session, whose value is an endpoint.
var opaque = regexp.MustCompile(`(?i)^(route|INGRESSCOOKIE|stay)(-canary)?=.+`)

// unordered are cookies that are set, in the order of their names, each with its attributes
// in order: the order that they came in means nothing. Of those of sessions the value is
// left out.
func unordered(cookies string) string {
	list := strings.Split(cookies, between)
	for i, cookie := range list {
		first, rest, _ := strings.Cut(cookie, ";")
		var attributes []string
		for one := range strings.SplitSeq(rest, ";") {
			if one = strings.TrimSpace(one); one != "" {
				attributes = append(attributes, one)
			}
		}
		slices.Sort(attributes)
		list[i] = strings.Join(append([]string{opaque.ReplaceAllString(first, "$1$2=*")}, attributes...), "; ")
	}
	slices.Sort(list)
	return strings.Join(list, between)
}

// LetThrough reports whether a backend served what ingress-nginx answers by itself, with
// a refusal or with a redirect, which may lead to a login or to https.
func LetThrough(got, want Answer) bool {
	if len(want.Counts) > 0 {
		return served(got) > served(want)
	}
	return served(got) > 0 && want.Upstream == nil && !want.Served && want.Status >= 300 && (got.Upstream != nil || got.Status != want.Status)
}

// served is how many answers of a backend there were that are no refusal of its own.
func served(a Answer) (n int) {
	for outcome, times := range a.Counts {
		if !strings.HasSuffix(outcome, "@-") && (outcome[0] == '2' || outcome[0] == '3') {
			n += times
		}
	}
	if (a.Upstream != nil || a.Served) && a.Status >= 200 && a.Status < 400 {
		n++
	}
	return n
}

// row is one request whose answer differs.
type row struct {
	Case, Request string
	What          string // as differ says it
	Reason        string
}

func (r row) String() string {
	return strings.Join([]string{r.Case, r.Request, r.What, r.Reason}, "\t")
}

// readRows reads a table of rows; a file that is not there has none.
func readRows(path string) (list []row, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for n, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		cells := strings.Split(line, "\t")
		if n == 0 || line == "" { // the head of the table
			continue
		}
		if len(cells) != 4 || slices.Contains(cells, "") {
			return nil, fmt.Errorf("%s:%d: want case, request, what and reason, with tabs between", path, n+1)
		}
		list = append(list, row{cells[0], cells[1], cells[2], cells[3]})
	}
	return list, nil
}

// writeRows writes a table of rows.
func writeRows(path string, list []row) error {
	text := row{"case", "request", "what differs: Legation's, not ingress-nginx's", "reason"}.String() + "\n"
	for _, r := range list {
		text += r.String() + "\n"
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// verdict is what is wrong with a table of rows, given what differs now.
type verdict struct {
	Unlisted []row // differs, and has no row
	Changed  []row // differs otherwise than its row says: as it differs now
	Stale    []row // does not differ, or is not asked any more
}

// judge compares what differs now with the rows of a table.
func judge(now, listed []row) (v verdict) {
	left := map[[2]string]row{}
	for _, r := range listed {
		left[[2]string{r.Case, r.Request}] = r
	}
	for _, r := range now {
		key := [2]string{r.Case, r.Request}
		old, ok := left[key]
		delete(left, key)
		switch {
		case !ok:
			v.Unlisted = append(v.Unlisted, r)
		case old.What != r.What:
			v.Changed = append(v.Changed, r)
		}
	}
	for _, r := range listed {
		if _, ok := left[[2]string{r.Case, r.Request}]; ok {
			v.Stale = append(v.Stale, r)
		}
	}
	return v
}
