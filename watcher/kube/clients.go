package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"legation.dev/object"
)

// protobuf is what objects are asked for in first: decoding it takes a fraction
// of what JSON takes.
const protobuf = "application/vnd.kubernetes.protobuf"

// clients speak to the API server.
type clients struct {
	objects  kubernetes.Interface
	metadata metadata.Interface
}

func newClients(c *rest.Config) (clients, error) {
	c = rest.CopyConfig(c)
	c.ContentType, c.AcceptContentTypes = protobuf, protobuf+",application/json"
	if c.QPS == 0 {
		c.QPS = -1 // no limit; see Config.REST
	}
	objects, err := kubernetes.NewForConfig(c)
	if err != nil {
		return clients{}, err
	}
	meta, err := metadata.NewForConfig(c)
	if err != nil {
		return clients{}, err
	}
	return clients{objects, meta}, nil
}

// access is how a kind is listed and watched.
type access struct {
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// typed is a typed client of client-go; L is its list.
type typed[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

func accessOf[L runtime.Object](c typed[L]) access {
	return access{watch: c.Watch, list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		list, err := c.List(ctx, o)
		if err != nil {
			return nil, err // not a nil pointer of type L
		}
		return list, nil
	}}
}

// of is the access to a kind: whole objects, of Secrets and ConfigMaps only the
// metadata.
func (c clients) of(kind object.Kind, namespace string) access {
	switch kind {
	case object.KindIngress:
		return accessOf(c.objects.NetworkingV1().Ingresses(namespace))
	case object.KindIngressClass:
		return accessOf(c.objects.NetworkingV1().IngressClasses())
	case object.KindService:
		return accessOf(c.objects.CoreV1().Services(namespace))
	case object.KindSlice:
		return accessOf(c.objects.DiscoveryV1().EndpointSlices(namespace))
	case object.KindSecret:
		return accessOf(c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(namespace))
	default:
		return accessOf(c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(namespace))
	}
}

// get fetches a Secret or ConfigMap.
func (c clients) get(ctx context.Context, ref object.Ref) (runtime.Object, string, error) {
	if ref.Kind == object.KindSecret {
		o, err := c.objects.CoreV1().Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return nil, "", err
		}
		return o, o.ResourceVersion, nil
	}
	o, err := c.objects.CoreV1().ConfigMaps(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, "", err
	}
	return o, o.ResourceVersion, nil
}
