package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"legation.dev/cmd/cli"
	"legation.dev/controller"
	"legation.dev/examples"
	"legation.dev/inspect"
	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
	"legation.dev/watcher/kube"
)

// Values of --source: a folder of manifests, or an API server.
const (
	folderSource = "dir:"
	kubeSource   = "kube"
)

// sourceFlags say where the objects are.
type sourceFlags struct {
	clusterFlags
	source              string
	namespaces, classes []string
	controllers         []string
	allowEmpty          bool
	maxFile             resource.QuantityValue
}

func (f *sourceFlags) register(c *cobra.Command) {
	f.registerKube(c)
	flags := c.Flags()
	flags.StringVar(&f.source, "source", "", "where the objects are: kube or dir:PATH (default: kube inside a cluster or with --kubeconfig, else a built-in example)")
	flags.BoolVar(&f.allowEmpty, "allow-empty", false, "be ready although the first reading has no IngressClass of ours, as in a new cluster; with dir: also believe that all manifests were deleted")
	f.maxFile = resource.QuantityValue{Quantity: *resource.NewQuantity(dir.DefaultMaxFile, resource.BinarySI)}
	flags.Var(&f.maxFile, "max-file-size", "with dir: the largest file that is read, in bytes; a larger one is a Problem, and what it last said stays")
	flags.StringSliceVar(&f.classes, "class", nil, "with kube: serve only these IngressClasses (default: all whose controller is ours)")
	complete(c, "source", kubeSource, folderSource)
}

// registerKube registers the flags that say which API server it is, and what of it
// is read.
func (f *sourceFlags) registerKube(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "with kube: the file that says where the API server is and who we are (default: $KUBECONFIG, ~/.kube/config, inside a cluster the pod's service account)")
	controllerClass(flags, &f.controllers)
	flags.StringVar(&f.context, "context", "", "with kube: the context of the kubeconfig (default: its current one)")
	flags.StringSliceVar(&f.namespaces, "namespaces", nil, "with kube: read only these namespaces; no right beyond them is needed, but for IngressClasses (default: all)")
}

// controllerClass registers the flag that says whose classes are ours, too.
func controllerClass(flags *pflag.FlagSet, controllers *[]string) {
	flags.StringSliceVar(controllers, "controller-class", nil, "take the place of this controller: IngressClasses that name it are served as they are (k8s.io/ingress-nginx: with the setting compatibility: ingress-nginx)")
}

// check fills in the default of --source and says what contradicts; only are the
// flags that mean something with an API server only.
func (f *sourceFlags) check(flags *pflag.FlagSet, only ...string) error {
	if f.source == "" && (f.kubeconfig != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != "") {
		f.source = kubeSource
	}
	if f.maxFile.Sign() < 0 || flags.Changed("max-file-size") && f.maxFile.Sign() == 0 {
		return fmt.Errorf("--max-file-size %s: want more than 0", &f.maxFile)
	}
	if path, ok := strings.CutPrefix(f.source, folderSource); f.source != "" && f.source != kubeSource && (!ok || path == "") {
		return fmt.Errorf("--source %q: want %s or %sPATH", f.source, kubeSource, folderSource)
	}
	if f.source == kubeSource {
		return nil
	}
	for _, name := range only {
		if flags.Changed(name) {
			return fmt.Errorf("--%s: only with --source %s", name, kubeSource)
		}
	}
	return nil
}

// source is an open source.
type source struct {
	controller.Source
	// used hears with which objects fleets are served; nil if all are read that there are.
	used func([]object.Ref)
	// run reads until ctx ends; nil if Take does all that.
	run func(ctx context.Context) error
	// waiting says what was not read yet and what cannot be followed now.
	waiting func() []kube.Condition
	// rest is the API server; nil if there is none.
	rest  *rest.Config
	close func()
	// turnover is how often endpoints change.
	turnover *inspect.Turnover
}

// open opens what --source names, after check; without it, a copy of the example. last is
// what an earlier process has read; the zero View if nothing is known of that.
func (f *sourceFlags) open(last input.View, log *slog.Logger) (*source, error) {
	if f.source == kubeSource {
		return f.openKube(last, log)
	}
	path, remove, err := f.folder(log)
	if err != nil {
		return nil, err
	}
	turnover, counted := counting()
	how := dir.Config{Claim: f.controllers, MaxFile: f.maxFile.Value(), AllowEmpty: f.allowEmpty, Endpoints: counted}
	if !last.Stored().IsZero() { // a folder that cannot be read now is waited for
		d := dir.OpenLater(path, last.Objects(), how)
		return &source{Source: d, waiting: func() []kube.Condition { return waitingFor(d) }, turnover: turnover, close: func() { _ = d.Close(); remove() }}, nil
	}
	d, err := dir.Open(path, how)
	if err != nil {
		remove()
		return nil, fmt.Errorf("--source: %w", err)
	}
	return &source{Source: d, waiting: func() []kube.Condition { return nil }, turnover: turnover,
		close: func() { _ = d.Close(); remove() }}, nil
}

// waitingFor is why a folder is not read yet.
func waitingFor(d *dir.Later) []kube.Condition {
	if err := d.Waiting(); err != nil {
		return []kube.Condition{{Kind: object.KindFile, Text: "the folder cannot be read: " + err.Error()}}
	}
	return nil
}

// folder is the folder of --source; remove is to be called at the end.
func (f *sourceFlags) folder(log *slog.Logger) (path string, remove func(), err error) {
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

// counting counts how often endpoints change, of which its second value is told.
func counting() (*inspect.Turnover, func(service object.Ref, by string)) {
	turnover := &inspect.Turnover{}
	return turnover, func(service object.Ref, by string) { turnover.Add(service, by, time.Now()) }
}

func (f *sourceFlags) openKube(last input.View, log *slog.Logger) (*source, error) {
	config, err := f.restConfig()
	if err != nil {
		return nil, err
	}
	turnover, counted := counting()
	s, err := kube.New(kube.Config{Endpoints: counted, REST: config, Namespaces: f.namespaces, Classes: f.classes, Controllers: f.controllers, Last: last, Log: log})
	if err != nil {
		return nil, fmt.Errorf("--source %s: %w", kubeSource, err)
	}
	return &source{Source: s, used: s.Used, run: s.Run, waiting: s.Waiting, rest: config, close: func() {}, turnover: turnover}, nil
}

// errNoCluster says that nothing names an API server.
var errNoCluster = errors.New("no API server: give --kubeconfig, set KUBECONFIG, or run inside a cluster")

// restConfig finds the API server as kubectl does.
func (f *sourceFlags) restConfig() (*rest.Config, error) {
	config, _, err := f.config()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errNoCluster
	}
	return config, err
}

// config finds the API server as kubectl does, and the namespace that its context names.
func (f clusterFlags) config() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context})
	config, err := loader.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, "", err
	case err != nil && f.context != "":
		return nil, "", fmt.Errorf("--kubeconfig, --context: %w", err)
	case err != nil:
		return nil, "", fmt.Errorf("--kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	config.UserAgent = "legation/" + cli.Version()
	return config, namespace, err
}

// onceFlags are those of a command that reads the objects once.
type onceFlags struct {
	sourceFlags
	timeout time.Duration
}

func (f *onceFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.source, "source", "", "where the objects are: kube, or dir:PATH, the same as PATH (default: kube with --kubeconfig)")
	f.registerKube(c)
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "with kube: how long the cluster may take to be read")
}

// named takes the PATH among the arguments, if there is one, for --source: the objects
// must be named once.
func (f *onceFlags) named(path []string) error {
	if len(path) > 0 && f.source != "" || len(path) == 0 && f.source == "" && f.kubeconfig == "" {
		return fmt.Errorf("name the objects once: PATH, --source %sPATH or --source %s", folderSource, kubeSource)
	}
	if len(path) > 0 {
		f.source = folderSource + path[0]
	}
	return nil
}

func (f *onceFlags) check(flags *pflag.FlagSet) error {
	return f.sourceFlags.check(flags, "kubeconfig", "context", "namespaces", "timeout")
}

// translate reads the objects, once, and translates them.
func (f *onceFlags) translate(ctx context.Context) (translator.Result, error) {
	if path, ok := strings.CutPrefix(f.source, folderSource); ok {
		return translate(path, f.controllers)
	}
	changes, err := f.readOnce(ctx, f.timeout)
	if err != nil {
		return translator.Result{}, err
	}
	return translator.Translate(translator.Result{}, input.View{}.With(changes...)), nil
}

// readOnce reads an API server until it was read in full. An error says what could
// not be read.
func (f *sourceFlags) readOnce(ctx context.Context, timeout time.Duration) ([]input.Change, error) {
	source, err := f.openKube(input.View{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer source.close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	running := make(chan struct{})
	go func() {
		defer close(running)
		_ = source.run(ctx) // that of ctx
	}()
	defer func() { cancel(); <-running }()
	changes, err := source.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("the cluster was not read within %v: %w%s", timeout, err, listed(source.waiting()))
	}
	return changes, nil
}

// listed is what keeps a source from being read, a line each.
func listed(waiting []kube.Condition) (text string) {
	for _, c := range waiting {
		text += "\n  " + c.String()
	}
	return text
}
