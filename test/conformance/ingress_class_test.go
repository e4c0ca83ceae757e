//go:build real

package conformance

import (
	"context"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/incluster"
)

// of is an Ingress of a class.
func of(class string, i *networkingv1.Ingress) *networkingv1.Ingress {
	i.Spec.IngressClassName = &class
	return i
}

// annotated is an Ingress of a class that it names as was usual before
// spec.ingressClassName.
func annotated(class string, i *networkingv1.Ingress) *networkingv1.Ingress {
	i.Annotations = map[string]string{"kubernetes.io/ingress.class": class}
	return i
}

// TestIngressClass: only Ingresses of our class are served.
func TestIngressClass(t *testing.T) {
	foreign := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "foreign"},
		Spec: networkingv1.IngressClassSpec{Controller: "example.com/another"}}
	if err := k.Apply(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	scenario{
		services: []string{"web"},
		ingresses: []*networkingv1.Ingress{
			of(incluster.Class, ingress("named", host("named.test", prefix("/", "web")))),
			annotated(incluster.Class, ingress("annotated", host("annotated.test", prefix("/", "web")))),
			ingress("unnamed", host("unnamed.test", prefix("/", "web"))),
			of("foreign", ingress("foreign", host("foreign.test", prefix("/", "web")))),
			annotated("foreign", ingress("foreign-annotated", host("foreign-annotated.test", prefix("/", "web")))),
			of("missing", ingress("missing", host("missing.test", prefix("/", "web")))),
		},
		foreign: []string{"foreign", "foreign-annotated", "missing"},
		requests: []request{
			{name: "our class by name", url: "http://named.test/", want: "200 web"},
			{name: "our class by annotation", url: "http://annotated.test/", want: "200 web"},
			{name: "our class by default", url: "http://unnamed.test/", want: "200 web"},
			{name: "a class of another controller", url: "http://foreign.test/", want: "404"},
			{name: "a class of another controller by annotation", url: "http://foreign-annotated.test/", want: "404"},
			{name: "a class that does not exist", url: "http://missing.test/", want: "404"},
		},
	}.play(t)
}

// TestNoDefaultClass: where no class is the default, an Ingress without a class is
// nobody's.
func TestNoDefaultClass(t *testing.T) {
	markDefault(t, "false")
	t.Cleanup(func() { markDefault(t, "true") })
	scenario{
		services: []string{"web"},
		ingresses: []*networkingv1.Ingress{
			of(incluster.Class, ingress("named", host("named.test", prefix("/", "web")))),
			ingress("unnamed", host("unnamed.test", prefix("/", "web"))),
		},
		foreign: []string{"unnamed"},
		requests: []request{
			{name: "our class by name", url: "http://named.test/", want: "200 web"},
			{name: "no class", url: "http://unnamed.test/", want: "404"},
		},
	}.play(t)
}

// markDefault reports whether our class is the default one.
func markDefault(t *testing.T, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang) // that of the test has ended in Cleanup
	defer cancel()
	classes := k.Client().NetworkingV1().IngressClasses()
	class, err := classes.Get(ctx, incluster.Class, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] = value
	if _, err := classes.Update(ctx, class, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
