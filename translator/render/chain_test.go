package render

import (
	"strings"
	"testing"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// TestChainSize: each change of a TLS host sends every chain of the fleet again, so a
// chain has a budget: 450 bytes for a host of 30 letters. What is the same for all hosts
// belongs into the HTTP configuration.
func TestChainSize(t *testing.T) {
	const budget = 450
	class := policy.Defaults().Listener
	host := strings.Repeat("h", 30)
	c, err := NewFront(&class).Chain(route.Listener{Name: "https", TLS: true}, host, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.wire) > budget {
		t.Errorf("the chain of a host of %d letters has %d bytes, more than %d", len(host), len(c.wire), budget)
	}
	t.Logf("%d bytes", len(c.wire))
}
