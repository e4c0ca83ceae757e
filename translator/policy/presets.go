package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Preset names a kind of application server that Envoy connects to (node, gunicorn).
// It makes Envoy close an idle or old connection before the server does: otherwise a
// request can reach a connection that the server is just closing.
type Preset string

// NoPreset means an application server of an unknown kind.
const NoPreset Preset = "none"

// lifetimes are limits of one connection to an endpoint; zero means no limit.
type lifetimes struct {
	idle     time.Duration // between two requests
	requests uint32
	age      time.Duration
}

// server is a kind of application server with its default settings.
type server struct {
	name Preset
	// limits are those after which the server closes a connection by default.
	limits lifetimes
	// use has the limits that Envoy is given: idle is at most idlePercent of that of
	// the server, the others are a little below its own.
	use lifetimes
	// options names the options of the server that change its limits, for the table in
	// the documentation. The preset assumes their defaults: where one of them is set,
	// use upstream-idle-timeout and its siblings, not the preset.
	options string
}

// idlePercent of a server's idle time is the most that Envoy may wait. A margin
// of 2 ms is too little over a network with 1 ms of delay (measured: 3.3 % of
// requests failed).
const idlePercent = 75

// servers has the limits of each server, measured on a release or read in its source
// (nginx's own nginx.conf, Puma, Kestrel, IIS). Where versions differ, the lowest limit
// is used: that of Puma 6 (65 s since version 7), that of nginx before 1.19.10 (1,000
// requests since then), and that of Jetty for Spring Boot, which has 60 s on Tomcat. uWSGI
// closes after each answer without a word where keep-alive is off, which is its default:
// its connections are not used again.
var servers = []server{
	{NoPreset, lifetimes{}, lifetimes{idle: 1500 * time.Millisecond}, ""},
	{"actix", lifetimes{4500 * time.Millisecond, 0, 0}, lifetimes{3 * time.Second, 0, 0}, "`HttpServer.keep_alive`"},
	{"aiohttp", lifetimes{75 * time.Second, 0, 0}, lifetimes{56 * time.Second, 0, 0}, "`keepalive_timeout`"},
	{"apache", lifetimes{5 * time.Second, 100, 0}, lifetimes{3500 * time.Millisecond, 98, 0}, "`KeepAliveTimeout`, `MaxKeepAliveRequests`"},
	{"caddy", lifetimes{30 * time.Second, 0, 0}, lifetimes{22 * time.Second, 0, 0}, "`timeouts.idle`"},
	{"daphne", lifetimes{60 * time.Second, 0, 0}, lifetimes{45 * time.Second, 0, 0}, "`--http-timeout`"},
	{"dotnet-kestrel", lifetimes{130 * time.Second, 0, 0}, lifetimes{90 * time.Second, 0, 0}, "`KestrelServerLimits.KeepAliveTimeout`"},
	{"fastify", lifetimes{72 * time.Second, 0, 0}, lifetimes{54 * time.Second, 0, 0}, "`keepAliveTimeout`"},
	{"go", lifetimes{}, lifetimes{60 * time.Second, 0, 0}, "`http.Server.IdleTimeout`, `ReadTimeout`"},
	{"granian", lifetimes{30 * time.Second, 0, 0}, lifetimes{22 * time.Second, 0, 0}, "`--http1-keep-alive`"},
	{"gunicorn", lifetimes{2 * time.Second, 0, 0}, lifetimes{1500 * time.Millisecond, 0, 0}, "`keepalive`, `max_requests`"},
	{"haproxy", lifetimes{50 * time.Second, 0, 0}, lifetimes{37 * time.Second, 0, 0}, "`timeout http-keep-alive`, `timeout client`"},
	{"hypercorn", lifetimes{5 * time.Second, 1000, 0}, lifetimes{3500 * time.Millisecond, 998, 0}, "`keep_alive_timeout`, `keep_alive_max_requests`"},
	{"iis", lifetimes{120 * time.Second, 0, 0}, lifetimes{90 * time.Second, 0, 0}, "`limits connectionTimeout`"},
	{"jetty", lifetimes{30 * time.Second, 0, 0}, lifetimes{22 * time.Second, 0, 0}, "`idleTimeout` of the connector"},
	{"lighttpd", lifetimes{5 * time.Second, 1000, 0}, lifetimes{3500 * time.Millisecond, 998, 0}, "`server.max-keep-alive-idle`, `server.max-keep-alive-requests`"},
	{"nginx", nginxLimits, nginxUse, "`keepalive_timeout`, `keepalive_requests`, `keepalive_time`"},
	{"node", lifetimes{5 * time.Second, 0, 0}, lifetimes{3500 * time.Millisecond, 0, 0}, "`server.keepAliveTimeout`, `server.maxRequestsPerSocket`"},
	{"php-fpm-nginx", nginxLimits, nginxUse, "those of the nginx before it"},
	{"puma", lifetimes{20 * time.Second, 0, 0}, lifetimes{15 * time.Second, 0, 0}, "`persistent_timeout`, `max_keep_alive`"},
	{"sanic", lifetimes{120 * time.Second, 0, 0}, lifetimes{90 * time.Second, 0, 0}, "`KEEP_ALIVE_TIMEOUT`"},
	{"spring-boot", lifetimes{30 * time.Second, 100, 0}, lifetimes{22 * time.Second, 98, 0}, "`server.jetty.connection-idle-timeout`, `server.tomcat.keep-alive-timeout`, `server.tomcat.max-keep-alive-requests`"},
	{"starman", lifetimes{time.Second, 0, 0}, lifetimes{700 * time.Millisecond, 0, 0}, "`--keepalive-timeout`"},
	{"tomcat", lifetimes{20 * time.Second, 100, 0}, lifetimes{15 * time.Second, 98, 0}, "`keepAliveTimeout` or `connectionTimeout`, `maxKeepAliveRequests` of the Connector"},
	{"undertow", lifetimes{60 * time.Second, 0, 0}, lifetimes{45 * time.Second, 0, 0}, "`NO_REQUEST_TIMEOUT`"},
	{"uvicorn", lifetimes{5 * time.Second, 0, 0}, lifetimes{3500 * time.Millisecond, 0, 0}, "`--timeout-keep-alive`, `--limit-max-requests`"},
	{"uwsgi", lifetimes{4 * time.Second, 0, 0}, lifetimes{3 * time.Second, 1, 0}, "`--http-keepalive`, `--so-keepalive`"},
	{"varnish", lifetimes{5 * time.Second, 0, 0}, lifetimes{3500 * time.Millisecond, 0, 0}, "`timeout_idle`"},
	{"waitress", lifetimes{120 * time.Second, 0, 0}, lifetimes{90 * time.Second, 0, 0}, "`channel_timeout`"},
}

var (
	nginxLimits = lifetimes{65 * time.Second, 100, time.Hour}
	nginxUse    = lifetimes{48 * time.Second, 98, 50 * time.Minute}
)

// presetName is the name of the setting that sets three others.
const presetName = "upstream-preset"

// serverPreset is the type of that setting: its value is the name of a Preset, and it
// sets the idle timeout, the maximum of requests and the maximum age of connections.
func serverPreset() Type {
	var words []Preset
	for _, s := range servers {
		words = append(words, s.name)
	}
	return group(oneOf(func(v *Values) *Preset { return &v.UpstreamPreset }, words...), func(v *Values) {
		use := serverOf(v.UpstreamPreset).use
		v.UpstreamIdleTimeout, v.UpstreamMaxRequests, v.UpstreamMaxLifetime = use.idle, use.requests, use.age
	})
}

func serverOf(p Preset) server {
	i := slices.IndexFunc(servers, func(s server) bool { return s.name == p })
	return servers[i]
}

// announcing are the servers that say how long they keep a connection of HTTP/1.1 that rests,
// by what they say (measured; both close a second later). Apache, Tomcat and others say it
// to clients of HTTP/1.0 only.
var announcing = map[time.Duration]Preset{5 * time.Second: "node", 72 * time.Second: "fastify"}

// Announcing is the server that announces a time; false if there is none among the presets.
func Announcing(rest time.Duration) (Preset, bool) {
	p, ok := announcing[rest]
	return p, ok
}

// IdleBelow is the longest upstream-idle-timeout for a server that closes after so long.
func IdleBelow(rest time.Duration) time.Duration {
	return (rest * idlePercent / 100).Truncate(10 * time.Millisecond)
}

// contradicts returns an error if a setting keeps connections longer than the server
// does that the same object names as its preset. A more specific object may override
// the preset of a more general one, so the caller compares within one object only.
func (s server) contradicts(name string, v Values) error {
	above := func(most any, why string) error {
		return fmt.Errorf("above %v (%s), which is all that the preset %s beside it allows", most, why, s.name)
	}
	switch most := s.limits.idle * idlePercent / 100; {
	case name == "upstream-idle-timeout" && most > 0 && v.UpstreamIdleTimeout > most:
		return above(most, fmt.Sprintf("%d %% of the server's %v", idlePercent, s.limits.idle))
	case name == "upstream-max-requests" && outlasts(v.UpstreamMaxRequests, s.limits.requests):
		return above(s.limits.requests-1, fmt.Sprintf("the server closes after %d", s.limits.requests))
	case name == "upstream-max-lifetime" && outlasts(v.UpstreamMaxLifetime, s.limits.age):
		return above(s.use.age, fmt.Sprintf("the server closes after %v", s.limits.age))
	}
	return nil
}

// outlasts reports whether bound is not below the limit of a server. A bound of zero
// means no bound; a limit of zero means that the server has none.
func outlasts[T cmp.Ordered](bound, limit T) bool {
	var none T
	return limit != none && (bound == none || bound >= limit)
}

// presetTable is the table of servers in the documentation.
func presetTable() string {
	var b strings.Builder
	b.WriteString("| preset | the server closes after | set is | not if you set in the server |\n|---|---|---|---|\n")
	for _, s := range servers {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, s.limits, s.use, cmp.Or(s.options, "-"))
	}
	return b.String()
}

// String is for people: "20s idle, 100 requests".
func (l lifetimes) String() string {
	var parts []string
	if l.idle > 0 {
		parts = append(parts, l.idle.String()+" idle")
	}
	if l.requests > 0 {
		parts = append(parts, fmt.Sprintf("%d requests", l.requests))
	}
	if l.age > 0 {
		parts = append(parts, l.age.String()+" of age")
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}
