//go:build real

package kube

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// Manifests are the objects of a file of YAML, in its order.
func Manifests(path string) (objects []Object, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: object %d: %w", path, len(objects)+1, err)
		}
		objects = append(objects, o.(Object))
	}
}

// Forbidden is how many requests the API server has not let through since it
// started, because somebody lacked a right. What admission refuses, also with 403,
// does not count.
func (c *Cluster) Forbidden(ctx context.Context) (n float64, err error) {
	text, err := c.client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	attempts := families["authorization_attempts_total"].GetMetric()
	if len(attempts) == 0 {
		return 0, errors.New("the API server does not count authorizations")
	}
	for _, m := range attempts {
		for _, l := range m.GetLabel() {
			if l.GetName() == "result" && l.GetValue() != "allowed" {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n, nil
}
