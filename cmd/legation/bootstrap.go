package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/identity"
)

// bootstrapFlags are the flags of `legation bootstrap`.
type bootstrapFlags struct {
	cfg              bootstrap.Config
	memory           string // auto, off or a quantity
	ipv6             string // auto, on or off
	certificate, key string // files
	output, file     string
}

func bootstrapCommand() *cobra.Command {
	f := &bootstrapFlags{}
	c := &cobra.Command{
		Use:   "bootstrap",
		Short: "Print the configuration with which an Envoy of a fleet starts",
		Long: `Prints the bootstrap configuration of one Envoy: where its control plane is, which
IngressClass it serves, and the certificate it presents for names without one of
their own. Everything else comes from 'legation serve'.

A class may name its own default certificate (setting default-tls-secret). Until
it does, the one in the bootstrap answers; it is made anew on each call, unless
--certificate and --key name one. The output therefore contains a private key:
with --file it is written with mode 0600.

All of this holds until Envoy is started again. Beside the listeners of the class
there are two for probes (/ready, and /live, which answers while Envoy drains, too)
and for metrics (/metrics); no limit of connections and no overload closes them.
What an Envoy can hold is checked by 'shutdown-manager check'.`,
		Example: `  # an Envoy on this machine
  legation bootstrap --admin unix:/tmp/envoy-admin.sock > envoy.yaml
  envoy -c envoy.yaml

  # on a node of a cluster
  legation bootstrap --node-id "$POD_NAME" --zone "$ZONE" --class public \
    --xds legation.legation-system:18000 --tls /etc/legation/tls --file /etc/envoy/envoy.yaml`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.register(c)
	return c
}

func (f *bootstrapFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.cfg.NodeID, "node-id", hostname(), "what tells this Envoy from the others of its fleet; a pod's name")
	flags.StringVar(&f.cfg.Class, "class", bootstrap.DefaultClass, "the IngressClass that it serves (node.cluster)")
	flags.StringVar(&f.cfg.Zone, "zone", "", "the zone of the node, as topology.kubernetes.io/zone has it")
	flags.StringVar(&f.ipv6, "ipv6", auto, "on, off, or auto: whether the kernel has IPv6, as this command finds it.\nWith off, bind-addresses: auto of the class is 0.0.0.0 at this Envoy")
	flags.StringVar(&f.cfg.XDSAddress, "xds", bootstrap.DefaultXDSAddress, "host and port of 'legation serve'; all addresses of a name are used")
	flags.StringVar(&f.cfg.Admin, "admin", "unix:/run/legation/envoy-admin.sock",
		"where Envoy's admin interface listens: unix:PATH, or IP:PORT.\nWhoever reaches it can stop Envoy, so a socket that no backend name leads to is best")
	flags.StringVar(&f.cfg.Authz, "authz", "", "where the authorization server of 'shutdown-manager run --authz' is: unix:PATH;\nempty: none, and routes that ask for a password or a service answer 500")
	flags.StringVar(&f.cfg.Health, "health", "", "IP:PORT of /ready and /live, or off\n(default: port 9903 of all addresses, but of loopback alone if --xds is a loopback address)")
	flags.StringVar(&f.cfg.Metrics, "metrics", "", "IP:PORT of /metrics, or off (default: port 9904, as --health)")
	flags.Uint32Var(&f.cfg.MaxConnections, "max-connections", defaultConnections,
		"how many connections of clients Envoy accepts at most; 0: no limit.\nWith the class's connection-budget it must stay below Envoy's open files (ulimit -n)")
	flags.StringVar(&f.memory, "memory-limit", off, "memory that Envoy may use, as Kubernetes writes it (512Mi); near it, Envoy takes less work.\nauto: what the cgroup of this process says, if anything; an init container has a cgroup of its own")
	flags.DurationVar(&f.cfg.Reports, "reports", bootstrap.DefaultReports, "how often Envoy tells the control plane of the traffic to Services ('legation traffic'); 0: never")
	flags.StringVar((*string)(&f.cfg.Upgrades), "upgrades", string(bootstrap.HoldUpgrades), "hold or close: what becomes of WebSockets in a drain, as drain-upgrades of the class\nand --upgrades of shutdown-manager say")
	flags.StringVar(&f.certificate, "certificate", "", "PEM file of the default certificate (default: self-signed)")
	flags.StringVar(&f.key, "key", "", "PEM file of its private key")
	flags.StringVar(&f.cfg.TLS.Folder, "tls", "", "folder with tls.crt, tls.key and ca.crt, as Envoy sees it, for mutual TLS with 'legation serve';\nneeds --file: two small files that Envoy reads, too, are written beside it")
	flags.StringVarP(&f.output, "output", "o", string(bootstrap.YAML), "yaml or json")
	flags.StringVar(&f.file, "file", "", "write to this file, with mode 0600, instead of standard output")
	proposed(c)
}

// proposed are the values of flags that have a few.
func proposed(c *cobra.Command) {
	complete(c, "upgrades", string(bootstrap.HoldUpgrades), string(bootstrap.CloseUpgrades))
	complete(c, "ipv6", auto, on, off)
	complete(c, "output", string(bootstrap.YAML), string(bootstrap.JSON))
}

// noIPv6 reports whether the kernel has no IPv6, as the flag says or as it is here: an init
// container has the network of its pod.
func noIPv6(flag string) (bool, error) {
	switch flag {
	case on, off:
		return flag == off, nil
	case auto:
		l, err := net.Listen("tcp6", "[::]:0")
		if err != nil {
			return true, nil
		}
		return false, l.Close()
	}
	return false, fmt.Errorf("%q: want auto, on or off", flag)
}

// hostname is that of this machine, which in a pod is the pod's name.
func hostname() string {
	if host, err := os.Hostname(); err == nil {
		return host
	}
	return "envoy"
}

// defaultConnections of clients: as many as the class's connection-budget has for
// endpoints by default.
const defaultConnections = 32768

// complete makes the shell propose values for a flag.
func complete(c *cobra.Command, flag string, values ...string) {
	// It fails for a flag that does not exist, or is completed already.
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

func (f *bootstrapFlags) run(c *cobra.Command) error {
	if (f.certificate == "") != (f.key == "") {
		return cli.Usage(c, errors.New("--certificate and --key are needed together"))
	}
	certificate, err := f.readCertificate()
	if err != nil {
		return err
	}
	f.cfg.Certificate = certificate
	if f.cfg.TLS.Folder != "" {
		if err := f.writeSecrets(); err != nil {
			return cli.Usage(c, err)
		}
	}
	f.fillAddresses()
	if f.cfg.MemoryLimit, err = memoryLimit(f.memory, os.DirFS("/sys/fs/cgroup")); err != nil {
		return cli.Usage(c, fmt.Errorf("--memory-limit: %w", err))
	}
	if f.cfg.NoIPv6, err = noIPv6(f.ipv6); err != nil {
		return cli.Usage(c, fmt.Errorf("--ipv6: %w", err))
	}
	b, err := bootstrap.New(f.cfg)
	if err != nil {
		return cli.Usage(c, err)
	}
	text, err := bootstrap.Render(b, bootstrap.Format(f.output))
	if err != nil {
		return cli.Usage(c, err)
	}
	if f.file != "" {
		return cli.WriteFile(f.file, text, 0o600)
	}
	_, err = c.OutOrStdout().Write(text)
	return err
}

// fillAddresses says where probes and metrics are if the flags do not.
func (f *bootstrapFlags) fillAddresses() {
	for address, port := range map[*string]string{&f.cfg.Health: "9903", &f.cfg.Metrics: "9904"} {
		switch *address {
		case off:
			*address = ""
		case "":
			*address = net.JoinHostPort(openTo(f.cfg.XDSAddress), port)
		}
	}
}

// openTo is the address of probes and metrics where none is given: whoever has the control
// plane on a loopback has nobody else who asks for them, either.
func openTo(xds string) string {
	host, _, err := net.SplitHostPort(xds)
	ip, _ := netip.ParseAddr(host)
	switch {
	case err == nil && ip.IsLoopback():
		return host
	case host == "localhost":
		return "127.0.0.1"
	}
	return "0.0.0.0"
}

// writeSecrets writes what Envoy reads beside its bootstrap.
func (f *bootstrapFlags) writeSecrets() (err error) {
	if f.file == "" {
		return errors.New("--tls needs --file")
	}
	if f.cfg.TLS.Folder, err = filepath.Abs(f.cfg.TLS.Folder); err != nil {
		return err
	}
	if f.cfg.TLS.Secrets, err = filepath.Abs(filepath.Dir(f.file)); err != nil {
		return err
	}
	files, err := f.cfg.TLS.Files()
	if err != nil {
		return err
	}
	for _, one := range files {
		if err := cli.WriteFile(filepath.Join(f.cfg.TLS.Secrets, one.Name), one.Text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (f *bootstrapFlags) readCertificate() (identity.Pair, error) {
	if f.certificate == "" {
		return bootstrap.SelfSigned(time.Now())
	}
	chain, err := os.ReadFile(f.certificate)
	if err != nil {
		return identity.Pair{}, fmt.Errorf("--certificate: %w", err)
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return identity.Pair{}, fmt.Errorf("--key: %w", err)
	}
	return identity.Pair{Certificate: chain, Key: key}, nil
}
