//go:build real

package deploy

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// exposed: in the pods somebody listens where docs/security.md says, and nowhere else; and
// their accounts may at the API server what it says, and nothing else.
func (d *deployed) exposed(elsewhere string) {
	d.Helper()
	for component, pod := range map[string]string{"control-plane": "control plane", "envoy": "Envoy"} {
		want := d.portsPage(pod)
		for _, p := range d.pods(component) {
			if got, err := k.Listening(namespace, p.Name); err != nil || !slices.Equal(got, want) {
				d.Errorf("in %s somebody listens at %q (%v); docs/security.md has %q", p.Name, got, err, want)
			}
		}
		account := d.pods(component)[0].Spec.ServiceAccountName
		everywhere, here := d.rightsPage(account)
		if len(everywhere) == 0 {
			d.Errorf("docs/security.md has no right of %s", account)
		}
		d.may(account, elsewhere, everywhere)
		d.may(account, namespace, slices.Concat(everywhere, here))
	}
}

// section is a part of docs/security.md.
func (d *deployed) section(heading string) string {
	d.Helper()
	text, err := os.ReadFile(path(d.T, "docs", "security.md"))
	if err != nil {
		d.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## "+heading+"\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	return section
}

// portsPage is where the page says that a pod listens, as kube.Listening has it.
func (d *deployed) portsPage(pod string) (list []string) {
	d.Helper()
	for _, row := range regexp.MustCompile(`(?m)^\| `+pod+` \| ([^|]*) \|`).FindAllStringSubmatch(d.section("Ports"), -1) {
		for _, m := range regexp.MustCompile("[a-z-]+ (\\d+)|`(/[^`]*)`").FindAllStringSubmatch(row[1], -1) {
			if m[1] != "" {
				list = append(list, "tcp "+m[1])
			} else {
				list = append(list, "unix "+m[2])
			}
		}
	}
	slices.Sort(list)
	return list
}

// right is one to do something with a resource, "nodes" or "ingresses.networking.k8s.io", or
// only with the object of a name.
type right struct{ verb, resource, name string }

// rightsPage is what the page says that an account may in all namespaces, and what besides in
// its own.
func (d *deployed) rightsPage(account string) (everywhere, here []right) {
	d.Helper()
	quoted := regexp.MustCompile("`([^`]*)`")
	for _, row := range regexp.MustCompile("(?m)^\\| `"+account+"` \\| (everywhere|its namespace) \\| ([^|]*) \\| ([^|]*) \\|").FindAllStringSubmatch(d.section("Rights"), -1) {
		resources, names, named := strings.Cut(row[2], " named ")
		for _, resource := range quoted.FindAllStringSubmatch(resources, -1) {
			for verb := range strings.SplitSeq(row[3], ", ") {
				list := []right{{verb, resource[1], ""}}
				if named {
					list = nil
					for _, name := range quoted.FindAllStringSubmatch(names, -1) {
						list = append(list, right{verb, resource[1], name[1]})
					}
				}
				if row[1] == "everywhere" {
					everywhere = append(everywhere, list...)
				} else {
					here = append(here, list...)
				}
			}
		}
	}
	return everywhere, here
}

// verbs are all that the API server has for objects.
var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

// may: the rights of an account in a namespace are these. The API server lists all that it
// has beside those of every account, and judges whatever could be done to the same resources.
func (d *deployed) may(account, ns string, want []right) {
	d.Helper()
	got := d.listed(account, ns)
	for of := range d.listed("default", ns) {
		delete(got, of)
	}
	objects := map[right]bool{} // without verb
	for _, r := range want {
		if !got[r] {
			d.Errorf("%s may not %v in %s, as docs/security.md says", account, r, ns)
		}
		delete(got, r)
		objects[right{"", r.resource, ""}], objects[right{"", r.resource, r.name}] = true, true
		if r.name != "" {
			objects[right{"", r.resource, "another"}] = true
		}
	}
	for r := range got {
		d.Errorf("%s may %v in %s; docs/security.md does not say so", account, r, ns)
	}
	client := d.as(account)
	for r := range objects {
		for _, r.verb = range verbs {
			allowed := slices.Contains(want, r) || slices.Contains(want, right{r.verb, r.resource, ""})
			if judged := d.judged(client, ns, r); judged != allowed {
				d.Errorf("%s, %v in %s: the API server says %t, docs/security.md %t", account, r, ns, judged, allowed)
			}
		}
	}
}

// as is an account of the installation.
func (d *deployed) as(account string) kubernetes.Interface {
	d.Helper()
	config, err := k.ServiceAccount(d.ctx, namespace, account)
	if err != nil {
		d.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		d.Fatal(err)
	}
	return client
}

// listed is all that an account may in a namespace, by the API server's list, and
// that beside objects as rights with the path as the resource.
func (d *deployed) listed(account, ns string) map[right]bool {
	d.Helper()
	answer, err := d.as(account).AuthorizationV1().SelfSubjectRulesReviews().Create(d.ctx,
		&authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: ns}}, metav1.CreateOptions{})
	if err != nil || answer.Status.Incomplete {
		d.Fatalf("the rights of %s in %s: %+v, %v", account, ns, answer, err)
	}
	all := map[right]bool{}
	for _, rule := range answer.Status.ResourceRules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				if group != "" {
					resource = fmt.Sprintf("%s.%s", resource, group)
				}
				for _, verb := range rule.Verbs {
					for _, name := range append(rule.ResourceNames, make([]string, max(0, 1-len(rule.ResourceNames)))...) {
						all[right{verb, resource, name}] = true
					}
				}
			}
		}
	}
	for _, rule := range answer.Status.NonResourceRules {
		for _, at := range rule.NonResourceURLs {
			for _, verb := range rule.Verbs {
				all[right{verb, at, ""}] = true
			}
		}
	}
	return all
}

// judged is what the API server says of one right.
func (d *deployed) judged(client kubernetes.Interface, ns string, r right) bool {
	d.Helper()
	of, subresource, _ := strings.Cut(r.resource, "/")
	subresource, group, _ := strings.Cut(subresource, ".")
	if subresource == "" {
		of, group, _ = strings.Cut(of, ".")
	}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(d.ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: ns, Verb: r.verb, Group: group, Resource: of, Subresource: subresource, Name: r.name}}}, metav1.CreateOptions{})
	if err != nil {
		d.Fatal(err)
	}
	return answer.Status.Allowed
}
