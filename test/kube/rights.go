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
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	sigsyaml "sigs.k8s.io/yaml"
)

// Manifests are the objects of a file of YAML, in its order.
func Manifests(path string) (objects []Object, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	documents, err := Documents(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, document := range documents {
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: object %d: %w", path, i+1, err)
		}
		objects = append(objects, o.(Object))
	}
	return objects, nil
}

// Rights applies what a file of manifests says of rights, and nothing else of it,
// with the namespaces that it names. The account is the one that its first
// ClusterRoleBinding is for; remove takes the rights away.
func (c *Cluster) Rights(ctx context.Context, path string) (account *rest.Config, remove func(context.Context) error, err error) {
	all, err := Manifests(path)
	if err != nil {
		return nil, nil, err
	}
	var rights []Object
	var subject rbacv1.Subject
	for _, o := range all {
		switch o := o.(type) {
		case *rbacv1.ClusterRole, *rbacv1.Role, *rbacv1.RoleBinding, *corev1.ServiceAccount:
		case *rbacv1.ClusterRoleBinding:
			if subject.Name == "" {
				subject = o.Subjects[0]
			}
		default:
			continue
		}
		rights = append(rights, o)
		if ns := o.GetNamespace(); ns != "" {
			if err := c.Apply(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}); err != nil {
				return nil, nil, err
			}
		}
	}
	if err := c.Apply(ctx, rights...); err != nil {
		return nil, nil, err
	}
	account, err = c.ServiceAccount(ctx, subject.Namespace, subject.Name)
	return account, func(ctx context.Context) error { return c.Delete(ctx, rights...) }, err
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

// Admit has the API server judge an object, given as YAML, with every check but
// keeping it: an unknown field or a duplicate one is an error.
func (c *Cluster) Admit(ctx context.Context, document []byte) error {
	_, err := c.Admitted(ctx, document)
	return err
}

// Admitted is Admit, and what the API server would keep, its defaults set.
func (c *Cluster) Admitted(ctx context.Context, document []byte) (*unstructured.Unstructured, error) {
	text, err := sigsyaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	kept, err := c.at(u).Create(ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return kept, nil
}

// Documents are the documents of a YAML text, without those that hold only
// comments.
func Documents(text []byte) (list [][]byte, err error) {
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		var any map[string]any
		if err := sigsyaml.Unmarshal(document, &any); err != nil {
			return nil, err
		}
		if len(any) > 0 {
			list = append(list, document)
		}
	}
}
