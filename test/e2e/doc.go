// Package e2e drives the whole product as a user does: the built binary
// `legation` on a folder of manifests, a real Envoy started from `legation
// bootstrap`, and requests. It has tests only (build tag real).
package e2e
