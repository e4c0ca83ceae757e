// Package faults holds what Legation promises on a real Kubernetes when something
// goes wrong: programs are killed, replicas lag, watches of different kinds are
// not in order, Secrets and Services go and come back, objects make no sense. Real
// Envoys serve on, under load, and every failed request counts. It has tests only
// (build tag real).
//
// Start reading at kills_test.go; suite_test.go has what is under load.
package faults
