// Package conformance holds what every Ingress controller is expected to do, as
// the Ingress API documents it and kubernetes-sigs/ingress-controller-conformance
// asks for it: path rules, host rules, classes, default backends, TLS, and load
// balancing. It has tests only.
//
// A scenario is Ingresses in a namespace of its own, and requests with what must
// answer. The requests go through a real Envoy to pods, which a real API server
// and its controllers made.
//
// The 30 scenarios of that suite are in upstream_test.go, each with every one of its
// assertions; README.md is made of them.
//
// Start reading at scenario_test.go; a file for each feature has the scenarios.
package conformance
