package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"legation.dev/examples"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/fleet"
	"legation.dev/xds/server"
	"legation.dev/xds/store"
)

// shutdownTime is how long clients that do not read may hold up the end: Envoys
// leave at once.
const shutdownTime = time.Second

// folderSource begins a --source that is a folder of manifests.
const folderSource = "dir:"

// serveFlags are the flags of `legation serve`.
type serveFlags struct {
	source, listen      string
	logFormat, logLevel string
	history             int
}

func serveCommand() *cobra.Command {
	f := &serveFlags{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Translate a source of Ingresses and serve its Envoys",
		Long: `Reads Ingress, IngressClass, Service, EndpointSlice, Secret and ConfigMap objects
from a source, follows their changes, and serves each Envoy that connects what the
IngressClass in its node.cluster needs.

The source dir:PATH is a folder of manifests (.yaml, .yml, .json, also in folders
below). Files may be edited while it runs; one that is being written, or does not
parse, keeps what it last said. A folder without any IngressClass is served as
class "legation", for all Ingresses that name no class. Without --source it is a
copy of the built-in example, in a temporary folder that the log names.

Without flags it listens on this machine only: the stream carries private keys,
and whoever can open it can read them. What is wrong with an object is logged
with its file and field. SIGTERM ends the streams, and Envoys go on with what
they have.`,
		Example: `  legation serve
  legation serve --source dir:examples/shop
  legation serve --source dir:/etc/ingress --listen 127.0.0.1:18001 --log-format json

  # what is served, and what each Envoy has acknowledged
  grpcurl -plaintext 127.0.0.1:18000 list
  grpcurl -plaintext 127.0.0.1:18000 envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	flags := c.Flags()
	flags.StringVar(&f.source, "source", "", "where the objects are: dir:PATH (default: a built-in example)")
	flags.StringVar(&f.listen, "listen", bootstrap.DefaultXDSAddress, "host and port to serve Envoys and grpcurl at")
	flags.IntVar(&f.history, "history", store.DefaultHistory, "how many versions of each fleet are kept for late Envoys")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	complete(c, "log-format", "text", "json")
	complete(c, "log-level", "debug", "info", "warn", "error")
	return c
}

func (f *serveFlags) run(c *cobra.Command) error {
	log, err := newLog(c.ErrOrStderr(), f.logFormat, f.logLevel)
	if err != nil {
		return usage(c, err)
	}
	if path, ok := strings.CutPrefix(f.source, folderSource); f.source != "" && (!ok || path == "") {
		return usage(c, fmt.Errorf("--source %q: want %sPATH", f.source, folderSource))
	}
	path, remove, err := f.folder(log)
	if err != nil {
		return err
	}
	defer remove()
	source, err := dir.Open(path)
	if err != nil {
		return fmt.Errorf("--source: %w", err)
	}
	defer source.Close()
	listener, err := new(net.ListenConfig).Listen(c.Context(), "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if a, ok := listener.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		log.Warn("whoever reaches this address can read private keys: let only Envoys reach it", "address", a.String())
	}
	log.Info("serving", "address", listener.Addr().String(), "source", f.source, "version", version())
	return serve(c.Context(), source, listener, f.history, log)
}

// folder is the folder of --source; remove is to be called at the end.
func (f *serveFlags) folder(log *slog.Logger) (path string, remove func(), err error) {
	if f.source != "" {
		return strings.TrimPrefix(f.source, folderSource), func() {}, nil
	}
	path, err = os.MkdirTemp("", "legation-example-")
	if err != nil {
		return "", nil, err
	}
	f.source = folderSource + path
	remove = func() { _ = os.RemoveAll(path) } // it is the system's temporary folder
	if err := os.CopyFS(path, examples.Shop()); err != nil {
		remove()
		return "", nil, err
	}
	log.Info("no --source is given: serving the built-in example, which may be edited", "folder", path)
	return path, remove, nil
}

func newLog(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format %q: want text or json", format)
}

// serve runs until ctx ends, which is no error, or one of its parts fails. It
// closes listener, and all that it started has ended when it returns.
func serve(ctx context.Context, source translator.Source, listener net.Listener, history int, log *slog.Logger) error {
	standIn, err := standInCertificate()
	if err != nil {
		return err
	}
	snapshots, fleets := store.New(store.Config{History: history}), fleet.New(fleet.Config{})
	xds := server.New(server.Config{Store: snapshots, Fleets: fleets, Log: log})
	watch := newProblemLog(log, fleets)
	loop := &translator.Loop{Source: source, StandIn: standIn, Report: watch.report,
		Publish: publisher(snapshots, log)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return unlessEnded(ctx, loop.Run(ctx)) })
	g.Go(func() error { watch.run(ctx); return nil })
	g.Go(func() error { return xds.Serve(listener) })
	g.Go(func() error {
		<-ctx.Done()
		log.Info("shutting down")
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		xds.Shutdown(limit)
		return nil
	})
	return g.Wait()
}

// unlessEnded is err, unless it comes from the end of ctx.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// standInCertificate is what answers for hosts whose Secret never was there.
func standInCertificate() (*input.Secret, error) {
	c, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		return nil, err
	}
	return input.Seal(&input.Secret{Meta: input.Meta{Name: "stand-in"}, Certificate: c.Chain, Key: c.Key}), nil
}
