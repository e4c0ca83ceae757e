// Package kube runs a real Kubernetes for tests: etcd, kube-apiserver and
// kube-controller-manager as processes, in a network namespace of the test's
// own, without Docker and without a registry. There is no scheduler and no
// kube-proxy; the DNS (dns.go) and the kubelet are ours. Its pods are servers in this process, but for
// those of Options.Images and of what is loaded, which are run: network, volumes, user and processes are
// those that the pod says (sandbox.go, member.go, container.go). Of such a pod it knows
// init containers, commands, variables, volumes of Secrets, ConfigMaps and tokens and
// empty ones, readiness and liveness, preStop commands, SIGTERM, SIGKILL at the end of
// the grace period, termination messages, ports of the node, and what the API server passes on:
// exec, port-forward and logs (streams.go). It holds nobody to
// limits; a pod that wants anything else is not started, and its status says why.
//
// A test package calls MainWithCluster from its TestMain, and its tests make
// namespaces of their own in the cluster:
//
//	var cluster *kube.Cluster
//
//	func TestMain(m *testing.M) { kube.MainWithCluster(m, &cluster, kube.Options{}) }
//
//	func TestSomething(t *testing.T) {
//		ctx, namespace := t.Context(), cluster.Namespace(t)
//		deployment, service := kube.Web(namespace, "web", 3, time.Second)
//		if err := cluster.Apply(ctx, deployment, service); err != nil { ... }
//		if err := cluster.AwaitReady(ctx, deployment); err != nil { ... }
//	}
//
// Start reading at cluster.go; namespace.go says where it all runs, kubelet.go
// what a pod is. Everything but this comment has the build tag real.
package kube
