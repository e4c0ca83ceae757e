package server

import (
	"regexp"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// nodeMatcher says which node ids a reader wants to see: those that any of the
// matchers accepts, all if there are none. Node metadata is not kept here, so
// a matcher for it is an error and never ignored.
func nodeMatcher(matchers []*matcherv3.NodeMatcher) (func(id string) bool, error) {
	var accept []func(string) bool
	for _, m := range matchers {
		if len(m.GetNodeMetadatas()) > 0 {
			return nil, status.Error(codes.InvalidArgument, "node_matchers.node_metadatas: metadata is not kept; match node_id")
		}
		match, err := stringMatcher(m.GetNodeId())
		if err != nil {
			return nil, err
		}
		accept = append(accept, match)
	}
	return func(id string) bool {
		for _, match := range accept {
			if match(id) {
				return true
			}
		}
		return len(accept) == 0
	}, nil
}

func stringMatcher(m *matcherv3.StringMatcher) (func(string) bool, error) {
	fold := func(s string) string { return s }
	if m.GetIgnoreCase() {
		fold = strings.ToLower
	}
	with := func(test func(s, pattern string) bool, pattern string) func(string) bool {
		return func(id string) bool { return test(fold(id), fold(pattern)) }
	}
	switch p := m.GetMatchPattern().(type) {
	case nil:
		return func(string) bool { return true }, nil
	case *matcherv3.StringMatcher_Exact:
		return with(func(s, pattern string) bool { return s == pattern }, p.Exact), nil
	case *matcherv3.StringMatcher_Prefix:
		return with(strings.HasPrefix, p.Prefix), nil
	case *matcherv3.StringMatcher_Suffix:
		return with(strings.HasSuffix, p.Suffix), nil
	case *matcherv3.StringMatcher_Contains:
		return with(strings.Contains, p.Contains), nil
	case *matcherv3.StringMatcher_SafeRegex:
		// The whole string must match; ignore_case does not apply (Envoy's API).
		re, err := regexp.Compile(`^(?:` + p.SafeRegex.GetRegex() + `)$`)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "node_matchers.node_id.safe_regex: %v", err)
		}
		return re.MatchString, nil
	default:
		return nil, status.Errorf(codes.InvalidArgument, "node_matchers.node_id: %T is not supported", p)
	}
}
