package bootstrap

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	// queryTimeout is how long, in seconds, the DNS may take to answer at first; it is
	// given twice that at each further try.
	queryTimeout = 1
	// queryTries is how often it is asked before Envoy waits 5 s and begins anew. By
	// default (5 s, 4 tries) a lookup whose packets are lost, because the DNS or the
	// network of the node is not there yet, took more than 90 s: no Envoy could begin
	// in that time.
	queryTries = 2
)

// byName makes a cluster of the addresses that the DNS has for its name, each an endpoint. Where
// the node has no IPv6 it asks for those of IPv4 alone: Envoy has no use for others there, and does
// not bear them.
func byName(m *clusterv3.Cluster, noIPv6 bool) error {
	how, err := resolver()
	if err != nil {
		return err
	}
	family := commondnsv3.DnsLookupFamily_ALL
	if noIPv6 {
		family = commondnsv3.DnsLookupFamily_V4_ONLY
	}
	config, err := anypb.New(&dnsv3.DnsCluster{DnsLookupFamily: family, TypedDnsResolverConfig: how})
	if err != nil {
		return err
	}
	m.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.clusters.dns", TypedConfig: config}}
	return nil
}

// resolver is that for the name of the control plane. A name that does not exist yet is
// no failure to Envoy: it is asked for again after dns_refresh_rate (5 s), as one that
// does. So nothing may be remembered between: the cache of c-ares stays off, as it is by
// default, since it would keep an absence for as long as the SOA of the DNS says.
func resolver() (*corev3.TypedExtensionConfig, error) {
	config, err := anypb.New(&caresv3.CaresDnsResolverConfig{
		QueryTimeoutSeconds: wrapperspb.UInt64(queryTimeout), QueryTries: wrapperspb.UInt32(queryTries)})
	if err != nil {
		return nil, err
	}
	return &corev3.TypedExtensionConfig{Name: "envoy.network.dns_resolver.cares", TypedConfig: config}, nil
}
