// Package inprocess is Legation with a real Envoy, in one process, for tests:
// Source, Loop, store and server as `legation serve` has them, and an Envoy that
// started from the bootstrap of xds/bootstrap.
//
// It adds nothing to what they do, but hooks that spoil snapshots, cut the stream, and
// keep responses back. Waiting is by what Envoy has acknowledged, never by time.
//
// Start reading at Start; plane.go has the control plane, which can be run on any
// Source, behind.go what Envoy still lacks, cut.go how a stream is cut and held up.
package inprocess

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"

	"legation.dev/controller"
	"legation.dev/object"
	"legation.dev/test/envoy"
	"legation.dev/test/fixture"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// Class is the IngressClass of a Stack; its ConfigMap is in Namespace.
const (
	Class     = worlds.Class // so that what worlds makes can be applied
	Namespace = "stack"
)

// startTimeout bounds the wait for an Envoy that never becomes ready.
const startTimeout = time.Minute

// Options of a Stack. The zero Options are useful.
type Options struct {
	// Settings are those of the class, besides addresses and ports.
	Settings map[string]string
	// Poison changes what is published, after validation: an Envoy may reject it.
	Poison func(snapshot.Snapshot) snapshot.Snapshot
	// Config changes of what the bootstrap of the Envoy is made; addresses and
	// certificate are there already.
	Config func(*bootstrap.Config)
	// Bootstrap changes the bootstrap of the Envoy.
	Bootstrap func(*bootstrapv3.Bootstrap)
	// Silent are types whose responses are kept back from the start on, until Speak.
	// With one, Start does not wait for Envoy.
	Silent []snapshot.Type
	// EnvoyArgs are further arguments of Envoy.
	EnvoyArgs []string
	// Now is the clock of translation; nil means time.Now.
	Now func() time.Time
	// Orders are carried out; nil: there are none.
	Orders *controller.Orders
	// Window is that of what Envoys report; 0: the default.
	Window time.Duration
	// Log is that of the server; nil discards it.
	Log *slog.Logger
}

// Stack is a control plane and an Envoy. Its methods may be called from any
// goroutine, but Up and Down from one only.
type Stack struct {
	// HTTP and HTTPS are the addresses of Envoy's listeners.
	HTTP, HTTPS string
	Envoy       *envoy.Envoy

	options Options
	xds     string // the address of the server, the same after each Up
	standIn *input.Secret
	knife   knife
	silence silence

	mu      sync.Mutex // guards the fields below
	objects map[object.Ref]input.Change
	given   uint64 // how often objects were applied or deleted
	plane   *Plane // nil when down
	feed    *feed  // the Source of plane
}

// started counts the Stacks of this process, for their addresses.
var started atomic.Int64

// Start starts a control plane that has read objects, and an Envoy, and waits
// until Envoy runs all of it. Who calls Start calls Close.
func Start(ctx context.Context, o Options, objects ...fixture.Object) (*Stack, error) {
	s := &Stack{options: o, objects: map[object.Ref]input.Change{}, silence: silence{begun: make(chan struct{}), types: o.Silent}}
	s.options.Settings = s.settings(started.Add(1))
	if err := s.start(ctx, objects); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// settings are those of the class, on an address that no other process has and
// ports that no other Stack of this process has.
func (s *Stack) settings(n int64) map[string]string {
	pid := os.Getpid()
	address := fmt.Sprintf("127.%d.%d.%d", 128+pid/254/254%64, pid/254%254+1, pid%254+1)
	http, https := fmt.Sprint(20000+2*n), fmt.Sprint(20001+2*n)
	s.HTTP, s.HTTPS = net.JoinHostPort(address, http), net.JoinHostPort(address, https)
	all := map[string]string{"bind-addresses": address, "http-port": http, "https-port": https,
		"external-https-port": https, "access-log": "off",
		"namespace-hosts": "0", "namespace-routes": "0", "namespace-tls-hosts": "0", "namespace-bytes": "0", "namespace-changes": "0", "namespace-connections": "0", // all is in one
		"deletion-window": "off"} // what is deleted is gone
	maps.Copy(all, s.options.Settings)
	return all
}

func (s *Stack) start(ctx context.Context, objects []fixture.Object) error {
	certificate, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		return err
	}
	s.standIn = input.Seal(&input.Secret{Meta: input.Meta{Name: "stand-in"}, Certificate: certificate.Certificate, Key: certificate.Key})
	s.Apply(fixture.Class(Class, Namespace, s.options.Settings)...)
	s.Apply(objects...)
	if err := s.Up(); err != nil {
		return err
	}
	if err := s.startEnvoy(ctx, certificate); err != nil || len(s.options.Silent) > 0 {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.Envoy.WaitReady(waiting); err != nil {
		return err
	}
	return s.Settle(waiting)
}

// startEnvoy starts the Envoy.
func (s *Stack) startEnvoy(ctx context.Context, certificate identity.Pair) error {
	from := bootstrap.Config{NodeID: "one", Class: Class, XDSAddress: s.xds, Certificate: certificate}
	if s.options.Config != nil {
		s.options.Config(&from)
	}
	var err error
	s.Envoy, err = StartEnvoy(ctx, from, s.options.Bootstrap, s.options.EnvoyArgs...)
	return err
}

// StartEnvoy starts an Envoy with the bootstrap that is made of a configuration, and
// that edit, if there is one, has changed. Its admin interface is that of test/envoy.
func StartEnvoy(ctx context.Context, from bootstrap.Config, edit func(*bootstrapv3.Bootstrap), args ...string) (*envoy.Envoy, error) {
	from.Admin = "unix:" + envoy.AdminPath
	config, err := bootstrap.New(from)
	if err != nil {
		return nil, err
	}
	if edit != nil {
		edit(config)
	}
	text, err := bootstrap.Render(config, bootstrap.YAML)
	if err != nil {
		return nil, err
	}
	return envoy.Start(ctx, envoy.Options{Bootstrap: text, Args: args})
}

// Base are the settings that every ConfigMap of the class must have, or Envoy
// would listen elsewhere.
func (s *Stack) Base() map[string]string { return maps.Clone(s.options.Settings) }

// Settings applies the settings of the class, with changed ones. An empty value
// unsets.
func (s *Stack) Settings(changed map[string]string) uint64 {
	all := maps.Clone(s.options.Settings)
	maps.Copy(all, changed)
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return s.Apply(fixture.Class(Class, Namespace, all)...)
}

// Apply sets objects, as `kubectl apply` would. The number is for Landed. An
// object that validation refuses leaves its last state as it is.
func (s *Stack) Apply(objects ...fixture.Object) uint64 {
	var changes []input.Change
	for _, o := range objects {
		changes = append(changes, change(o))
	}
	return s.give(changes)
}

// change reads an object. It panics on a kind that Legation does not read, which
// no test applies.
func change(o fixture.Object) input.Change {
	read, ok := input.FromObject(o)
	if !ok {
		panic(fmt.Sprintf("stack: %T is not read", o))
	}
	if errs := input.Validate(o); len(errs) > 0 {
		return input.Change{Ref: read.Ref(), Problems: []finding.Problem{finding.Invalid.Of(object.Origin{Object: read.Ref()}, "", errs.ToAggregate())}}
	}
	return lower.Put(read)
}

// Delete removes objects.
func (s *Stack) Delete(objects ...fixture.Object) uint64 {
	var changes []input.Change
	for _, o := range objects {
		changes = append(changes, input.Delete(change(o).Ref))
	}
	return s.give(changes)
}

// Change makes changes.
func (s *Stack) Change(changes ...input.Change) uint64 { return s.give(changes) }

func (s *Stack) give(changes []input.Change) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		switch {
		case c.Deleted:
			delete(s.objects, c.Ref)
		case c.Object != nil:
			s.objects[c.Ref] = c
		}
	}
	s.given++
	if s.feed != nil {
		s.feed.give(s.given, changes)
	}
	return s.given
}

// Close ends Envoy and the control plane. The error says that one of them had
// ended by itself.
func (s *Stack) Close() error {
	var errs []error
	if s.Envoy != nil {
		errs = append(errs, s.Envoy.Stop())
	}
	return errors.Join(append(errs, s.Down())...)
}
