// Package oracle asks the real ingress-nginx what Legation is asked, and compares. It has
// tests only (build tag real), and runs on Debian: `make oracle`.
//
// The controller is that of version 1.11 on the Go module proxy; nginx and the modules
// that it loads are Debian's; Lua modules that Debian has not are ours (folder lua). It
// all runs in the namespaces of test/kube, on an API server of our own, so that Ingresses
// are as old as a test says.
//
// TestCases asks it the cases of test/nginx: those that were handed, which are of 1.15.1
// and win where the two differ, and our own, whose answers -update writes.
//
// TestWorlds draws Ingresses with annotations, and requests near their rules, from a seed,
// and asks both. What differs must be one of nginx.Differences, each of which may be true
// of one in twenty of the equal answers at most.
//
// Start reading at TestWorlds; worlds.go has what is drawn, oracle.go how the controller is
// started.
package oracle
