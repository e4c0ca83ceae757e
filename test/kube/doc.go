// Package kube runs a real Kubernetes for tests: etcd, kube-apiserver and
// kube-controller-manager as processes, in a network namespace of the test's
// own, without Docker and without images.
//
// It fakes one part only, the kubelet: pods are HTTP servers in the test's own
// process, on addresses that the cluster gives them. There is no scheduler and
// no kube-proxy, so ClusterIPs are allocated and lead nowhere.
//
// A test package calls Main from its TestMain, and Start in a test. Start
// reading at cluster.go; namespace.go says where it all runs, kubelet.go what
// a pod is. Everything but this comment has the build tag real.
package kube
