// Package kube runs a real Kubernetes for tests: etcd, kube-apiserver and
// kube-controller-manager as processes, in a network namespace of the test's
// own, without Docker and without images.
//
// A test package calls Main from its TestMain. Start reading at namespace.go, which
// says where it all runs. Everything but this comment has the build tag real.
package kube
