package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"legation.dev/cmd/cli"
	"legation.dev/watcher/certificates"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/identity"
)

// certsFlags are the flags of `legation certs`.
type certsFlags struct {
	namespace    string
	release      string
	classes      []string
	life, caLife time.Duration
	ca, caKey    string
	folder       string
}

const certsHelp = `Prints Secrets with a CA and with a pair for the control plane (legation-xds), for the
Envoys of each --class (legation-xds-envoy-CLASS), for operators, who look
(legation-xds-operator), and for approvers, who change what is served
(legation-xds-approver), by the names that the chart expects for a --release called
legation. What is mounted from such a Secret is what --tls of 'legation serve' and
'legation bootstrap' want. All of them contain private keys.

One more, legation-session-tickets, has the key that the keys of TLS session tickets
are made of: what the setting session-ticket-secret of each class names in the chart.
It may be replaced at any time; clients then make one full handshake. With --folder it
is not made.

A URI in a certificate says who its owner is:

  spiffe://legation.dev/control-plane   a replica of 'legation serve'
  spiffe://legation.dev/fleet/CLASS     an Envoy with --class CLASS
  spiffe://legation.dev/operator        a person with grpcurl
  spiffe://legation.dev/approver        a person who may approve, pause and resume, too

In a cluster 'legation serve --certificates', which the chart has by default, makes the
same and renews it before it ends. Elsewhere nobody does: print it again before it ends,
with --ca and --ca-key, and apply it: both ends read the files again, and no stream is
dropped. Or let cert-manager make the same: an Issuer of a CA, and Certificates with these uris,
usages "client auth" and "server auth", and algorithm ECDSA. When a certificate has
ended, those that are connected stay connected, and traffic goes on in any case; but
no Envoy can connect anew. The metric legation_xds_certificate_end_timestamp_seconds
says when, and the log from 30 days before.

What clients of TLS are shown, which has nothing to do with these, 'legation certs list'
lists.

To replace the CA, have both ends trust both first: put the old and the new
certificate into ca.crt, then replace the pairs, then take out the old one.`

func certsCommand() *cobra.Command {
	f := &certsFlags{}
	c := &cobra.Command{
		Use:   "certs",
		Short: "Make certificates for the connection between Envoys and the control plane",
		Long:  certsHelp,
		Example: `  legation certs --namespace legation-system --class public | kubectl apply -f -
  legation certs --class edge --folder ./certs    # ./certs/legation-xds/tls.crt ...

  # renew the pairs, with the same CA
  legation certs --namespace legation-system --class public --ca ca.crt --ca-key ca.key | kubectl apply -f -`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	c.AddCommand(certsListCommand(), certsShowCommand())
	const day = 24 * time.Hour
	flags := c.Flags()
	flags.StringVar(&f.namespace, "namespace", "", "namespace of the Secrets (default: none)")
	flags.StringVar(&f.release, "release", "legation", "what the names of the Secrets begin with: that of the chart's objects, RELEASE if it contains legation, else RELEASE-legation")
	flags.StringSliceVar(&f.classes, "class", []string{bootstrap.DefaultClass}, "IngressClasses whose Envoys get a pair")
	flags.DurationVar(&f.life, "life", 365*day, "how long the pairs are valid, but no longer than the CA")
	flags.DurationVar(&f.caLife, "ca-life", 10*365*day, "how long a new CA is valid")
	flags.StringVar(&f.ca, "ca", "", "PEM file of the certificate of a CA to use (default: a new one is made and printed)")
	flags.StringVar(&f.caKey, "ca-key", "", "PEM file of its private key")
	flags.StringVar(&f.folder, "folder", "", "write the files there, in a folder for each Secret, instead of printing Secrets")
	return c
}

func (f *certsFlags) run(c *cobra.Command) error {
	if err := f.check(); err != nil {
		return cli.Usage(c, err)
	}
	now := time.Now()
	secrets, err := f.secrets(now)
	if err != nil {
		return err
	}
	if f.folder != "" {
		return writeFolders(f.folder, secrets)
	}
	seed, err := f.sessionTickets(now)
	if err != nil {
		return err
	}
	secrets = append(secrets, seed)
	for _, s := range secrets {
		text, err := yaml.Marshal(s)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c.OutOrStdout(), "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

func (f *certsFlags) check() error {
	if (f.ca == "") != (f.caKey == "") {
		return errors.New("--ca and --ca-key are needed together")
	}
	if f.life <= 0 || f.caLife <= 0 {
		return errors.New("--life and --ca-life must be above zero")
	}
	for _, class := range f.classes {
		if errs := validation.IsDNS1123Subdomain(class); len(errs) > 0 {
			return fmt.Errorf("--class %q: %s", class, errs[0])
		}
	}
	if errs := validation.IsDNS1123Label(f.release); len(errs) > 0 {
		return fmt.Errorf("--release %q: %s", f.release, errs[0])
	}
	if errs := validation.IsDNS1123Label(f.namespace); f.namespace != "" && len(errs) > 0 {
		return fmt.Errorf("--namespace %q: %s", f.namespace, errs[0])
	}
	return nil
}

// set is which Secrets are made.
func (f *certsFlags) set() certificates.Set {
	return certificates.Set{Namespace: f.namespace, Release: f.release, Classes: f.classes}
}

// secrets are a pair for each who needs one, and the CA if it is new.
func (f *certsFlags) secrets(now time.Time) (list []*corev1.Secret, err error) {
	authority, err := f.authority(now)
	if err != nil {
		return nil, err
	}
	set := f.set()
	if f.ca == "" {
		list = append(list, set.Secret(set.Authority(), authority.Pair, authority.Certificate))
	}
	for _, o := range set.Owners() {
		pair, err := authority.Issue(o.Name, now, f.life)
		if err != nil {
			return nil, err
		}
		list = append(list, set.Secret(o.Secret, pair, authority.Certificate))
	}
	return list, nil
}

func (f *certsFlags) authority(now time.Time) (*identity.Authority, error) {
	if f.ca == "" {
		return identity.NewAuthority(now, f.caLife)
	}
	certificate, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	key, err := os.ReadFile(f.caKey)
	if err != nil {
		return nil, fmt.Errorf("--ca-key: %w", err)
	}
	a, err := identity.ReadAuthority(identity.Pair{Certificate: certificate, Key: key})
	if err != nil {
		return nil, fmt.Errorf("--ca and --ca-key: %w", err)
	}
	return a, nil
}

// sessionTickets is the Secret of the keys of session tickets. Its certificate, which the
// kind of Secret wants, is signed by itself: one of the CA might be taken for a name.
func (f *certsFlags) sessionTickets(now time.Time) (*corev1.Secret, error) {
	pair, err := bootstrap.SelfSigned(now)
	if err != nil {
		return nil, err
	}
	return f.set().Secret(f.set().Tickets(), pair, nil), nil
}

// writeFolders writes the files of each Secret, each file at once: whoever watches a
// folder sees it whole.
func writeFolders(dir string, secrets []*corev1.Secret) error {
	for _, s := range secrets {
		folder := filepath.Join(dir, s.Name)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		for _, name := range []string{identity.CAFile, identity.KeyFile, identity.CertificateFile} {
			path := filepath.Join(folder, name)
			if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, s.Data[name]) {
				continue
			}
			if err := cli.WriteFile(path, s.Data[name], 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}
