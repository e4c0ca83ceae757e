package docs

import (
	"bytes"
	"os"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"legation.dev/object"
)

// TestRights: deploy/rbac.yaml gives the rights to follow each kind that is read, and
// to fetch those that are fetched by name.
func TestRights(t *testing.T) {
	text, err := os.ReadFile("../../deploy/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules []rbacv1.PolicyRule
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var role rbacv1.ClusterRole
		if d.Decode(&role) != nil {
			break
		}
		rules = append(rules, role.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("deploy/rbac.yaml has no rules")
	}
	for _, r := range object.Kinds {
		verbs := []string{"list", "watch"}
		if r.ByName {
			verbs = append(verbs, "get")
		}
		for _, verb := range verbs {
			may := func(p rbacv1.PolicyRule) bool {
				return slices.Contains(p.APIGroups, r.Group) && slices.Contains(p.Resources, r.Resource) && slices.Contains(p.Verbs, verb)
			}
			if !slices.ContainsFunc(rules, may) {
				t.Errorf("nobody may %s %s", verb, r.Resource)
			}
		}
	}
}
