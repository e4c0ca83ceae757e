// Package shutdown holds bin/shutdown-manager against real Envoys with the
// listeners that Legation gives them: what becomes of those who are connected
// when an Envoy is told to end. It has tests only (build tag real).
package shutdown
