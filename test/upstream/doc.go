// Package upstream tests the connections between Envoy and endpoints, with a real
// Envoy that Legation drives: how they end, what becomes of what is on them when
// an endpoint or a route leaves, servers that close first, and servers that hang.
// It has tests only, behind the build tag real.
//
// Start reading at suite_test.go.
package upstream
