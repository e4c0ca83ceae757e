//go:build real

package edge

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/policy"
	"legation.dev/xds/snapshot"
)

var oddSettings = flag.Int("odd-settings", 100, "how many odd values of settings TestOddSettings gives a class; 0 is all that there are")

// elsewhere are the settings by which the class of the test would not be found any more, or its
// listener not be understood. TestReady has those.
var elsewhere = []string{"bind-addresses", "http-port", "https-port", "proxy-protocol", "closing-changes"}

// TestOddSettings: whatever text is taken for a setting of a class, Envoy takes what is made of
// it, and goes on to answer. Texts are those at the edges of what each type takes, and the
// longest.
func TestOddSettings(t *testing.T) {
	s, err := inprocess.Start(t.Context(), inprocess.Options{Settings: map[string]string{"closing-changes": "apply"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	class := inprocess.Class
	plain := input.Seal(&input.Ingress{Meta: metaOf(owner, "plain", time.Time{}), ClassName: &class, Rules: []input.Rule{rule("plain.test", input.PathPrefix, "/")}})
	for _, o := range append(backends(t, owner), plain) {
		s.Change(lower.Put(o))
	}
	list := oddTexts()
	t.Logf("%d texts are taken", len(list))
	if *oddSettings > 0 {
		rand.New(rand.NewPCG(17, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:min(*oddSettings, len(list))]
	}
	for _, given := range append(list, nil) {
		s.Settings(given)
		if err := s.Settle(t.Context()); err != nil {
			t.Fatalf("%.200v: %v", given, err)
		}
		for _, e := range s.Envoys() {
			for kind := range snapshot.Types() {
				for _, r := range e.Status.Types[kind].Rejected {
					t.Errorf("%.200v: Envoy rejects %s %s: %s", given, kind, r.Name, r.Message)
				}
			}
		}
		err := s.Await(t.Context(), func() error { // who comes by a listener that ends is cut
			status, err := statusOfPlain(s.HTTP)
			if err == nil && (status >= 500 && !unanswered(given) || given == nil && status != 200) {
				t.Errorf("%.200v: it answers %d", given, status)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%.200v: %v", given, err)
		}
	}
}

// unanswered reports whether a setting leads to what is not there: a service that is asked
// first, or one that speaks TLS or HTTP/2.
func unanswered(given map[string]string) bool {
	return given["global-auth-url"] != "" || given["upstream-protocol"] != ""
}

// statusOfPlain is the status of an answer to a plain request.
func statusOfPlain(address string) (int, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, get("plain.test", "/")+"\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// word is one in the description of what a setting takes.
var word = regexp.MustCompile("[A-Za-z][-A-Za-z0-9]*")

// oddTexts are settings of a class with one text each that is taken.
func oddTexts() (list []map[string]string) {
	many := func(n int, item func(int) string) string {
		var items []string
		for i := range n {
			items = append(items, item(i))
		}
		return strings.Join(items, ",")
	}
	host := strings.Repeat(strings.Repeat("a", 62)+".", 3) + strings.Repeat("b", 60) + ".x"
	pool := []string{"0", "1", "2", "9", "63", "100", "1000", "65535", "65536", "1000000", "16777215", "2147483647", "4294967295", "0.001", "0.5", "100.0",
		"0s", "1ns", "1us", "1ms", "999ms", "1s", "59s", "1m", "1h", "24h", "8760h", "87600h", "2562047h", "0B", "1B", "1Ki", "64Ki", "1Mi", "1Gi", "3Gi", "1Ti", "1023Gi",
		"off", "on", "true", "false", "none", "*", "/", "/" + strings.Repeat("a", 4000), "2025-01-01T00:00:00Z", "2099-12-31T23:59:59Z",
		"0.0.0.0/0", "::/0", "127.0.0.0/8,::1/128", many(2000, func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", i/250, i%250) }), many(500, func(i int) string { return fmt.Sprintf("2001:db8:%x::/48", i) }),
		"GET", many(100, func(i int) string { return fmt.Sprintf("X-Header-%d", i) }), strings.Repeat("X", 128), many(60, func(i int) string { return fmt.Sprint(400 + i) }),
		host, many(50, func(i int) string { return fmt.Sprintf("n%d.example.com", i) }), "https://" + host + "/", "http://a.test/?" + strings.Repeat("q", 2000), "https://a.test",
		"shop/web:80", "shop/nobody:65535", "shop/cert", "a", strings.Repeat("a", 63), strings.Repeat("a", 253), strings.Repeat("é", 100), `"\%{}$`, "%REQ(X)%", "TLSv1.2", "1.2-1.3", "1.3-1.3",
		"plain.test=*", many(200, func(i int) string { return fmt.Sprintf("h%d.test=shop", i) }), "gunicorn", "address", "cookie:" + strings.Repeat("c", 60), "header:" + strings.Repeat("X", 60), "path"}
	for _, s := range policy.Table() {
		if s.Scopes&policy.OnClass == 0 || slices.Contains(elsewhere, s.Name) {
			continue
		}
		taken := map[string]bool{}
		for _, text := range slices.Concat(pool, word.FindAllString(s.Type.Bounds, -1), []string{s.Default}) {
			given := map[string]string{s.Name: text}
			o, wrong := policy.OfClass(object.Ref{}, given)
			if meant := o.String(); len(wrong) == 0 && !taken[meant] {
				taken[meant] = true
				list = append(list, given)
			}
		}
	}
	return list
}
