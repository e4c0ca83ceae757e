// Package ecds holds what a real Envoy must do before listeners are built in this
// way: HTTP connection managers that come by ECDS and find their routes by scope,
// changed at any time beside changes of listeners in place and drains, and Envoy
// lives, and no client notices. It has tests only (build tag real).
//
// The configuration is Legation's own, of the translator, and only the way in which
// it is cut into resources is new (config_test.go). The server is of the test, since
// it has to send what a good server does not: several responses of a type ahead of
// their ACKs, managers that Envoy rejects, and nothing at all.
//
// Start reading at TestWalk; steps_test.go has the changes, start_test.go what a fresh
// Envoy does, acks_test.go what an ACK does not prove.
package ecds
