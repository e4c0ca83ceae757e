// Package source tests watcher/kube against a real API server: that what it
// hands out is what the API server has, and what a folder of the same objects has, after random changes, outages and lost
// rights, with no more rights and no more memory than it should need. There is no
// Envoy in it; test/incluster has the whole.
//
// Start reading at replica_test.go.
package source
