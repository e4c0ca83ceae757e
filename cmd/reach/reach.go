// Package reach finds an installation of Legation in a cluster and makes a way to it: a
// port-forward to a pod of the control plane, with the certificate that the chart keeps for
// people. It does what somebody with kubectl would do by hand, by the rights of the same
// kubeconfig, and it writes nothing.
//
// Start reading at Cluster.Find.
package reach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Labels of the pods that the chart installs.
const (
	labelName      = "app.kubernetes.io/name"
	labelRelease   = "app.kubernetes.io/instance"
	labelComponent = "app.kubernetes.io/component"
	controlPlane   = "control-plane"
	// program is the name of all of them, and what the names of their objects contain.
	program = "legation"
)

// Cluster is an API server, and where in it Legation is.
type Cluster struct {
	REST *rest.Config
	// Namespace and Release of the installation; empty: whichever there is.
	Namespace, Release string
	// Fallback is the namespace that is looked at if not all may be.
	Fallback string
}

// Installation is a release of the chart.
type Installation struct {
	Namespace, Release string
	// Pods of the control plane that are ready, the one that was ready first in front.
	Pods []corev1.Pod

	rest   *rest.Config
	client kubernetes.Interface
}

// Find finds the one installation that is meant.
func (c Cluster) Find(ctx context.Context) (*Installation, error) {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, err
	}
	pods, where, err := c.pods(ctx, client, controlPlane, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("looking for the control plane: %w", err)
	}
	found, err := c.one(pods, where)
	if err != nil {
		return nil, err
	}
	found.rest, found.client = c.REST, client
	found.Pods = slices.DeleteFunc(found.Pods, func(p corev1.Pod) bool { return readySince(p).IsZero() })
	if len(found.Pods) == 0 {
		return nil, fmt.Errorf("no pod of the control plane %s is ready", found)
	}
	slices.SortFunc(found.Pods, func(a, b corev1.Pod) int {
		return cmp.Or(readySince(a).Compare(readySince(b)), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}

// pods are those of a component of all releases, and where they were looked for.
func (c Cluster) pods(ctx context.Context, client kubernetes.Interface, component string, options metav1.ListOptions) (pods []corev1.Pod, where string, err error) {
	options.LabelSelector = labelName + "=" + program + "," + labelComponent + "=" + component
	if c.Release != "" {
		options.LabelSelector += "," + labelRelease + "=" + c.Release
	}
	in := c.Namespace
	list, err := client.CoreV1().Pods(in).List(ctx, options)
	if apierrors.IsForbidden(err) && in == "" { // not everybody may look everywhere
		in = c.Fallback
		list, err = client.CoreV1().Pods(in).List(ctx, options)
		if apierrors.IsForbidden(err) {
			err = fmt.Errorf("%w; -n says in which namespace it is", err)
		}
	}
	if err != nil {
		return nil, "", err
	}
	if where = "any namespace"; in != "" {
		where = "namespace " + in
	}
	return list.Items, where, nil
}

// one is the installation that pods are of.
func (c Cluster) one(pods []corev1.Pod, where string) (*Installation, error) {
	var all []*Installation
	for _, p := range pods {
		of := Installation{Namespace: p.Namespace, Release: p.Labels[labelRelease]}
		i := slices.IndexFunc(all, func(o *Installation) bool { return o.Namespace == of.Namespace && o.Release == of.Release })
		if i < 0 {
			i, all = len(all), append(all, &of)
		}
		all[i].Pods = append(all[i].Pods, p)
	}
	switch {
	case len(all) == 0 && c.Release != "":
		return nil, fmt.Errorf("no control plane of release %s is in %s", c.Release, where)
	case len(all) == 0:
		return nil, fmt.Errorf("no control plane is in %s: -n says in which one it is, --address where else to ask", where)
	case len(all) > 1:
		var names []string
		for _, o := range all {
			names = append(names, o.String())
		}
		slices.Sort(names)
		return nil, fmt.Errorf("there are several control planes, %s: say which one with -n or --release", strings.Join(names, ", "))
	}
	return all[0], nil
}

// String is its namespace and release.
func (i *Installation) String() string { return i.Namespace + "/" + i.Release }

// name is what the names of the objects of the release begin with, as the chart has it.
func (i *Installation) name() string {
	name := i.Release
	if !strings.Contains(name, program) {
		name += "-" + program
	}
	return strings.TrimSuffix(name[:min(len(name), 40)], "-")
}

// readySince is the zero time of a pod that is not ready, or leaves.
func readySince(p corev1.Pod) time.Time {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// Pair are the files of a certificate: that of people who look ("operator"), or that of
// those who also change what is served ("approver").
type Pair struct{ Certificate, Key, CA []byte }

// Pair reads the certificate of a role from its Secret.
func (i *Installation) Pair(ctx context.Context, role string) (Pair, error) {
	name := i.name() + "-xds-" + role
	s, err := i.client.CoreV1().Secrets(i.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Pair{}, fmt.Errorf("there is no Secret %s/%s with the certificate to ask with: 'legation certs' or cert-manager makes it, and --tls names a folder with another one", i.Namespace, name)
	case err != nil:
		return Pair{}, fmt.Errorf("the certificate to ask with (--tls names a folder with another one): %w", err)
	}
	p := Pair{s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey], s.Data["ca.crt"]}
	if len(p.Certificate) == 0 || len(p.Key) == 0 || len(p.CA) == 0 {
		return Pair{}, fmt.Errorf("the Secret %s/%s lacks tls.crt, tls.key or ca.crt", i.Namespace, name)
	}
	return p, nil
}

// errNoPort says that a pod has no port by the name that the chart gives it.
var errNoPort = errors.New(`it has no port "xds"`)

// xdsPort is where a pod of the control plane is asked.
func xdsPort(p *corev1.Pod) (int32, error) {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == "xds" {
				return port.ContainerPort, nil
			}
		}
	}
	return 0, errNoPort
}
