//go:build real

package incluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"legation.dev/test/fixture"
	"legation.dev/test/kube"
	"legation.dev/translator/input"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/identity"
)

// Class is the IngressClass of a Stack unless Options name another; it is the
// default class. Namespace holds the ConfigMaps of settings.
const (
	Class     = "legation"
	Namespace = "legation"
)

// startTimeout bounds the wait for what never becomes ready.
const startTimeout = time.Minute

// Options of a Stack. The zero Options are useful.
type Options struct {
	// Class is the name of the IngressClass, which is the default class only if it
	// is Class.
	Class string
	// Settings are those of the class.
	Settings map[string]string
	// Replicas and Envoys are how many there are; 0 means 1. Envoy i is led to
	// replica i, modulo Replicas.
	Replicas, Envoys int
	// Binary makes the replicas processes of bin/legation.
	Binary bool
	// Build is the path of another build of the binary; empty means bin/legation.
	// Env is added to its environment.
	Build string
	Env   []string
	// Args are further arguments of the binary's serve.
	Args []string
	// State gives each replica a folder of --state, which outlives its process.
	State bool
	// REST is who the replicas are, and where the API server is for them; nil means
	// who may do everything.
	REST *rest.Config
	// EnvoyArgs are further arguments of each Envoy.
	EnvoyArgs []string
	// Bootstrap changes the bootstrap of each Envoy; nil leaves it as Legation makes it.
	Bootstrap func(*bootstrapv3.Bootstrap)
	// Log is that of control planes in this process; nil discards it.
	Log *slog.Logger
}

// Stack is control planes and Envoys of one class. Its methods, and those of its
// replicas, may be called from one goroutine at a time.
type Stack struct {
	Kube     *kube.Cluster
	Replicas []*Replica
	Envoys   []*Envoy

	options     Options
	certificate identity.Pair // the stand-in of control planes here, and the default of Envoys
	standIn     *input.Secret
}

// Numbers of all Envoys and replicas of this process, for their addresses.
var envoys, replicas numbers

// numbers hands out the lowest number that nobody has.
type numbers struct {
	mu   sync.Mutex // guards used
	used map[int]bool
}

func (n *numbers) take() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.used == nil {
		n.used = map[int]bool{}
	}
	number := 0
	for n.used[number] {
		number++
	}
	n.used[number] = true
	return number
}

func (n *numbers) free(number int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.used, number)
}

// Start writes the class and its settings, starts replicas and Envoys, and waits
// until each Envoy runs what the API server holds. Who calls Start calls Close.
func Start(ctx context.Context, k *kube.Cluster, o Options) (*Stack, error) {
	o.Class, o.Replicas, o.Envoys = cmp.Or(o.Class, Class), max(1, o.Replicas), max(1, o.Envoys)
	if o.REST == nil {
		o.REST = k.REST()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stack{Kube: k, options: o}
	waiting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.start(waiting); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) (err error) {
	if s.certificate, err = bootstrap.SelfSigned(time.Now()); err != nil {
		return err
	}
	s.standIn = input.Seal(&input.Secret{Meta: input.Meta{Name: "stand-in"}, Certificate: s.certificate.Certificate, Key: s.certificate.Key})
	if err := s.Settings(ctx, nil); err != nil {
		return err
	}
	for range s.options.Replicas {
		r, err := s.newReplica()
		if err != nil {
			return err
		}
		s.Replicas = append(s.Replicas, r)
		if err := r.Start(ctx); err != nil {
			return err
		}
	}
	for i := range s.options.Envoys {
		if _, err := s.AddEnvoy(ctx, s.Replicas[i%len(s.Replicas)]); err != nil {
			return err
		}
	}
	return s.Settle(ctx)
}

// Settings writes the class and its settings, with changed ones; an empty value
// unsets.
func (s *Stack) Settings(ctx context.Context, changed map[string]string) error {
	all := map[string]string{"bind-addresses": "0.0.0.0", // a kernel may have no IPv6
		"namespace-hosts": "0", "namespace-routes": "0", "namespace-tls-hosts": "0", "namespace-bytes": "0", "namespace-changes": "0", "namespace-connections": "0", // all is in one
		"deletion-window": "off"} // what is deleted is gone
	maps.Copy(all, s.options.Settings)
	maps.Copy(all, changed)
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	objects := []kube.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}}
	for _, o := range fixture.Class(s.options.Class, Namespace, all) {
		if s.options.Class != Class {
			o.SetAnnotations(nil) // which make it the default class
		}
		objects = append(objects, o)
	}
	return s.Kube.Apply(ctx, objects...)
}

// AddEnvoy starts one more Envoy, on a node of its own, and waits until it is
// ready.
func (s *Stack) AddEnvoy(ctx context.Context, at *Replica) (*Envoy, error) {
	e, err := s.newEnvoy(ctx, at)
	if err != nil {
		return nil, err
	}
	s.Envoys = append(s.Envoys, e)
	return e, e.WaitReady(ctx)
}

// RemoveEnvoy ends an Envoy for good.
func (s *Stack) RemoveEnvoy(e *Envoy) error {
	s.Envoys = slices.DeleteFunc(s.Envoys, func(o *Envoy) bool { return o == e })
	return e.end()
}

// Close ends Envoys and replicas and deletes the class. The error says that one
// of them had ended by itself.
func (s *Stack) Close() error {
	var errs []error
	for _, e := range s.Envoys {
		errs = append(errs, e.end())
	}
	for _, r := range s.Replicas {
		errs = append(errs, r.close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, o := range fixture.Class(s.options.Class, Namespace, nil) {
		errs = append(errs, s.Kube.Delete(ctx, o))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}
