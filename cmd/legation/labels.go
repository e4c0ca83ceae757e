package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/metadata"

	"legation.dev/object"
)

// Values of --by of lint.
const (
	byNamespace = "namespace"
	byLabel     = "label="
)

// noLabel is the group of Ingresses without the label.
const noLabel = "(none)"

// group says of an Ingress which group --by puts it into; nil without --by. Translation
// reads no labels, so they are read here.
func (f *lintFlags) group(ctx context.Context) (func(object.Ref) string, error) {
	key, label := strings.CutPrefix(f.by, byLabel)
	switch {
	case f.by == byNamespace:
		return func(o object.Ref) string { return o.Namespace }, nil
	case !label:
		return nil, nil
	}
	read := f.labelsOfCluster
	if path, ok := strings.CutPrefix(f.source.source, folderSource); ok {
		read = func(context.Context) (labelSets, error) { return labelsOfFolder(path) }
	}
	all, err := read(ctx)
	if err != nil {
		return nil, fmt.Errorf("--by %s: %w", f.by, err)
	}
	return func(o object.Ref) string {
		if value, ok := all[o.Key()][key]; ok && value != "" {
			return value
		}
		return noLabel
	}, nil
}

// labelSets are those of Ingresses, by "namespace/name".
type labelSets map[string]map[string]string

// labelsOfFolder reads them from manifests. What cannot be read was told when the objects
// were.
func labelsOfFolder(root string) (labelSets, error) {
	all := labelSets{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path != root && !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		documents := yaml.NewYAMLOrJSONDecoder(file, 4096)
		for {
			var o labelled
			err := documents.Decode(&o)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				all.add(o)
			} else if _, broken := err.(yaml.YAMLSyntaxError); !broken {
				return nil
			}
		}
	})
	return all, err
}

// labelled is an object, or a list of some.
type labelled struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Items             []labelled `json:"items"`
}

func (l labelSets) add(o labelled) {
	for _, item := range o.Items {
		l.add(item)
	}
	if o.Kind == string(object.KindIngress) {
		if o.Namespace == "" {
			o.Namespace = metav1.NamespaceDefault
		}
		l[o.Namespace+"/"+o.Name] = o.Labels
	}
}

// labelsOfCluster reads the metadata of all Ingresses.
func (f *lintFlags) labelsOfCluster(ctx context.Context) (labelSets, error) {
	config, err := f.source.restConfig()
	if err != nil {
		return nil, err
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	all := labelSets{}
	namespaces := f.source.namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		list, err := client.Resource(schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}).
			Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			all[o.Namespace+"/"+o.Name] = o.Labels
		}
	}
	return all, nil
}
