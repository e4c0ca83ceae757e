package narrow

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
)

// TestBody: what becomes of each kind of address, as JSON.
func TestBody(t *testing.T) {
	const at = `{"socket_address":{"address":"ADDRESS","port_value":80}}`
	socket := func(address string) string { return strings.Replace(at, "ADDRESS", address, 1) }
	endpoint := func(first string, also ...string) string {
		list := ""
		if len(also) > 0 {
			list = `,"hostname":"all of them","additional_addresses":[{"address":` + strings.Join(also, `},{"address":`) + `}]`
		}
		return `{"endpoint":{"address":` + first + list + `}}`
	}
	plain := func(address string) string { return `{"endpoint":{"address":` + socket(address) + `}}` }
	chain := func(ranges string) string {
		return `{"name":"shop.example.com","filter_chain_match":{"server_names":["shop.example.com"]` + ranges + `}}`
	}
	zone := func(list ...string) string { return `{"lb_endpoints":[` + strings.Join(list, ",") + `]}` }
	for _, tt := range []struct{ name, url, is, want string }{
		{"an endpoint that cannot be reached", load, `{"cluster_name":"a","endpoints":[` + zone(plain("10.0.0.1"), plain("2001:db8::1")) + `]}`,
			`{"cluster_name":"a","endpoints":[` + zone(plain("10.0.0.1")) + `]}`},
		{"a zone that cannot be reached", load, `{"cluster_name":"a","endpoints":[` + zone(plain("2001:db8::1")) + `,` + zone(plain("10.0.0.1")) + `]}`,
			`{"cluster_name":"a","endpoints":[` + zone(plain("10.0.0.1")) + `]}`},
		{"none that can be reached", load, `{"cluster_name":"a","endpoints":[` + zone(plain("::ffff:10.0.0.1")) + `]}`, `{"cluster_name":"a"}`},
		{"an endpoint of both families", load, `{"endpoints":[` + zone(endpoint(socket("10.0.0.1"), socket("2001:db8::1"))) + `]}`, `{"endpoints":[` + zone(plain("10.0.0.1")) + `]}`},
		{"an endpoint of both families, IPv6 first", load, `{"endpoints":[` + zone(endpoint(socket("2001:db8::1"), socket("10.0.0.1"))) + `]}`, `{"endpoints":[` + zone(plain("10.0.0.1")) + `]}`},
		{"two addresses of IPv4", load, `{"endpoints":[` + zone(endpoint(socket("10.0.0.1"), socket("10.0.0.2"))) + `]}`, ""},
		{"an endpoint by name", cluster, `{"name":"a","load_assignment":{"endpoints":[` + zone(plain("shop.example.com")) + `]}}`, ""},
		{"addresses in a cluster", cluster, `{"name":"a","load_assignment":{"endpoints":[` + zone(plain("shop.example.com"), plain("2001:db8::1")) + `]}}`,
			`{"name":"a","load_assignment":{"endpoints":[` + zone(plain("shop.example.com")) + `]}}`},
		{"names", cluster, `{"name":"a","cluster_type":{"name":"dns","typed_config":{"@type":"type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster","respect_dns_ttl":true}}}`,
			`{"name":"a","cluster_type":{"name":"dns","typed_config":{"@type":"type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster","respect_dns_ttl":true,"dns_lookup_family":"V4_ONLY"}}}`},
		{"a listener everywhere", listener, `{"address":` + socket("0.0.0.0") + `,"additional_addresses":[{"address":` + socket("::") + `}]}`, `{"address":` + socket("0.0.0.0") + `}`},
		{"a listener, IPv6 first", listener, `{"address":` + socket("::1") + `,"additional_addresses":[{"address":` + socket("::") + `},{"address":` + socket("127.0.0.1") + `}]}`,
			`{"address":` + socket("127.0.0.1") + `}`},
		{"a listener that can listen nowhere", listener, `{"address":` + socket("::1") + `,"additional_addresses":[{"address":` + socket("::") + `}]}`, ""},
		{"a listener for nobody", listener, `{"address":{"envoy_internal_address":{"server_listener_name":"routes"}}}`, ""},
		{"trusted proxies of both families", listener, `{"filter_chains":[` + chain("") + `,` +
			chain(`,"direct_source_prefix_ranges":[{"address_prefix":"10.0.0.0","prefix_len":8},{"address_prefix":"2001:db8::","prefix_len":32}]`) + `]}`,
			`{"filter_chains":[` + chain(`,"direct_source_prefix_ranges":[{"address_prefix":"10.0.0.0","prefix_len":8}]`) + `,` + chain("") + `]}`},
		{"trusted proxies of IPv6 alone", listener, `{"filter_chains":[` + chain(`,"direct_source_prefix_ranges":[{"address_prefix":"2001:db8::","prefix_len":32}]`) + `]}`,
			`{"filter_chains":[` + chain(`,"direct_source_prefix_ranges":[{"address_prefix":"255.255.255.255","prefix_len":32}]`) + `]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := serialised(t, tt.url, tt.is)
			got := Body(tt.url, body)
			if tt.want == "" {
				if &got[0] != &body[0] {
					t.Errorf("it is another one: %s", text(t, tt.url, got))
				}
				return
			}
			if want := serialised(t, tt.url, tt.want); text(t, tt.url, got) != text(t, tt.url, want) {
				t.Errorf("%s, want %s", text(t, tt.url, got), text(t, tt.url, want))
			}
			if again := Body(tt.url, got); !bytes.Equal(again, got) {
				t.Errorf("again it is another one: %s", text(t, tt.url, again))
			}
		})
	}
	if broken := []byte("\x0a:rbac.v3.RBAC"); !bytes.Equal(Body(host, broken), broken) {
		t.Error("what cannot be decoded is another one")
	}
}

func message(t interface{ Fatal(...any) }, url string) proto.Message {
	m, err := (&anypb.Any{TypeUrl: url}).UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func serialised(t *testing.T, url, json string) []byte {
	t.Helper()
	m := message(t, url)
	if err := protojson.Unmarshal([]byte(json), m); err != nil {
		t.Fatal(err)
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func text(t *testing.T, url string, body []byte) string {
	t.Helper()
	m := message(t, url)
	if err := proto.Unmarshal(body, m); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(protojson.Format(m), " ", "")
}

// TestJudge: rules let the same clients of IPv4 come as the whole form of them, and Unknown
// only if they let come all of IPv6; and no range of IPv6 is left.
func TestJudge(t *testing.T) {
	both, unknown := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		action := rapid.SampledFrom([]rbacv3.RBAC_Action{rbacv3.RBAC_ALLOW, rbacv3.RBAC_DENY}).Draw(t, "action")
		rules := &rbacv3.RBAC{Action: action, Policies: map[string]*rbacv3.Policy{"p": {
			Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}}, Principals: []*rbacv3.Principal{drawPrincipal(t, 3)}}}}
		packed, err := anypb.New(&rbacfilterv3.RBACPerRoute{Rbac: &rbacfilterv3.RBAC{Rules: rules}})
		if err != nil {
			t.Fatal(err)
		}
		body, err := proto.Marshal(&routev3.VirtualHost{Name: "a", Routes: []*routev3.Route{{TypedPerFilterConfig: map[string]*anypb.Any{"rbac": packed}}}})
		if err != nil {
			t.Fatal(err)
		}
		m, narrow := &routev3.VirtualHost{}, &rbacfilterv3.RBACPerRoute{}
		if err := proto.Unmarshal(Body(host, body), m); err != nil {
			t.Fatal(err)
		}
		if err := m.Routes[0].TypedPerFilterConfig["rbac"].UnmarshalTo(narrow); err != nil {
			t.Fatal(err)
		}
		if left := protojson.Format(narrow); strings.Contains(left, `::`) {
			t.Fatalf("IPv6 is left: %s", left)
		}
		for _, from := range fours {
			if was, is := comes(rules, from), comes(narrow.Rbac.Rules, from); was != is {
				t.Fatalf("%s may come: %t, without IPv6 %t", from, was, is)
			}
			both++
		}
		if comes(narrow.Rbac.Rules, Unknown) {
			unknown++
			if i := slices.IndexFunc(sixes, func(a netip.Addr) bool { return !comes(rules, a) }); i >= 0 {
				t.Fatalf("Unknown may come, and %s may not", sixes[i])
			}
		}
	})
	everybody := &rbacv3.Principal{Identifier: &rbacv3.Principal_RemoteIp{RemoteIp: &corev3.CidrRange{AddressPrefix: "::"}}}
	if client(everybody, true); !is(everybody, Unknown) {
		t.Error("all of IPv6 may come, and Unknown may not")
	}
	if both == 0 || unknown == 0 {
		t.Errorf("asked %d times, and Unknown came %d times", both, unknown)
	}
}

var (
	fours = addresses("10.0.0.1", "10.1.0.1", "203.0.113.7", "240.0.0.1", "255.255.255.254", "0.0.0.1")
	sixes = addresses("2001:db8::1", "2001:db8:1::1", "2001:db8:ffff::1", "fd00::1", "::1", "ffff::")
)

func addresses(list ...string) (made []netip.Addr) {
	for _, a := range list {
		made = append(made, netip.MustParseAddr(a))
	}
	return made
}

func drawPrincipal(t *rapid.T, depth int) *rbacv3.Principal {
	set := func() *rbacv3.Principal_Set {
		s := &rbacv3.Principal_Set{}
		for range rapid.IntRange(1, 3).Draw(t, "size") {
			s.Ids = append(s.Ids, drawPrincipal(t, depth-1))
		}
		return s
	}
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	if depth == 0 {
		kind += 3
	}
	switch kind {
	case 0:
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_AndIds{AndIds: set()}}
	case 1:
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_OrIds{OrIds: set()}}
	case 2:
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_NotId{NotId: drawPrincipal(t, depth-1)}}
	case 3:
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_Any{Any: true}}
	}
	of := netip.MustParsePrefix(rapid.SampledFrom([]string{"0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.0.0/16", "240.0.0.0/4", "2001:db8::/32",
		"2001:db8:1::/48", "::/128", "::/1", "203.0.113.7/32"}).Draw(t, "range"))
	r := only(of.Addr())
	r.PrefixLen.Value = uint32(of.Bits())
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_RemoteIp{RemoteIp: r}}
}

// comes reports whether rules let a client come.
func comes(m *rbacv3.RBAC, from netip.Addr) bool {
	return is(m.Policies["p"].Principals[0], from) == (m.Action == rbacv3.RBAC_ALLOW)
}

func is(p *rbacv3.Principal, from netip.Addr) bool {
	them := func(p *rbacv3.Principal) bool { return is(p, from) }
	switch x := p.Identifier.(type) {
	case *rbacv3.Principal_AndIds:
		return !slices.ContainsFunc(x.AndIds.Ids, func(p *rbacv3.Principal) bool { return !them(p) })
	case *rbacv3.Principal_OrIds:
		return slices.ContainsFunc(x.OrIds.Ids, them)
	case *rbacv3.Principal_NotId:
		return !them(x.NotId)
	case *rbacv3.Principal_RemoteIp:
		return rangeOf(x.RemoteIp).Contains(from)
	}
	return true
}

func rangeOf(r *corev3.CidrRange) netip.Prefix {
	return netip.PrefixFrom(netip.MustParseAddr(r.AddressPrefix), int(r.PrefixLen.GetValue()))
}

// TestParted: of the chains of a listener those are decoded that may match an address of
// IPv6, and the others stay byte for byte.
func TestParted(t *testing.T) {
	chain := func(name string, ranges ...string) *listenerv3.FilterChain {
		m := &listenerv3.FilterChain{Name: name, FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{name}}}
		for _, r := range ranges {
			m.FilterChainMatch.DirectSourcePrefixRanges = append(m.FilterChainMatch.DirectSourcePrefixRanges, &corev3.CidrRange{AddressPrefix: r})
		}
		return m
	}
	all := &listenerv3.Listener{Name: "a", FilterChains: []*listenerv3.FilterChain{chain("a.example.com"), chain("b.example.com", "10.0.0.0"), chain("c.example.com", "fd00::")}}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	head, chains := parted(body)
	one, others := &listenerv3.Listener{}, &listenerv3.Listener{}
	if err := proto.Unmarshal(head, one); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(chains, others); err != nil {
		t.Fatal(err)
	}
	if one.Name != "a" || len(one.FilterChains) != 1 || one.FilterChains[0].Name != "c.example.com" || len(others.FilterChains) != 2 {
		t.Errorf("decoded: %v; not: %v", one, others)
	}
}
