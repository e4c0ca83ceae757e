package worlds

import (
	"slices"
	"strings"

	"legation.dev/translator/input"
	"legation.dev/translator/lower/nginx/snippet"
	"legation.dev/translator/route"
)

// Names of annotations that are pieces of nginx's configuration.
const (
	locationSnippet = "nginx.ingress.kubernetes.io/configuration-snippet"
	serverSnippet   = "nginx.ingress.kubernetes.io/server-snippet"
)

// Lines of snippets as users write them, near the paths and headers of random requests.
var (
	// ifs and changes may stand in both kinds of snippet.
	ifs = []string{
		`if ($request_method = POST) { return 403; }`, `if ($request_method !~ ^(GET|HEAD|POST)$ ) { return 405; }`,
		`if ($http_x_one = "1") { return 302 /moved; }`, `if ($http_x_one != "2") { return 403 "not two"; }`, `if ($http_x_two = "") { return 401; }`, `if ($http_x_two != '') { return 404; }`,
		`if ($http_x_two ~* "A\.test") { return 301 https://moved.test$request_uri; }`, `if ($http_x_one !~* ^1) { return 429; }`,
		`if ($http_cookie ~ "c=always") { return 200 "always"; }`, `if ($http_cookie !~* "C=") { return 307 $scheme://$host/login; }`,
	}
	changes = []string{
		`more_set_headers "` + SaidHeader + `: 100% a";`, `add_header ` + SaidHeader + ` "b c" always;`, `add_header ` + SaidHeader + ` ordinary;`, `more_clear_headers x-none;`,
		`more_set_input_headers "x-one: 2";`, `more_clear_input_headers X-Two;`, `etag off;`,
	}
	addresses = []string{`deny 127.0.0.2;`, `allow 127.0.0.0/30; deny all;`, `allow 127.0.0.3; deny 127.0.0.2/31;`, `deny 2001:db8::/32;`}
	returns   = []string{`return 403;`, `return 301 https://moved.test$request_uri;`, `return 302 /a;`, `return 200 "no more";`, `return 200 "$scheme://$host$uri 100%";`, `return 404 ok;`, `return https://moved.test/a?b=c;`}
	moves     = []string{`rewrite ^/a/(.*)$ /moved/$1 redirect;`, `rewrite ^/(a|b)$ https://moved.test/x/$1? permanent;`, `rewrite /a\( https://moved.test permanent;`, `rewrite (?i)^/A$ /b permanent;`}
	// lasts have the new path taken by another rule, or the same one.
	lasts    = []string{`rewrite ^/a/(.*)$ /b/$1 last;`, `rewrite ^/b$ /a/x last;`, `rewrite ^/a(/|$)(.*) /$2 last;`, `rewrite /b /a last;`, `rewrite (?i)^/A(.*)$ /ab$1 last;`}
	rewrites = []string{`rewrite ^/a/(.*)$ /$1 break;`, `rewrite (/|b)b$ /$1x break;`, `rewrite ^/ab?(/)? /b$1$2 break;`, `rewrite ^ /all break;`, `proxy_set_header X-One $uri;`}
	places   = []string{`location = /a { return 403; }`, `location /ab { deny all; }`, `location ^~ /a/ { return 302 https://moved.test$request_uri; }`, `location ~ b$ { return 404; }`,
		`location ~* ^/A { return 200 "A"; }`, `location = /a( { return 307 /b; }`, `location / { return 403; }`, `location /.well-known { return 404; }`}
	// unread are not understood, or closed for another reason: some are harmless.
	unread = []string{`if ($arg_q = 1) { return 403; }`, `proxy_read_timeout 5s;`, `auth_request /a;`, `rewrite ^/a /b;`, `if ($http_x_one ~ "(?=a)") { return 403; }`, `deny all`}
)

// SaidHeader is set on answers by some snippets.
const SaidHeader = "x-said"

// lines are up to three of a snippet.
func (w *World) lines(lists ...[]string) string {
	var text []string
	for range 1 + w.rng.IntN(3) {
		text = append(text, pick(w, pick(w, lists...)...))
	}
	return strings.Join(text, "\n")
}

// locationText is a snippet of a location.
func (w *World) locationText() string {
	if w.one(10) {
		return w.lines(ifs, returns)
	}
	return w.lines(ifs, ifs, changes, addresses, moves, lasts, rewrites, rewrites)
}

// serverText is a snippet of a server.
func (w *World) serverText() string {
	if w.one(12) {
		return w.lines(ifs, returns)
	}
	return w.lines(ifs, ifs, changes, addresses, moves, lasts, places, places)
}

// measures has a fragment ask for what snippets say, perhaps.
func (g *Fragments) measures(f *route.Fragment) {
	if g.world.one(4) {
		f.Measures, _ = snippet.Location(g.world.locationText())
	}
	for i := range f.Hosts {
		if s := &f.Hosts[i].Server; g.world.one(4) {
			s.Measures, s.Places, _ = snippet.Server(g.world.serverText())
		}
	}
}

// snipped has an Ingress say something in snippets, perhaps, which now and then are not
// understood.
func (w *World) snipped(o *input.Ingress) {
	if w.snippets == nil {
		return
	}
	of := World{rng: w.snippets}
	if of.one(3) {
		o.Annotations[locationSnippet] = of.locationText() + of.unread()
	}
	if of.one(3) {
		o.Annotations[serverSnippet] = of.serverText() + of.unread()
	}
}

func (w *World) unread() string {
	if w.one(8) {
		return "\n" + pick(w, unread...)
	}
	return ""
}

// snippetSettings has a class speak the dialect of ingress-nginx, perhaps: there snippets
// come before more.
func (w *World) snippetSettings(data map[string]string) {
	if w.snippets != nil && w.snippets.IntN(2) == 0 {
		data["compatibility"] = "ingress-nginx"
	}
}

// SnippetLines are all lines that snippets are drawn of.
func SnippetLines() []string {
	return slices.Concat(ifs, changes, addresses, returns, moves, lasts, rewrites, places, unread)
}
