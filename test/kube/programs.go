//go:build real

package kube

import (
	"path/filepath"
)

// Addresses of the programs. Nobody else is in the namespace, so they are fixed,
// and there is one Cluster at a time.
const (
	etcdClients      = "http://127.0.0.1:2379"
	etcdPeers        = "http://127.0.0.1:2380"
	APIServerAddress = "127.0.0.1:6443"
	apiServerPort    = "6443"
	controllersPort  = "10257"
	// advertised is of PodRange, which loopback must not be; pods that are run reach the API server there.
	advertised = "10.244.0.1"
	// serviceRange is where ClusterIPs come from, of both families. They are not routed.
	serviceRange = "10.96.0.0/16,fd00:10:96::/108"
)

// controllers are those that tests need: no scheduler and no garbage of a cloud.
const controllers = "deployment-controller,replicaset-controller,daemonset-controller,endpointslice-controller,namespace-controller," +
	"serviceaccount-controller,serviceaccount-token-controller,root-ca-certificate-publisher-controller,garbage-collector-controller"

// Files in a Cluster's directory: certificate and key of each name.
const (
	certAuthority      = "ca"
	certAPIServer      = "apiserver"
	certServiceAccount = "serviceaccount"
	kubeconfigFile     = "admin.kubeconfig"
)

func (c *Cluster) process(name string, flags ...string) *Process {
	return &Process{name: name, args: c.programs.command(name, flags...), log: filepath.Join(c.dir, name+".log")}
}

func (c *Cluster) etcd() *Process {
	return c.process("etcd",
		"--data-dir="+filepath.Join(c.dir, "etcd"),
		"--listen-client-urls="+etcdClients, "--advertise-client-urls="+etcdClients,
		"--listen-peer-urls="+etcdPeers, "--initial-advertise-peer-urls="+etcdPeers, "--initial-cluster=default="+etcdPeers,
		"--unsafe-no-fsync", // a power cut is not among the tests
		"--auto-compaction-retention=5m",
		"--log-level=warn",
	)
}

func (c *Cluster) apiServer() *Process {
	return c.process("kube-apiserver",
		"--etcd-servers="+etcdClients,
		"--bind-address=0.0.0.0", "--secure-port="+apiServerPort, "--advertise-address="+advertised,
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range="+serviceRange,
		"--authorization-mode=RBAC",
		"--client-ca-file="+c.certificate(certAuthority),
		"--tls-cert-file="+c.certificate(certAPIServer), "--tls-private-key-file="+c.key(certAPIServer),
		"--kubelet-certificate-authority="+c.certificate(certAuthority), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate="+c.certificate(certAPIServer), "--kubelet-client-key="+c.key(certAPIServer),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.certificate(certServiceAccount), "--service-account-signing-key-file="+c.key(certServiceAccount),
	)
}

func (c *Cluster) controllerManager() *Process {
	return c.process("kube-controller-manager",
		"--kubeconfig="+filepath.Join(c.dir, kubeconfigFile),
		"--bind-address=127.0.0.1", "--secure-port="+controllersPort,
		"--cert-dir="+filepath.Join(c.dir, "controllers"),
		"--controllers="+controllers,
		"--leader-elect=false",
		"--root-ca-file="+c.certificate(certAuthority),
		"--service-account-private-key-file="+c.key(certServiceAccount),
		"--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-service-endpoint-syncs=10",
	)
}

func (c *Cluster) certificate(name string) string { return filepath.Join(c.dir, name+".crt") }

func (c *Cluster) key(name string) string { return filepath.Join(c.dir, name+".key") }
