package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"legation.dev/test/fixture"
	"legation.dev/test/load"
)

// Hosts under load, and their paths. The example's Service of a path is its own.
const (
	plainHost   = "demo.localhost"
	tlsHost     = "secure.localhost"
	exampleHost = "shop.localhost"
)

var paths = []string{"/", "/api"}

// sharedService is behind the hosts that come and go.
const sharedService = "shared"

func answer(service string) load.Answer {
	return load.Answer{Status: http.StatusOK, Service: service}
}

// routes are what the hosts under load lead to, by host and path.
type routes map[string]map[string]string

// scene is the state of the show.
type scene struct {
	*demo
	ctx    context.Context
	routes routes
	named  int // how many Services were named
	timing map[string]*times
	order  []string // kinds of changes, as they came
}

// times are those of a kind of change.
type times []time.Duration

// prepare writes the objects of the hosts under load.
func (s *demo) prepare() error {
	s.timeline.Only(exampleHost, "/", answer("web"))
	s.timeline.Only(exampleHost, "/api", answer("api"))
	objects, err := s.objects.Service(sharedService, 1)
	if err != nil {
		return err
	}
	for _, host := range []string{plainHost, tlsHost} {
		for _, path := range paths {
			name := firstService(host, path)
			made, err := s.objects.Service(name, 2)
			if err != nil {
				return err
			}
			objects = append(objects, made...)
			s.timeline.Only(host, path, answer(name))
		}
	}
	secret, err := s.objects.Secret(s.authority, tlsHost, tlsHost)
	if err != nil {
		return err
	}
	initial := firstRoutes()
	objects = append(objects, secret, s.ingress(initial, plainHost), s.ingress(initial, tlsHost))
	return s.folder.apply(objects...)
}

func firstService(host, path string) string {
	name := "plain"
	if host == tlsHost {
		name = "secure"
	}
	if path != "/" {
		name += "-api"
	}
	return name
}

func firstRoutes() routes {
	r := routes{plainHost: {}, tlsHost: {}}
	for host, of := range r {
		for _, path := range paths {
			of[path] = firstService(host, path)
		}
	}
	return r
}

// ingress is that of a host under load.
func (s *demo) ingress(r routes, host string) fixture.Object {
	secret := ""
	if host == tlsHost {
		secret = tlsHost
	}
	var list []fixture.Route
	for _, path := range paths {
		list = append(list, fixture.Route{Path: path, Service: r[host][path]})
	}
	return s.objects.Ingress(host, host, secret, list...)
}

// show makes changes under load for some time and prints what came of it. Its
// error says that a client noticed.
func (s *demo) show(ctx context.Context, length time.Duration) error {
	clients := s.clients()
	fmt.Printf("%d clients ask all the time (HTTP/1.1 keep-alive, HTTP/2, WebSocket; half of them over TLS) while manifests change for %s ...\n",
		len(clients), length.Round(time.Second))
	loadContext, cancel := context.WithCancel(ctx)
	defer cancel()
	clientLoad := load.Start(loadContext, clients...)
	select {
	case <-clientLoad.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	sc := &scene{demo: s, ctx: ctx, routes: firstRoutes(), timing: map[string]*times{}}
	err := sc.play(time.Now().Add(length))
	cancel()
	results := clientLoad.Wait()
	sc.print(os.Stdout, results)
	return errors.Join(err, results.Disturbed())
}

// play repeats the changes until end.
func (s *scene) play(end time.Time) error {
	for round := 1; ; round++ {
		for _, change := range []func(int) error{s.addIngress, s.movePath, s.rollPods, s.rotate, s.rename, s.addTLSHost, s.removeHosts} {
			if err := change(round); err != nil {
				return err
			}
			if s.ctx.Err() != nil {
				return s.ctx.Err()
			}
		}
		if time.Now().After(end) {
			return nil
		}
	}
}

// change writes files and waits until Envoy runs what they say.
func (s *scene) change(kind string, write func() error) error {
	begin := time.Now()
	if err := write(); err != nil {
		return err
	}
	if err := s.landed(s.ctx); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if s.timing[kind] == nil {
		s.timing[kind] = &times{}
		s.order = append(s.order, kind)
	}
	*s.timing[kind] = append(*s.timing[kind], time.Since(begin))
	return nil
}

// service makes a Service of a new name.
func (s *scene) service() (name string, objects []fixture.Object, err error) {
	s.named++
	name = fmt.Sprintf("s%d", s.named)
	objects, err = s.objects.Service(name, 2)
	return name, objects, err
}

func extraHost(round int) string { return fmt.Sprintf("extra-%d.localhost", round) }

func extraTLSHost(round int) string { return fmt.Sprintf("extra-tls-%d.localhost", round) }

// addIngress adds a host.
func (s *scene) addIngress(round int) error {
	host := extraHost(round)
	return s.change("Ingress added", func() error {
		return s.folder.apply(s.objects.Ingress("extra", host, "", fixture.Route{Path: "/", Service: sharedService}))
	})
}

// movePath leads a path of a host under load to a new Service, and deletes the
// old one in the same moment.
func (s *scene) movePath(round int) error {
	for _, host := range []string{plainHost, tlsHost} {
		path := paths[round%len(paths)]
		old := s.routes[host][path]
		name, objects, err := s.service()
		if err != nil {
			return err
		}
		s.routes[host][path] = name
		s.timeline.Allow(host, path, answer(name))
		gone, kill := s.objects.Remove(old)
		err = s.change("path moved, old Service deleted", func() error {
			return errors.Join(s.folder.delete(gone...), s.folder.apply(append(objects, s.ingress(s.routes, host))...))
		})
		if err != nil {
			return err
		}
		s.timeline.Only(host, path, answer(name))
		kill()
	}
	return nil
}

// rollPods replaces the pods of a Service under load.
func (s *scene) rollPods(round int) error {
	service := s.routes[plainHost][paths[(round+1)%len(paths)]]
	slice, err := s.objects.Roll(service)
	if err != nil {
		return err
	}
	if err := s.change("endpoints replaced, old ones terminating", func() error { return s.folder.apply(slice) }); err != nil {
		return err
	}
	slice, kill := s.objects.Reap(service)
	if err := s.change("terminated endpoints removed", func() error { return s.folder.apply(slice) }); err != nil {
		return err
	}
	kill()
	return nil
}

// rotate gives the TLS host a new certificate.
func (s *scene) rotate(int) error {
	secret, err := s.objects.Secret(s.authority, tlsHost, tlsHost)
	if err != nil {
		return err
	}
	return s.change("certificate rotated", func() error { return s.folder.apply(secret) })
}

// rename gives a host another name.
func (s *scene) rename(round int) error {
	host := "renamed-" + extraHost(round)
	return s.change("host renamed", func() error {
		return s.folder.apply(s.objects.Ingress("extra", host, "", fixture.Route{Path: "/", Service: sharedService}))
	})
}

// addTLSHost adds a host with a certificate of its own.
func (s *scene) addTLSHost(round int) error {
	host := extraTLSHost(round)
	secret, err := s.objects.Secret(s.authority, "extra-tls", host)
	if err != nil {
		return err
	}
	return s.change("TLS host added", func() error {
		return s.folder.apply(secret, s.objects.Ingress("extra-tls", host, "extra-tls", fixture.Route{Path: "/", Service: sharedService}))
	})
}

// removeHosts removes what the round added.
func (s *scene) removeHosts(round int) error {
	for _, one := range []struct{ kind, name, host string }{
		{"TLS host removed", "extra-tls", extraTLSHost(round)},
		{"Ingress deleted", "extra", extraHost(round)},
	} {
		if err := s.change(one.kind, func() error { return s.folder.delete(s.objects.Ingress(one.name, one.host, "")) }); err != nil {
			return err
		}
	}
	return nil
}
