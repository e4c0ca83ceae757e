//go:build real

package kube

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// pollEvery is the pause between two looks at what has no watch: whether a
// program is ready.
const pollEvery = 20 * time.Millisecond

// Options of a Cluster. The zero Options are useful.
type Options struct {
	// Dir gets certificates, logs and etcd's data; empty means a temporary
	// directory that Close removes.
	Dir string
	// Nodes is how many there are; 0 means 2.
	Nodes int
	// Images are those, by repository, whose pods are run for real: their processes,
	// in namespaces of their own. Load adds images. All other pods are played by servers of test/echo.
	Images map[string]Image
}

// Cluster is a running Kubernetes. Its methods may be called from any goroutine,
// those of each Process from one at a time.
type Cluster struct {
	// Etcd, APIServer and ControllerManager can be killed and started again, each
	// on the data it had.
	Etcd, APIServer, ControllerManager *Process

	options   Options
	dir       string
	remove    bool // dir is ours
	programs  programs
	authority *authority
	admin     *rest.Config
	client    kubernetes.Interface
	dynamic   dynamic.Interface
	dns       *dns     // nil before it answers
	kubelet   *kubelet // nil before it runs
}

// Start starts a cluster and waits until it is ready: controllers work, nodes are
// there. Who calls Start calls Close. Main must have been called by TestMain, and
// there is one Cluster at a time.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Nodes == 0 {
		o.Nodes = 2
	}
	if os.Getenv(inside) == "" {
		return nil, errors.New("a Cluster needs the namespaces of kube.Main")
	}
	c := &Cluster{options: o}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	c.Etcd, c.APIServer, c.ControllerManager = c.etcd(), c.apiServer(), c.controllerManager()
	for _, p := range []*Process{c.Etcd, c.APIServer} {
		if err := p.Start(); err != nil {
			return err
		}
	}
	if err := c.WaitReady(ctx); err != nil {
		return err
	}
	if err := c.ControllerManager.Start(); err != nil {
		return err
	}
	var err error
	if c.dns, err = startDNS(c.client); err != nil {
		return fmt.Errorf("starting the DNS: %w", err)
	}
	if err := c.startKubelet(ctx); err != nil {
		return err
	}
	// The controllers work when a namespace has got its account.
	if err := c.awaitAccount(ctx, "default"); err != nil {
		return c.ControllerManager.failure(err)
	}
	return nil
}

// prepare finds the programs, writes certificates and makes clients.
func (c *Cluster) prepare() (err error) {
	if c.programs, err = findPrograms(); err != nil {
		return err
	}
	if c.dir, err = filepath.Abs(c.options.Dir); c.options.Dir == "" {
		c.remove = true
		c.dir, err = os.MkdirTemp("", "kube")
	}
	if err != nil {
		return err
	}
	if err := c.writeCertificates(); err != nil {
		return err
	}
	if c.admin, err = c.User("admin", "system:masters"); err != nil {
		return err
	}
	if c.client, err = kubernetes.NewForConfig(c.admin); err != nil {
		return err
	}
	if c.dynamic, err = dynamic.NewForConfig(c.admin); err != nil {
		return err
	}
	return WriteKubeconfig(filepath.Join(c.dir, kubeconfigFile), c.admin)
}

func (c *Cluster) writeCertificates() (err error) {
	if c.authority, err = newAuthority(); err != nil {
		return err
	}
	if err := os.WriteFile(c.certificate(certAuthority), c.authority.pem, 0o600); err != nil {
		return err
	}
	if err := c.authority.write(c.dir, certAPIServer, pkix.Name{CommonName: "kube-apiserver"}, net.IPv4(127, 0, 0, 1), net.ParseIP(advertised)); err != nil {
		return err
	}
	return c.authority.write(c.dir, certServiceAccount, pkix.Name{CommonName: "service-accounts"})
}

// WaitReady waits until the API server is ready, etcd included. It fails when ctx
// ends before, or one of the two ends by itself.
func (c *Cluster) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		_, err := c.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		for _, p := range []*Process{c.Etcd, c.APIServer} {
			if !p.Running() {
				return p.failure(fmt.Errorf("it does not run: %w", err))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return c.APIServer.failure(fmt.Errorf("%w: %w", ctx.Err(), err))
		}
	}
}

// REST is who may do everything (system:masters).
func (c *Cluster) REST() *rest.Config { return rest.CopyConfig(c.admin) }

// Client is a client that may do everything.
func (c *Cluster) Client() kubernetes.Interface { return c.client }

// User is a user with a client certificate, for tests of RBAC.
func (c *Cluster) User(name string, groups ...string) (*rest.Config, error) {
	t := template(pkix.Name{CommonName: name, Organization: groups})
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	cert, key, err := c.authority.sign(t)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	config := c.anonymous()
	config.CertData, config.KeyData = cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return config, nil
}

// anonymous is nobody yet.
func (c *Cluster) anonymous() *rest.Config {
	return &rest.Config{
		Host:            "https://" + APIServerAddress,
		QPS:             -1,                // not limited
		WarningHandler:  rest.NoWarnings{}, // what is deprecated is tested, too
		TLSClientConfig: rest.TLSClientConfig{CAData: c.authority.pem},
	}
}

// WriteKubeconfig writes a kubeconfig with one context, for a process that is
// given a file.
func WriteKubeconfig(path string, c *rest.Config) error {
	const name = "test"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData, Token: c.BearerToken}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}

// Close ends everything. The error says that a program had ended by itself and
// was not started again, with its last words.
func (c *Cluster) Close() error {
	if c.kubelet != nil {
		c.kubelet.close()
	}
	var errs []error
	if c.dns != nil {
		errs = append(errs, c.dns.close())
	}
	for _, p := range []*Process{c.ControllerManager, c.APIServer, c.Etcd} {
		if p != nil {
			errs = append(errs, p.died(), p.Kill()) // nothing of it is needed any more
		}
	}
	if c.remove {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}
