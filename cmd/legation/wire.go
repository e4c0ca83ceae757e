package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"legation.dev/watcher/certificates"
	"legation.dev/xds/identity"
)

// wireFlags say how Envoys, replicas and operators connect.
type wireFlags struct {
	tls       string
	plaintext bool
	age       time.Duration
	keep      string        // --certificates
	life      time.Duration // --certificate-life
}

// tlsVariable is the variable that --tls is taken from if it is not given, so that
// commands find it in the pod of 'legation serve'.
const tlsVariable = "LEGATION_TLS"

func (f *wireFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.tls, "tls", os.Getenv(tlsVariable), "folder with tls.crt, tls.key and ca.crt, for mutual TLS with Envoys, replicas and operators; needed unless --listen is a loopback address (default: $"+tlsVariable+")")
	flags.BoolVar(&f.plaintext, "plaintext", false, "listen beyond this machine without TLS: whoever reaches the address can read all private keys")
	flags.StringVar(&f.keep, "certificates", "", "with kube: NAMESPACE/RELEASE of the Secrets that 'legation certs' makes for a release and the classes of --class: those that are missing are made, and the replica that holds the Lease renews them when a third of their life is left (default: somebody else does)")
	flags.DurationVar(&f.life, "certificate-life", certificates.Life, "how long the pairs of --certificates are valid; a kubelet takes up to two minutes to bring a new one to a pod")
	flags.DurationVar(&f.age, "max-connection-age", 30*time.Minute, "after how long, give or take a tenth, an Envoy is made to connect again, so that Envoys spread over replicas; 0 for never")
}

// openFolder reads the folder of --tls; nil if there is none.
func openFolder(path string, log *slog.Logger) (*identity.Folder, error) {
	if path == "" {
		return nil, nil
	}
	folder, err := identity.Open(path, log)
	if err != nil {
		return nil, fmt.Errorf("--tls: %w", err)
	}
	return folder, nil
}

// checkKept says what contradicts --certificates.
func (f *serveFlags) checkKept() error {
	if f.wire.keep == "" {
		return nil
	}
	_, err := namespacedName(f.wire.keep)
	switch {
	case err != nil:
		return fmt.Errorf("--certificates %q: %w", f.wire.keep, err)
	case f.source.source != kubeSource || f.wire.tls == "" || f.publish.leaseName.Name == "" || len(f.source.classes) == 0:
		return fmt.Errorf("--certificates: only with --source %s, --tls, --lease and --class", kubeSource)
	case f.wire.life <= 0:
		return errors.New("--certificate-life must be above zero")
	}
	return nil
}

// openWire opens the folder of --tls. With --certificates this replica keeps the Secrets
// while it leads; and if there are no files yet, the folder has those of the Secret that it
// makes, or another replica: Kubernetes brings them later.
func (f *serveFlags) openWire(ctx context.Context, log *slog.Logger) (*identity.Folder, error) {
	folder, missing := openFolder(f.wire.tls, log)
	if f.wire.keep == "" || missing != nil && !errors.Is(missing, fs.ErrNotExist) {
		return folder, missing
	}
	api, err := f.source.restConfig()
	if err != nil {
		return nil, err
	}
	name, _ := namespacedName(f.wire.keep) // checkKept has read it
	set := certificates.Set{Namespace: name.Namespace, Release: name.Name, Classes: f.source.classes}
	keeper, err := certificates.New(certificates.Config{REST: api, Set: set, Life: f.wire.life, Log: log})
	if err != nil {
		return nil, err
	}
	f.publish.whileLeading = keeper.Run
	if missing == nil {
		return folder, nil
	}
	log.Info("there are no certificates of the wire yet: their Secrets are made, or waited for", "folder", f.wire.tls)
	first, err := keeper.Await(ctx)
	if err != nil {
		return nil, fmt.Errorf("--certificates: %w", err)
	}
	return identity.OpenWith(f.wire.tls, first, log)
}

// allow reports whether an address may be listened at.
func (f *wireFlags) allow(at net.Addr, log *slog.Logger) error {
	a, ok := at.(*net.TCPAddr)
	switch {
	case f.tls != "" && f.plaintext:
		return errors.New("--tls and --plaintext contradict each other")
	case f.tls != "" || ok && a.IP.IsLoopback():
		return nil
	case !f.plaintext:
		return fmt.Errorf("--listen %s can be reached from elsewhere, and the stream carries private keys: --tls is needed (or --plaintext, at your own risk)", at)
	}
	log.Warn("without TLS, whoever reaches this address can read private keys: let only Envoys reach it", "address", at.String())
	return nil
}

// dialCredentials are those with which other replicas are asked.
func dialCredentials(folder *identity.Folder) credentials.TransportCredentials {
	if folder == nil {
		return insecure.NewCredentials()
	}
	return identity.Dial(folder)
}

// maxAge is an age as the server has it, where 0 means its default.
func maxAge(age time.Duration) time.Duration {
	if age == 0 {
		return -1
	}
	return age
}
