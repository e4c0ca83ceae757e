//go:build real

package decide

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
)

// split is a fragment with a host whose requests go to two Services: the second takes
// bodies of one byte only.
func split(t *testing.T, order policy.Overrides) *route.Fragment {
	t.Helper()
	ref := object.Ref{Kind: object.KindIngress, Namespace: worlds.Namespace, Name: "split"}
	strict, errs := policy.OfIngress(ref, map[string]string{policy.Prefix + "max-request-body": "1"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	f := &route.Fragment{Origin: object.Origin{Object: ref}, Class: route.ClassName{Name: worlds.Class, Named: true}, Policy: order}
	var a route.Action
	for i, p := range []policy.Overrides{nil, strict} {
		b, _ := route.NewBackend(worlds.Namespace, worlds.ServiceName(i), "80", nil, "")
		a.Targets = append(a.Targets, route.Target{Backend: b, Weight: 1, Policy: p})
		f.References = append(f.References, route.Reference{To: b.Ref(), Field: "to", Backend: &b})
	}
	f.Hosts = []route.Host{{Name: "split.test", Rules: []route.Rule{{Match: route.Match{Path: "/"}, Action: a, Name: "split", Field: "rule"}}}}
	return f.Sealed(pmap.SumOf(order.String()))
}

// TestSides: what one side of a split has of its own holds there, and nowhere else,
// also where the route differs from its class.
func TestSides(t *testing.T) {
	w := newSuite(t, nil)
	large, _ := policy.OfIngress(object.Ref{}, map[string]string{policy.Prefix + "max-request-body": "off"})
	for _, own := range []policy.Overrides{nil, large} {
		w.serve(t, []input.Change{worlds.Carry(split(t, own))})
		got := map[string]int{}
		for range 200 {
			got[post(t, w, "split.test")]++
		}
		want := map[string]bool{fmt.Sprintf("200 shop/%s/80", worlds.ServiceName(0)): true, fmt.Sprintf("413 shop/%s/80", worlds.ServiceName(1)): true}
		for outcome := range got {
			if !want[outcome] || len(got) != len(want) {
				t.Errorf("policy %q: %v, want %v", own, got, want)
			}
		}
		for len(w.arrived) > 0 {
			<-w.arrived
		}
	}
}

// post sends a body of ten bytes, and says what came of it.
func post(t *testing.T, w *suite, host string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.HTTP, strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return fmt.Sprint(answer.StatusCode, " ", answer.Header.Get(clusterHeader))
}
