// Package edge holds translation against a real Envoy: that it accepts the
// bytes, and does with requests what an Ingress controller should. It has tests
// only (build tag real).
package edge
