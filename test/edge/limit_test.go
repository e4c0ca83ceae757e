//go:build real

package edge

import (
	"net/http"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	"legation.dev/translator/input"
	"legation.dev/translator/render"
)

// limits are those of a host's routes: two hosts are of one Ingress.
var limits = map[string]render.Limits{
	"five.test":   {Of: "shop/five", PerSecond: 5, Burst: 5},
	"also.test":   {Of: "shop/five", PerSecond: 5, Burst: 5},
	"other.test":  {Of: "shop/other", PerSecond: 5, Burst: 5},
	"minute.test": {Of: "shop/minute", PerMinute: 7, Burst: 5},
	"both.test":   {Of: "shop/both", PerSecond: 100, PerMinute: 3, Burst: 5},
	"one.test":    {Of: "shop/one", PerMinute: 1, Burst: 5},
	"ten.test":    {Of: "shop/ten", PerMinute: 10, Burst: 5},
	"many.test":   {Of: "shop/many", PerSecond: 100, Burst: 5},
	"exempt.test": {Of: "shop/exempt", PerMinute: 5, Burst: 5},
}

func withLimits(t *testing.T) *suite {
	w := newSuite(t)
	w.echo(t, "web", "")
	for host := range limits {
		w.ingress(host, host, false, route{"/", input.PathPrefix, "web"})
	}
	w.ingress("free", "free.test", false, route{"/", input.PathPrefix, "web"})
	w.edit = func(host string, r *routev3.Route) {
		if host == "exempt.test" {
			guarded(t, r, "legation.pre", &rbacv3.RBAC{ShadowRules: only("127.0.0.9"), ShadowRulesStatPrefix: "exempt_"})
		}
		limits[host].SetOn(r)
	}
	w.start(t)
	return w
}

// passed asks until it is refused, at most most times, and returns how many passed and
// how long that took.
func (w *suite) passed(t *testing.T, from, text string, most int) (n int, took time.Duration) {
	t.Helper()
	begin := time.Now()
	for n < most {
		switch resp, body := askFrom(t, from, w.http, text); resp.StatusCode {
		case http.StatusOK, http.StatusSwitchingProtocols:
			n++
		case http.StatusServiceUnavailable:
			if body != "503\n" {
				t.Errorf("refused with %q", body)
			}
			return n, time.Since(begin)
		default:
			t.Fatalf("%q: got %d", text, resp.StatusCode)
		}
	}
	return n, time.Since(begin)
}

// TestLimits: a client has as many requests at once as nginx would let through, on all
// routes of an Ingress together, then those of its rate. It takes nothing from other
// clients and other Ingresses, and where no limit is there is none.
func TestLimits(t *testing.T) {
	w := withLimits(t)
	for _, c := range []struct {
		from, text string
		want       int
		unit       time.Duration // in which one more may pass
	}{
		{"127.0.0.1", get("five.test", "/"), 26, time.Second / 5},
		{"127.0.0.2", get("five.test", "/x"), 26, time.Second / 5},
		{"127.0.0.1", get("other.test", "/"), 26, time.Second / 5},
		{"127.0.0.1", get("minute.test", "/"), 36, time.Minute / 7},
		{"127.0.0.1", get("both.test", "/"), 16, time.Minute / 3},
		{"127.0.0.1", upgrade("one.test", "/ws"), 6, time.Minute},
		{"127.0.0.1", get("one.test", "/"), 6, time.Minute},
		{"127.0.0.1", get("ten.test", "/"), 51, time.Minute / 11},
		{"127.0.0.1", get("many.test", "/"), 501, time.Second / 100},
		{"127.0.0.1", get("exempt.test", "/"), 26, time.Minute / 5},
	} {
		got, took := w.passed(t, c.from, c.text, 2000)
		// A bucket may hold a part of a token more than so many requests take: it counts
		// towards the first that is filled in.
		if got < c.want || got > c.want+1+int(took/c.unit) {
			t.Errorf("from %s, %.30q: %d passed in %s, want %d, and one more each %s", c.from, c.text, got, took, c.want, c.unit)
		}
	}
	if got, took := w.passed(t, "127.0.0.1", get("minute.test", "/other"), 200); got > int(took/(time.Minute/7))+1 {
		t.Errorf("another path of a route: %d passed in %s", got, took)
	}
	for from, host := range map[string]string{"127.0.0.1": "free.test", "127.0.0.9": "exempt.test"} {
		if got, _ := w.passed(t, from, get(host, "/"), 100); got != 100 {
			t.Errorf("from %s, %s, without a limit: %d passed", from, host, got)
		}
	}
}

// TestLimitRate: after that, requests pass at the rate; those of all routes of the
// Ingress together.
func TestLimitRate(t *testing.T) {
	w := withLimits(t)
	w.passed(t, "127.0.0.1", get("five.test", "/"), 200)
	begin, n := time.Now(), 0
	for time.Since(begin) < 4*time.Second {
		more, _ := w.passed(t, "127.0.0.1", get("also.test", "/"), 200)
		n += more
	}
	seconds := time.Since(begin).Seconds()
	if got := float64(n) / seconds; got < 3 || float64(n) > 5*seconds+1 {
		t.Errorf("%d passed in %.1f s, %.1f a second, want 5", n, seconds, got)
	}
}
