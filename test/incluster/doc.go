// Package incluster is the whole of Legation on a real Kubernetes, for tests: the
// API server of test/kube, control planes that follow it, real Envoys on nodes of
// their own, and pods that answer.
//
// A control plane runs in this process, where tests can look into it, or as the
// built binary, which can be killed. What all Envoys run is compared with the
// translation of what the API server holds; nothing waits for time.
//
// Start reading at Start; replica.go has the control planes, envoy.go the Envoys,
// settle.go says when all is as it should be, wire.go how connections are led
// elsewhere, held up and cut. Everything but this comment has the build tag real.
package incluster
