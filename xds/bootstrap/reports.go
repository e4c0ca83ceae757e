package bootstrap

import (
	"errors"
	"time"

	corexds "github.com/cncf/xds/go/xds/core/v3"
	matcherxds "github.com/cncf/xds/go/xds/type/matcher/v3"
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	statsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/stats/v3"
	sinkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/stat_sinks/open_telemetry/v3"
	detectorsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/resource_detectors/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/xds/observed"
)

const (
	// DefaultReports is how often an Envoy reports of traffic by default: twice in a window of
	// xds/observed, and ten times before a server that closes early is to be told of. It costs
	// Envoy less than the 5 s at which it otherwise merges histograms (docs/observed.md).
	DefaultReports = 30 * time.Second
	// leastReports and mostReports bound it. Eviction goes by multiples of it.
	leastReports, mostReports = time.Second, 5 * time.Minute
)

// reporting makes Envoy send what xds/observed reads, to the cluster of the control
// plane: on the connection that it has, or on one to another replica.
//
// Envoy merges its histograms at the same interval, so those of /metrics are as old.
func reporting(b *bootstrapv3.Bootstrap, cfg Config) error {
	if cfg.Reports == 0 {
		return nil
	}
	if cfg.Reports < leastReports || cfg.Reports > mostReports || statsEviction%cfg.Reports != 0 {
		return errors.New("reports: want a part of an hour between 1 s and 5 min, such as 30s, or 0")
	}
	sink, err := sink(cfg)
	if err != nil {
		return err
	}
	b.StatsFlushInterval = durationpb.New(cfg.Reports)
	b.StatsSinks = []*metricsv3.StatsSink{{Name: "envoy.stat_sinks.open_telemetry", ConfigType: &metricsv3.StatsSink_TypedConfig{TypedConfig: sink}}}
	return nil
}

// sink sends what was counted since the last time: what a replica does not get, another
// one does, and nothing is counted twice.
func sink(cfg Config) (*anypb.Any, error) {
	who := new(anypb.Any)
	err := anypb.MarshalFrom(who, &detectorsv3.StaticConfigResourceDetectorConfig{Attributes: map[string]string{
		observed.FleetAttribute: cfg.Class, observed.EnvoyAttribute: cfg.NodeID}}, proto.MarshalOptions{Deterministic: true})
	if err != nil {
		return nil, err
	}
	drop, err := dropOthers(observed.Pattern())
	if err != nil {
		return nil, err
	}
	return anypb.New(&sinkv3.SinkConfig{
		ProtocolSpecifier: &sinkv3.SinkConfig_GrpcService{GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: XDSCluster}}}},
		ResourceDetectors:      []*corev3.TypedExtensionConfig{{Name: "envoy.tracers.opentelemetry.resource_detectors.static_config", TypedConfig: who}},
		ReportCountersAsDeltas: true, ReportHistogramsAsDeltas: true,
		// Labels would say twice what the name does, and take half as much again.
		EmitTagsAsAttributes: wrapperspb.Bool(false), UseTagExtractedName: wrapperspb.Bool(false),
		CustomMetricConversions: drop, MaxDataPointsPerRequest: observed.PointsOfRequest,
	})
}

// dropOthers leaves out statistics whose names do not match an expression.
func dropOthers(expression string) (*matcherxds.Matcher, error) {
	name, err := anypb.New(&statsv3.StatFullNameMatchInput{})
	if err != nil {
		return nil, err
	}
	drop, err := anypb.New(&sinkv3.SinkConfig_DropAction{})
	if err != nil {
		return nil, err
	}
	matches := &predicate{MatchType: &matcherxds.Matcher_MatcherList_Predicate_SinglePredicate_{SinglePredicate: &matcherxds.Matcher_MatcherList_Predicate_SinglePredicate{
		Input: &corexds.TypedExtensionConfig{Name: "name", TypedConfig: name},
		Matcher: &matcherxds.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: &matcherxds.StringMatcher{
			MatchPattern: &matcherxds.StringMatcher_SafeRegex{SafeRegex: &matcherxds.RegexMatcher{
				EngineType: &matcherxds.RegexMatcher_GoogleRe2{GoogleRe2: &matcherxds.RegexMatcher_GoogleRE2{}}, Regex: expression}}}}}}}
	return &matcherxds.Matcher{MatcherType: &matcherxds.Matcher_MatcherList_{MatcherList: &matcherxds.Matcher_MatcherList{
		Matchers: []*matcherxds.Matcher_MatcherList_FieldMatcher{{
			Predicate: &predicate{MatchType: &matcherxds.Matcher_MatcherList_Predicate_NotMatcher{NotMatcher: matches}},
			OnMatch:   &matcherxds.Matcher_OnMatch{OnMatch: &matcherxds.Matcher_OnMatch_Action{Action: &corexds.TypedExtensionConfig{Name: "drop", TypedConfig: drop}}},
		}}}}}, nil
}

type predicate = matcherxds.Matcher_MatcherList_Predicate
