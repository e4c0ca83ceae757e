package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"legation.dev/object"
	"legation.dev/watcher/drains"
	"legation.dev/watcher/status"
)

// publishFlags say what is written to Kubernetes.
type publishFlags struct {
	lease                      string
	services, nodes, addresses []string
	drains                     []string
	takeOver                   bool

	// What check made of them.
	leaseName types.NamespacedName // empty: nothing is written
	sources   map[string]status.Source
	drained   []drains.Pods
	// whileLeading is what else the replica with the Lease does, if anything.
	whileLeading func(context.Context)
	// orders are told by Events; nil: there are none.
	orders func() []status.Order
}

// defaultLease is the name of the Lease in the namespace of the pod.
const defaultLease = "legation"

func (f *publishFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.lease, "lease", "", "with kube: NAMESPACE/NAME of the Lease of the replica that writes addresses of Ingresses and Events; empty writes nothing (default: inside a cluster "+defaultLease+", with --class "+defaultLease+"-CLASS, in the pod's namespace, else empty)")
	flags.StringArrayVar(&f.services, "publish-service", nil, "[CLASS=]NAMESPACE/NAME of the Service whose load balancer's addresses, or else externalIPs, the Ingresses get")
	flags.StringArrayVar(&f.nodes, "publish-nodes", nil, "[CLASS=]NAMESPACE/SELECTOR of the pods that run Envoy: Ingresses get the addresses of the nodes of those that are ready")
	flags.BoolVar(&f.takeOver, "take-over-status", false, "write addresses of Ingresses immediately, also those that another controller, whose class is served, has written (default: when that has been silent for 10 minutes)")
	flags.StringArrayVar(&f.drains, drainsName, nil, "NAMESPACE/SELECTOR of pods that run Envoy and have no token: how their drains ended, which the status of a pod says until it is gone, is told by Events")
	flags.StringArrayVar(&f.addresses, "publish-address", nil, "[CLASS=]ADDRESS[,ADDRESS...]: IP addresses and host names that the Ingresses get")
}

// publishNames are the flags that say which addresses are published.
var publishNames = []string{"publish-service", "publish-nodes", "publish-address"}

// drainsName is the flag that says whose drains are told.
const drainsName = "tell-drains"

// check reads the values and says what contradicts. source is --source, classes are
// those of --class.
func (f *publishFlags) check(flags *pflag.FlagSet, source string, classes []string) error {
	if source != kubeSource {
		for _, name := range append([]string{"lease", "take-over-status", drainsName}, publishNames...) {
			if flags.Changed(name) {
				return fmt.Errorf("--%s: only with --source %s", name, kubeSource)
			}
		}
		return nil
	}
	if err := f.readLease(flags.Changed("lease"), classes); err != nil {
		return err
	}
	if err := f.readSources(); err != nil {
		return err
	}
	if len(f.sources) > 0 && f.leaseName.Name == "" {
		return errors.New("addresses can be published only with --lease")
	}
	return f.readDrains()
}

// readDrains reads --tell-drains.
func (f *publishFlags) readDrains() error {
	f.drained = nil
	for _, value := range f.drains {
		of, err := nodesSource(value)
		if err != nil {
			return fmt.Errorf("--%s %q: %w", drainsName, value, err)
		}
		f.drained = append(f.drained, drains.Pods(of.Pods))
	}
	if len(f.drained) > 0 && f.leaseName.Name == "" {
		return fmt.Errorf("--%s: only with --lease", drainsName)
	}
	return nil
}

// podNamespaceFile is where Kubernetes tells a pod its namespace.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// readLease reads --lease. Its default depends on the classes: who serves others must
// not wait for us.
func (f *publishFlags) readLease(given bool, classes []string) error {
	if !given && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		namespace, err := os.ReadFile(podNamespaceFile)
		if err != nil {
			return fmt.Errorf("the namespace of the pod, for --lease: %w", err)
		}
		f.lease = strings.TrimSpace(string(namespace)) + "/" + leaseOf(classes)
	}
	if f.lease == "" {
		return nil
	}
	var err error
	if f.leaseName, err = namespacedName(f.lease); err != nil {
		return fmt.Errorf("--lease %q: %w", f.lease, err)
	}
	return nil
}

// leaseOf is the name of the Lease of all that serve these classes.
func leaseOf(classes []string) string {
	list := slices.Sorted(slices.Values(classes))
	return strings.Join(append([]string{defaultLease}, slices.Compact(list)...), "-")
}

// readSources reads the addresses of each class.
func (f *publishFlags) readSources() error {
	f.sources = map[string]status.Source{}
	parsers := []struct {
		name   string
		values []string
		parse  func(string) (status.Source, error)
	}{{publishNames[0], f.services, serviceSource}, {publishNames[1], f.nodes, nodesSource}, {publishNames[2], f.addresses, fixedSource}}
	for _, p := range parsers {
		for _, value := range p.values {
			class, rest, err := splitClass(value)
			if err != nil {
				return fmt.Errorf("--%s %q: %w", p.name, value, err)
			}
			if _, twice := f.sources[class]; twice {
				return fmt.Errorf("--%s %q: %s has addresses from another flag already", p.name, value, classText(class))
			}
			if f.sources[class], err = p.parse(rest); err != nil {
				return fmt.Errorf("--%s %q: %w", p.name, value, err)
			}
		}
	}
	return nil
}

func classText(class string) string {
	if class == status.AnyClass {
		return "the default"
	}
	return "class " + class
}

// splitClass takes the class off a value. Only a '=' before the first '/' belongs to
// it: a selector may have others.
func splitClass(value string) (class, rest string, err error) {
	head, _, _ := strings.Cut(value, "/")
	class, _, ok := strings.Cut(head, "=")
	if !ok {
		return status.AnyClass, value, nil
	}
	if errs := validation.IsDNS1123Subdomain(class); len(errs) > 0 {
		return "", "", fmt.Errorf("class %q: %s", class, errs[0])
	}
	return class, value[len(class)+1:], nil
}

func namespacedName(text string) (types.NamespacedName, error) {
	namespace, name, err := splitNamespace(text)
	if err == nil && len(validation.IsDNS1123Subdomain(name)) > 0 {
		err = fmt.Errorf("%q is not a name", name)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, err
}

func splitNamespace(text string) (namespace, rest string, err error) {
	namespace, rest, _ = strings.Cut(text, "/")
	if rest == "" || len(validation.IsDNS1123Label(namespace)) > 0 {
		return "", "", errors.New("want NAMESPACE/ and what is there")
	}
	return namespace, rest, nil
}

func serviceSource(text string) (status.Source, error) {
	name, err := namespacedName(text)
	return status.Source{Service: name}, err
}

func nodesSource(text string) (status.Source, error) {
	namespace, selector, err := splitNamespace(text)
	if err != nil {
		return status.Source{}, err
	}
	s, err := labels.Parse(selector)
	return status.Source{Pods: status.Pods{Namespace: namespace, Selector: s}}, err
}

func fixedSource(text string) (status.Source, error) {
	list := strings.Split(text, ",")
	for _, a := range list {
		if ip, err := netip.ParseAddr(a); err == nil {
			if ip.Zone() != "" || ip.IsUnspecified() {
				return status.Source{}, fmt.Errorf("%q is not an address that clients can reach", a)
			}
		} else if len(validation.IsDNS1123Subdomain(strings.ToLower(a))) > 0 {
			return status.Source{}, fmt.Errorf("%q is neither an IP address nor a host name", a)
		}
	}
	return status.Source{Fixed: list}, nil
}

// writer makes what writes to Kubernetes; nil if this process is not to write.
func (f *publishFlags) writer(api *rest.Config, namespaces []string, served func(context.Context, []object.Ref) ([]bool, error), log *slog.Logger) (*status.Writer, error) {
	if f.leaseName.Name == "" || api == nil {
		return nil, nil
	}
	leading := f.whileLeading
	if len(f.drained) > 0 {
		teller, err := drains.New(drains.Config{REST: api, Pods: f.drained, Log: log})
		if err != nil {
			return nil, err
		}
		leading = beside(f.whileLeading, teller.Run)
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return status.New(status.Config{REST: api, Identity: cmp.Or(host, "legation") + "_" + string(uuid.NewUUID()), Lease: f.leaseName,
		Namespaces: namespaces, Addresses: f.sources, Acknowledged: served, WhileLeading: leading, Orders: f.orders, Log: log})
}

// beside runs two things until both have ended. The first may be nil.
func beside(one, other func(context.Context)) func(context.Context) {
	if one == nil {
		return other
	}
	return func(ctx context.Context) {
		var group sync.WaitGroup
		group.Go(func() { one(ctx) })
		other(ctx)
		group.Wait()
	}
}
