// Package status tests what Legation writes to a real API server: addresses of
// Ingresses and Events, by two replicas, beside other writers. It has tests only,
// with the build tag real.
package status
