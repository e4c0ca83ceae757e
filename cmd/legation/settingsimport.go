package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"legation.dev/cmd/cli"
	"legation.dev/translator/lower/nginx"
)

// importFlags are the flags of `legation settings import`.
type importFlags struct {
	configMap, arguments, name, namespace string
	http, https                           uint16
}

func importCommand() *cobra.Command {
	f := &importFlags{}
	c := &cobra.Command{
		Use:   "import --nginx-configmap FILE [--nginx-args TEXT]",
		Short: "Print the settings of a class that the ConfigMap and arguments of ingress-nginx say",
		Long: `Reads the ConfigMap of ingress-nginx and the arguments of its Deployment, and prints the
ConfigMap of a class that says the same. What became of each key and argument goes to
standard error: the settings that it is, that it has no effect here, that it is said
elsewhere, that somebody has to decide, or that nothing is like it.

The ports are those that the Envoys of the chart listen on; clients do not see them.

The exit status is 1 if anything is to be decided or lost.`,
		Example: `  kubectl -n ingress-nginx get configmap ingress-nginx-controller -o yaml > old.yaml
  legation settings import --nginx-configmap old.yaml > class.yaml
  legation settings import --nginx-configmap old.yaml --nginx-args "$(kubectl -n ingress-nginx get deployment \
    ingress-nginx-controller -o jsonpath='{.spec.template.spec.containers[0].args[*]}')" > class.yaml`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	flags := c.Flags()
	flags.StringVar(&f.configMap, "nginx-configmap", "", "file with the ConfigMap of ingress-nginx, YAML or JSON")
	flags.StringVar(&f.arguments, "nginx-args", "", "arguments of the ingress-nginx controller, with spaces between")
	flags.Uint16Var(&f.http, "http-port", 8080, "where Envoys are to listen for http, in their pods; 0 leaves it out")
	flags.Uint16Var(&f.https, "https-port", 8443, "where Envoys are to listen for https, in their pods; 0 leaves it out")
	flags.StringVar(&f.name, "name", "nginx", "name of the ConfigMap that is printed")
	flags.StringVar(&f.namespace, "namespace", "legation", "its namespace")
	return c
}

func (f *importFlags) run(c *cobra.Command) error {
	if f.configMap == "" && f.arguments == "" {
		return cli.Usage(c, errors.New("--nginx-configmap: name the file"))
	}
	old, err := f.read()
	if err != nil {
		return err
	}
	settings, keys := nginx.Import(old)
	more, err := nginx.ImportArguments(settings, strings.Fields(f.arguments))
	if err != nil {
		return fmt.Errorf("--nginx-args: %w", err)
	}
	for name, port := range map[string]uint16{"http-port": f.http, "https-port": f.https} {
		if port != 0 {
			settings[name] = strconv.Itoa(int(port))
		}
	}
	class := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metav1.ObjectMeta{Name: f.name, Namespace: f.namespace}, "data": settings}
	if err := writeYAML(c.OutOrStdout(), class); err != nil {
		return err
	}
	return printKeys(c.ErrOrStderr(), append(keys, more...))
}

// read is the data of the ConfigMap, if there is one.
func (f *importFlags) read() (map[string]string, error) {
	if f.configMap == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.configMap)
	if err != nil {
		return nil, fmt.Errorf("--nginx-configmap: %w", err)
	}
	var old corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &old); err != nil || old.Kind != "ConfigMap" {
		return nil, fmt.Errorf("--nginx-configmap %s: not a ConfigMap: %w", f.configMap, errors.Join(err, kindError(old.Kind)))
	}
	return old.Data, nil
}

// kindError is what is wrong with an object of this kind; nil if it is a ConfigMap.
func kindError(kind string) error {
	if kind == "ConfigMap" {
		return nil
	}
	return fmt.Errorf("kind is %q", kind)
}

// printKeys prints what became of each key.
func printKeys(w io.Writer, keys []nginx.Key) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	open := 0
	for _, k := range keys {
		if k.Fate == nginx.ToDecide || k.Fate == nginx.Lost {
			open++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", k.Name, k.Fate, strings.TrimSpace(strings.Join(k.Settings, ", ")+" "+k.Why))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if open > 0 {
		return fmt.Errorf("%d of %d keys and arguments are to be decided or lost", open, len(keys))
	}
	return nil
}
