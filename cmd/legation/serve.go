package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"legation.dev/cmd/cli"
	"legation.dev/state"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/history"
	"legation.dev/xds/identity"
)

// serveFlags are the flags of `legation serve`.
type serveFlags struct {
	source              sourceFlags
	publish             publishFlags
	state               stateFlags
	listen, admin       string
	debug               string // socket
	peers               string
	wire                wireFlags
	page                pageFlags
	logFormat, logLevel string
	history             historyKept
}

// defaultAdminAddress is where probes and Prometheus ask, unless told otherwise.
const defaultAdminAddress = "127.0.0.1:18080"

func serveCommand() *cobra.Command {
	f := &serveFlags{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Translate a source of Ingresses and serve its Envoys",
		Long: `Reads Ingress, IngressClass, Service, EndpointSlice, Secret and ConfigMap objects
from a source, follows their changes, and serves each Envoy that connects what the
IngressClass in its node.cluster needs.

The source kube is a Kubernetes API server, found as kubectl finds it, or by the
service account of the pod. Secrets are read only where an Ingress names them. While
the API server is gone, or refuses, what was read is served on. One replica, which
holds the Lease of --lease, writes the addresses of Ingresses (--publish-...) into
their status, and Events on objects that something is wrong with. Nothing else is
written.

The source dir:PATH is a folder of manifests (.yaml, .yml, .json, also in folders
below). Files may be edited while it runs; one that is being written, or does not
parse, keeps what it last said, and so does a folder without a single one. Without any
IngressClass it is served as class "legation", for all Ingresses that name no class.

Without --source it is kube inside a cluster or with --kubeconfig, and else a copy
of the built-in example, in a temporary folder that the log names.

The stream to Envoys carries private keys. So, but for loopback addresses, both ends
prove who they are by mutual TLS: --tls names a folder with tls.crt, tls.key and
ca.crt, which 'legation certs' makes, or cert-manager; they are read again when they
change, and nobody is disconnected. With --certificates it makes and renews them itself,
as Secrets. The URI spiffe://legation.dev/fleet/CLASS in its certificate makes a client an
Envoy of that class; 'legation certs --help' has the other names. Without flags it
listens on this machine only.

What is wrong with an object is logged with its field. Nothing is served before the source was read in full and had a class of ours:
/readyz at the address of --admin says what it waits for, and /metrics is there too.
SIGTERM ends the streams, and Envoys go on with what they have.

With --state, what is served is kept in a folder. A process that is started there goes
on from it: a class that was deleted meanwhile is frozen, and settings that were made
wrong are not used, as if it had run all the time. While the source cannot be read,
Envoys that start are served what was kept, after --cold-start-after; others keep what
they have. 'legation history' and 'legation diff' know of the versions of earlier processes.`,
		Example: `  legation serve
  legation serve --source dir:examples/shop
  legation serve --source dir:/etc/ingress --listen 127.0.0.1:18001 --log-format json
  legation serve --source kube --kubeconfig ~/.kube/config --class edge --namespaces shop,blog
  legation serve --listen :18000 --tls /etc/legation/tls --peers legation-replicas:18000
  legation serve --state /var/lib/legation --state-key /etc/legation/state.key
  legation serve --publish-service legation/envoy --publish-address internal=10.0.0.7,lb.internal
  curl http://127.0.0.1:18080/readyz

  # what is served, and what each Envoy has acknowledged
  grpcurl -plaintext 127.0.0.1:18000 list
  grpcurl -plaintext 127.0.0.1:18000 envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.register(c)
	return c
}

func (f *serveFlags) register(c *cobra.Command) {
	flags := c.Flags()
	f.source.register(c)
	f.publish.register(flags)
	f.state.register(flags)
	f.wire.register(flags)
	flags.StringVar(&f.listen, "listen", bootstrap.DefaultXDSAddress, "host and port to serve Envoys and grpcurl at")
	f.registerAdmin(flags)
	f.page.register(flags)
	flags.StringVar(&f.peers, "peers", "", "host and port of all replicas, each address of the host being one (a headless Service), to ask what their Envoys run and, with --tls, what they serve and hold (default: there are no others)")
	f.history.register(flags)
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	complete(c, "log-format", "text", "json")
	complete(c, "log-level", "debug", "info", "warn", "error")
}

func (f *serveFlags) registerAdmin(flags *pflag.FlagSet) {
	flags.StringVar(&f.admin, "admin", defaultAdminAddress, "host and port of /livez, /readyz and /metrics over HTTP; empty for none")
	flags.StringVar(&f.debug, "debug-socket", "", "path of a Unix socket, for its owner only, that `legation debug` asks for the level of the log and for profiles (default: none)")
}

// check reads the values and says what contradicts.
func (f *serveFlags) check(flags *pflag.FlagSet) error {
	if err := f.source.check(flags, "kubeconfig", "context", "namespaces", "class"); err != nil {
		return err
	}
	if err := f.publish.check(flags, f.source.source, f.source.classes); err != nil {
		return err
	}
	if err := f.checkKept(); err != nil {
		return err
	}
	if err := errors.Join(f.page.check(), f.history.check()); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(f.peers); f.peers != "" && err != nil {
		return fmt.Errorf("--peers: %w", err)
	}
	return f.state.check(flags)
}

func (f *serveFlags) run(c *cobra.Command) error {
	log, level, err := newLog(c.ErrOrStderr(), f.logFormat, f.logLevel)
	if err != nil {
		return cli.Usage(c, err)
	}
	if err := f.check(c.Flags()); err != nil {
		return cli.Usage(c, err)
	}
	folder, err := f.openWire(c.Context(), log)
	if err != nil {
		return unlessEnded(c.Context(), err)
	}
	book := f.history.book()
	stored, last, err := f.openPast(c.Context(), folder, book, log)
	if err != nil {
		return unlessEnded(c.Context(), err)
	}
	source, err := f.source.open(last.view, log)
	if err != nil {
		return err
	}
	defer source.close()
	listener, err := new(net.ListenConfig).Listen(c.Context(), "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if err := f.wire.allow(listener.Addr(), log); err != nil {
		return cli.Usage(c, errors.Join(err, listener.Close()))
	}
	admin, err := listenAdmin(c.Context(), f.admin)
	debug, wrong := listenDebug(c.Context(), f.debug)
	page, amiss := f.page.listen(c.Context(), folder != nil)
	if err = errors.Join(err, wrong, amiss); err != nil {
		return errors.Join(err, listener.Close())
	}
	log.Info("serving", "address", listener.Addr().String(), "source", f.source.source, "version", cli.Version())
	return (&serving{source: source, stored: stored, last: last, identity: f.source.identity(), publish: f.publish, namespaces: f.source.namespaces, controllers: f.source.controllers, allowEmpty: f.source.allowEmpty,
		xds: listener, admin: admin, debug: debug, page: page, pageFlags: f.page, peers: f.peers, folder: folder, age: f.wire.age, history: f.history.versions, book: book, log: log, level: level}).run(c.Context())
}

// openPast opens the folder of --state, and finds out what this process goes on from.
func (f *serveFlags) openPast(ctx context.Context, folder *identity.Folder, book *history.Book, log *slog.Logger) (*stored, past, error) {
	s, err := f.state.open(&f.source, state.Config{Log: log, Book: book, HistoryBytes: f.history.bytes})
	if err != nil {
		return nil, past{}, err
	}
	last, err := f.begin(ctx, folder, s, log)
	return s, last, err
}

// listenAdmin listens for probes; nil if there is no address.
func listenAdmin(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	return l, nil
}

// listenDebug listens on a socket that only its owner may use; nil if there is no path. A
// socket that a process left behind is taken over.
func listenDebug(ctx context.Context, path string) (net.Listener, error) {
	if path == "" {
		return nil, nil
	}
	if at, err := os.Lstat(path); err == nil && at.Mode().Type() == os.ModeSocket {
		_ = os.Remove(path) // Listen says what is wrong
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("--debug-socket: %w", err)
	}
	return l, nil
}

// newLog makes the log, with the level that can be changed later.
func newLog(w io.Writer, format, level string) (*slog.Logger, *slog.LevelVar, error) {
	least := new(slog.LevelVar)
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), least, nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), least, nil
	}
	return nil, nil, fmt.Errorf("--log-format %q: want text or json", format)
}
