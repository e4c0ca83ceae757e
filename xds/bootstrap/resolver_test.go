package bootstrap

import (
	"testing"

	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
)

// TestResolver: a lookup of the name of the control plane is given up soon, and what it
// found is not kept, and a node without IPv6 asks for no such address; an address needs none.
func TestResolver(t *testing.T) {
	named, err := xdsCluster("legation-xds.legation.svc:18000", true)
	if err != nil {
		t.Fatal(err)
	}
	var dns dnsv3.DnsCluster
	if err := named.GetClusterType().GetTypedConfig().UnmarshalTo(&dns); err != nil {
		t.Fatal(err)
	}
	var c caresv3.CaresDnsResolverConfig
	if err := dns.GetTypedDnsResolverConfig().GetTypedConfig().UnmarshalTo(&c); err != nil {
		t.Fatal(err)
	}
	if c.GetQueryTimeoutSeconds().GetValue() != queryTimeout || c.GetQueryTries().GetValue() != queryTries || c.GetQcacheMaxTtl().GetValue() != 0 {
		t.Errorf("a lookup has %v", &c)
	}
	if dns.DnsLookupFamily != commondnsv3.DnsLookupFamily_V4_ONLY {
		t.Errorf("without IPv6 it asks for %s", dns.DnsLookupFamily)
	}
	if addressed, err := xdsCluster("10.0.0.1:18000", false); err != nil || addressed.GetClusterType() != nil {
		t.Errorf("%v, %v", addressed, err)
	}
}
