package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"legation.dev/cmd/reach"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/identity"
)

// clusterFlags say which cluster is meant, as for kubectl.
type clusterFlags struct{ kubeconfig, context string }

func (f *clusterFlags) registerCluster(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "the file that says where the API server is and who we are (default: $KUBECONFIG, ~/.kube/config)")
	flags.StringVar(&f.context, "context", "", "the context of the kubeconfig (default: its current one)")
}

// reachFlags say which Legation is asked, and by whom.
type reachFlags struct {
	clusterFlags
	address, tls       string
	namespace, release string
	role               string // whose certificate is taken; empty: an operator's
}

// registerWhere registers them.
func (f *reachFlags) registerWhere(c *cobra.Command) {
	f.registerInstallation(c)
	f.registerCluster(c)
}

// registerInstallation is registerWhere without those flags that a command has in any case
// which reads objects from an API server.
func (f *reachFlags) registerInstallation(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.address, "address", "", "host and port of 'legation serve' (default: "+bootstrap.DefaultXDSAddress+" if somebody listens there, or --tls is given, else the control plane in the cluster, through a port-forward)")
	flags.StringVar(&f.tls, "tls", os.Getenv(tlsVariable), "folder with tls.crt, tls.key and ca.crt of an operator, or of 'legation serve' itself, if that has one (default: $"+tlsVariable+"; in the cluster, the Secret RELEASE-xds-operator)")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "namespace of the control plane in the cluster (default: whichever has one)")
	flags.StringVar(&f.release, "release", "", "release of the chart, if there are several in the namespace")
}

// way is how a running Legation is reached.
type way struct {
	address string
	name    string           // for people
	folder  *identity.Folder // nil: no TLS
	close   func()
}

// way decides who is asked: who was named; else, who listens on this machine; else, the
// control plane of the cluster that kubectl would ask.
func (f *reachFlags) way(ctx context.Context, c *cobra.Command) (way, error) {
	folder, err := openFolder(f.tls, slog.New(slog.DiscardHandler))
	if err != nil {
		return way{}, err
	}
	direct := way{address: f.address, name: f.address, folder: folder, close: func() {}}
	if f.address != "" {
		return direct, nil
	}
	direct.address, direct.name = bootstrap.DefaultXDSAddress, bootstrap.DefaultXDSAddress
	named := f.wantsCluster(c.Flags()) || isPlugin(c)
	if !named && (f.tls != "" || listens(ctx, direct.address)) {
		return direct, nil
	}
	found, err := f.installation(ctx)
	switch {
	case clientcmd.IsEmptyConfig(err) && !named:
		return direct, nil // whose error is what there is to say
	case clientcmd.IsEmptyConfig(err):
		return way{}, errNoCluster
	case err != nil:
		return way{}, err
	}
	return f.through(ctx, found, folder)
}

// wantsCluster reports whether a flag says that it is in a cluster.
func (f *reachFlags) wantsCluster(flags *pflag.FlagSet) bool {
	return flags.Changed("kubeconfig") || flags.Changed("context") || flags.Changed("namespace") || flags.Changed("release")
}

// listens reports whether somebody listens on this machine.
func listens(ctx context.Context, address string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was said
	return true
}

// installation is the one in the cluster.
func (f *reachFlags) installation(ctx context.Context) (*reach.Installation, error) {
	config, namespace, err := f.config()
	if err != nil {
		return nil, err
	}
	return reach.Cluster{REST: config, Namespace: f.namespace, Release: f.release, Fallback: namespace}.Find(ctx)
}

// through opens the port-forward, with a folder of our own or the certificate that is there.
func (f *reachFlags) through(ctx context.Context, to *reach.Installation, folder *identity.Folder) (way, error) {
	if folder == nil {
		role := f.role
		if role == "" {
			role = "operator"
		}
		pair, err := to.Pair(ctx, role)
		if err != nil {
			return way{}, err
		}
		if folder, err = identity.Of(pair.Certificate, pair.Key, pair.CA); err != nil {
			return way{}, fmt.Errorf("the certificate of an %s: %w", role, err)
		}
	}
	// The forward outlives the bound of a call: what follows may last, and close ends it.
	forwarding, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	address, end, err := to.Forward(forwarding)
	stop()
	if err != nil {
		cancel()
		return way{}, err
	}
	return way{address: address, name: "the control plane " + to.String(), folder: folder, close: func() { end(); cancel() }}, nil
}
