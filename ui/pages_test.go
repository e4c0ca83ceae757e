package ui

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/admin"
	"legation.dev/xds/fleet"
	"legation.dev/xds/history"
	"legation.dev/xds/store"
)

// large is a cluster in which something is wrong with every second Ingress.
func large(n int) []input.Change {
	w := worlds.New(1, worlds.Size{Services: n / 2, Endpoints: 2, Ingresses: n, TLS: 0.2})
	list := w.All()
	for i := 0; i < n; i += 2 {
		list = append(list, input.Delete(object.Ref{Kind: object.KindService, Namespace: worlds.Namespace, Name: worlds.ServiceName(i)}))
	}
	return list
}

// visits are requests for every page, as people make them.
func visits(n int) []string {
	return []string{"/", "/problems", "/problems?severity=error&namespace=" + worlds.Namespace, "/problems?code=NoService&skip=200", "/search", "/search?q=h0",
		"/search?q=" + url.QueryEscape("https://"+worlds.HostOf(n/10)+"/a"), "/search?q=shop%2Fi00", "/search?q=shop%2Fs00", "/timeline", "/timeline?since=1h&object=service%2F" + worlds.Namespace + "%2F" + worlds.ServiceName(1), "/diff?fleet=" + worlds.Class, "/certificates", "/certificates?host=h000", "/holds", "/drains"}
}

// TestPagesAreBounded: with ten times the Ingresses a page has no more rows, and makes no
// more garbage; a change costs the pages no pass over what did not change.
func TestPagesAreBounded(t *testing.T) {
	small, big := 1000, 10000
	if testing.Short() {
		big = 3000
	}
	of := map[int]*stage{}
	for _, n := range []int{small, big} {
		of[n] = newStage(t, large(n)...)
		w := worlds.New(2, worlds.Size{Services: n / 2, Endpoints: 2})
		of[n].with(w.Endpoint(1), w.Move(3, 1))
	}
	for _, s := range of {
		s.rest() // what it allocates is not the pages'
	}
	for i, path := range visits(small) {
		cost := map[int]float64{}
		for n, s := range of {
			path := visits(n)[i]
			code, body := s.get(path)
			if code != http.StatusOK {
				t.Errorf("%s: %d: %s", path, code, body)
			}
			if rows := rowsOf(body); rows > MostRows {
				t.Errorf("%s with %d Ingresses has %d rows", path, n, rows)
			}
			cost[n] = testing.AllocsPerRun(3, func() { s.get(path) })
		}
		if cost[big] > 1.2*cost[small]+200 {
			t.Errorf("%s: %.0f allocations with %d Ingresses, %.0f with %d", path, cost[small], small, cost[big], big)
		}
		t.Logf("%-60s %6.0f %6.0f allocations", path, cost[small], cost[big])
	}
}

// TestPagesAreWhole: what is further down is reached, each Problem and each certificate once.
func TestPagesAreWhole(t *testing.T) {
	s := newStage(t, large(1500)...)
	all, total := map[string]bool{}, s.problems.Overview().Len()
	for skip := 0; skip < total; skip += MostRows {
		_, body := s.get(fmt.Sprintf("/problems?skip=%d", skip))
		for part := range strings.SplitSeq(body, "<tr ") {
			all[part] = true
		}
	}
	if len(all) < total {
		t.Errorf("%d of %d Problems are shown", len(all), total)
	}
	hosts, next := map[string]bool{}, "/certificates"
	for range 10 {
		_, body := s.get(next)
		for part := range strings.SplitSeq(body, `q=https%3A%2F%2F`) {
			hosts[part[:min(len(part), 18)]] = true
		}
		_, after, ok := strings.Cut(body, `<a href="/certificates?after=`)
		if !ok {
			break
		}
		next, _, _ = strings.Cut(after, `"`)
		next = "/certificates?after=" + html.UnescapeString(next)
	}
	if want := 300; len(hosts) < want {
		t.Errorf("%d of %d certificates are shown", len(hosts), want)
	}
}

// TestSearch: a host whose Service is gone is told with its cause and its object.
func TestSearch(t *testing.T) {
	s := newStage(t, large(10)...)
	_, body := s.get("/search?q=" + url.QueryEscape("http://"+worlds.HostOf(4)+"/x"))
	for _, want := range []string{"has no endpoint: the answer is 503", "Ingress shop/i00004", "NoService", "Prefix /"} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q:\n%s", want, body)
		}
	}
	if code, _ := s.get("/search?q=" + url.QueryEscape("http://a/ b%zz")); code != http.StatusBadRequest {
		t.Errorf("what is no URL is answered %d", code)
	}
}

// TestSearchLive: a page says of a request what `legation why` does: its timeouts, how many
// Envoys run it; and a Service is found by its name, as an Ingress is.
func TestSearchLive(t *testing.T) {
	s := newStage(t, large(10)...)
	s.Fleets.Join(fleet.Node{ID: "e1", Fleet: worlds.Class}, time.Now())
	_, body := s.get("/search?q=" + url.QueryEscape("http://"+worlds.HostOf(5)+"/x"))
	for _, want := range []string{"at 0 of 1 Envoys", "request-timeout", "upstream-connect-timeout"} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q:\n%s", want, body)
		}
	}
	service := worlds.Namespace + "/" + worlds.ServiceName(1)
	_, body = s.get("/search?q=" + url.QueryEscape(service))
	if !strings.Contains(body, "Services that begin with "+service) || !strings.Contains(body, `href="/search?q=`+worlds.HostOf(1)) || strings.Contains(body, "is answered 404") {
		t.Errorf("a Service is not found by its name:\n%s", body)
	}
}

// TestTimelineFilter: of an object and of a time, as `legation history`; what is neither is said.
func TestTimelineFilter(t *testing.T) {
	s := newStage(t, large(10)...)
	w := worlds.New(2, worlds.Size{Services: 5, Endpoints: 2})
	s.with(w.Endpoint(1))
	s.with(w.Move(3, 1))
	versions := func(query string) int {
		t.Helper()
		code, body := s.get("/timeline" + query)
		if code != http.StatusOK {
			t.Fatalf("%s: %d", query, code)
		}
		return rowsOf(body)
	}
	all := versions("")
	service := "?object=" + url.QueryEscape("service/"+worlds.Namespace+"/"+worlds.ServiceName(1))
	if n := versions(service); n == 0 || n >= all {
		t.Errorf("%d of %d versions are of a Service", n, all)
	}
	if n := versions("?since=1h"); n != all {
		t.Errorf("%d of %d versions are of the last hour", n, all)
	}
	if n := versions("?until=1h"); n != 0 {
		t.Errorf("%d versions were published an hour ago", n)
	}
	for _, query := range []string{"?object=checkout", "?since=soon", "?until=soon"} {
		if code, _ := s.get("/timeline" + query); code != http.StatusBadRequest {
			t.Errorf("%s is answered %d", query, code)
		}
	}
}

// TestTimelineNoted: versions that are not kept whole any more are found by time and by object,
// and what became different with them is told by what was noted.
func TestTimelineNoted(t *testing.T) {
	s := newStage(t, large(10)...)
	w := worlds.New(2, worlds.Size{Services: 5, Endpoints: 2})
	book := history.New(history.Config{Age: time.Hour, Memory: 1 << 20})
	s.Admin.(*admin.Service).Book = book
	offer := func() {
		view, _ := s.Store.Watch(worlds.Class)
		book.Offer(worlds.Class, view.Version)
	}
	offer()
	for i := range store.DefaultHistory + 10 {
		s.with(w.Move(3, 1+i%2))
		offer()
	}
	_, body := s.get("/timeline?fleet=" + worlds.Class)
	if n, kept := rowsOf(body), len(s.Store.History(worlds.Class)); n != kept || !strings.Contains(body, "Of older ones it is noted") {
		t.Errorf("%d rows, want those of %d versions, and where the others are:\n%s", n, kept, body)
	}
	older := regexp.MustCompile(`href="(/timeline\?[^"]*until=[^"]*)"`).FindStringSubmatch(body)
	if older == nil {
		t.Fatalf("no link to older ones:\n%s", body)
	}
	if _, body = s.get(html.UnescapeString(older[1])); rowsOf(body) < 10 || !strings.Contains(body, ">1<") {
		t.Errorf("%d rows of older versions:\n%s", rowsOf(body), body)
	}
	if code, body := s.get("/diff?from=2&to=3&fleet=" + worlds.Class); code != http.StatusOK || !strings.Contains(body, "ingress/"+worlds.HostOf(3)) {
		t.Errorf("%d: what became different with version 3 is not told:\n%s", code, body)
	}
	if code, _ := s.get("/diff?from=9&to=3&fleet=" + worlds.Class); code == http.StatusOK {
		t.Error("a difference backwards to what is not kept whole is told")
	}
}

// FuzzPages: whatever is asked for, a page is answered: none of it stands in the page as
// markup, and there are not more rows than a page may have.
func FuzzPages(f *testing.F) {
	for i, path := range visits(10) {
		_, query, _ := strings.Cut(path, "?")
		f.Add(uint8(i), query)
	}
	f.Add(uint8(2), `q=http%3A%2F%2F%22%3E%3Cscript%3E&method=%3Cb%3E&header=a:b&from=::1`)
	f.Add(uint8(4), `fleet=edge&from=1&to=18446744073709551615&skip=-1`)
	list := append(large(20), lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: worlds.Namespace, Name: worlds.Settings}})))
	s := newStage(f, list...)
	f.Fuzz(func(t *testing.T, n uint8, query string) {
		paths := []string{"/", "/problems", "/search", "/timeline", "/diff", "/certificates", "/holds", "/drains", "/login"}
		r := request(t, paths[int(n)%len(paths)])
		r.URL.RawQuery = query
		code, body := s.serve(r)
		switch code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
		default:
			t.Errorf("%q is answered %d: %s", r.URL, code, body)
		}
		if rowsOf(body) > MostRows {
			t.Errorf("%q: %d rows", r.URL, rowsOf(body))
		}
		for name := range r.URL.Query() {
			if v := r.URL.Query().Get(name); len(v) > 3 && strings.ContainsAny(v, `<"`) && strings.Contains(body, v) {
				t.Errorf("%q stands in the page as it is", v)
			}
		}
	})
}

// TestPieces: a line breaks between the parts of a name, and nothing of it is lost.
func TestPieces(t *testing.T) {
	for name, want := range map[string][]string{
		"": nil, "web": {"web"}, "shop/web": {"shop/", "web"},
		`spec.tls[0].secretName="shop/pay-tls"`: {"spec.", "tls[0].", "secretName=", `"shop/`, `pay-tls"`},
	} {
		if got := pieces(name); !slices.Equal(got, want) {
			t.Errorf("%q: %q", name, got)
		}
	}
}
