package node

import (
	"reflect"
	"strings"
	"testing"
)

const tainted = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"7"},"spec":{"unschedulable":true,
	"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"},{"key":"karpenter.sh/disrupted","effect":"NoSchedule"}]}}`

// TestDecode: what is read of a Node, and of each event of a watch.
func TestDecode(t *testing.T) {
	want := Node{Name: "a", Version: "7", Cordoned: true, Taints: []string{"node.kubernetes.io/unschedulable", "karpenter.sh/disrupted"}}
	if n, err := Decode([]byte(tainted)); err != nil || !reflect.DeepEqual(n, want) {
		t.Errorf("%+v, %v", n, err)
	}
	for text, event := range map[string]Event{
		`{"type":"ADDED","object":` + tainted + `}`:    {Node: want},
		`{"type":"MODIFIED","object":` + tainted + `}`: {Node: want},
		`{"type":"DELETED","object":` + tainted + `}`:  {Deleted: true},
	} {
		if e, err := DecodeEvent([]byte(text)); err != nil || !reflect.DeepEqual(e, event) {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	for text, why := range map[string]string{
		`{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}`: "410 too old resource version",
		`{"type":"ERROR"}`:                            "ends the watch",
		`{"type":"BOOKMARK","object":{}}`:             "BOOKMARK",
		`{"type":"ADDED","object":{"kind":"Status"}}`: "no Node",
		`{"type":"ADDED"}`:                            "no Node",
		`{`:                                           "not an event",
	} {
		if e, err := DecodeEvent([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
}

// TestLeaving: taints of the list are leaving, to be cordoned is only where that is set.
func TestLeaving(t *testing.T) {
	for _, c := range []struct {
		node   Node
		taints []string
		cordon bool
		want   string
	}{
		{Node{}, DefaultTaints, true, ""},
		{Node{Taints: []string{"node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready"}, Cordoned: true}, DefaultTaints, false, ""},
		{Node{Cordoned: true}, DefaultTaints, true, "it is cordoned"},
		{Node{Taints: []string{"x", "ToBeDeletedByClusterAutoscaler"}}, DefaultTaints, false, "taint ToBeDeletedByClusterAutoscaler"},
		{Node{Taints: []string{"karpenter.sh/disrupted"}}, DefaultTaints, false, "taint karpenter.sh/disrupted"},
		{Node{Taints: []string{"node.kubernetes.io/out-of-service"}}, DefaultTaints, false, "taint node.kubernetes.io/out-of-service"},
		{Node{Taints: []string{"karpenter.sh/disrupted"}}, []string{"ours"}, false, ""},
		{Node{Taints: []string{"ours"}}, []string{"ours"}, false, "taint ours"},
	} {
		if got := c.node.Leaving(c.taints, c.cordon); got != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
	}
}

// FuzzWatch: whatever stands in a watch is a Node with a name and a version, or an error.
func FuzzWatch(f *testing.F) {
	f.Add([]byte(`{"type":"MODIFIED","object":` + strings.ReplaceAll(tainted, "\n", "") + "}\n" + `{"type":"ERROR","object":{"code":410}}`))
	f.Add([]byte(`{"type":"DELETED"}` + "\n\n" + `{"type":"ADDED","object":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for events := lines(strings.NewReader(string(text))); events.Scan(); {
			e, err := DecodeEvent(events.Bytes())
			if err == nil && !e.Deleted && (e.Node.Name == "" || e.Node.Version == "") {
				t.Errorf("%q is %+v", events.Bytes(), e)
			}
			e.Node.Leaving(DefaultTaints, true)
		}
	})
}
