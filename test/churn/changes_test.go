//go:build real

package churn

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/xds/snapshot"
)

// kind is a kind of change. make returns nil if none fits now.
type kind struct {
	name   string
	weight int  // how often it is drawn
	loaded bool // it concerns a host under load
	make   func(*driver) *effect
	// shared says that it changes what all hosts have in common: the settings of the
	// class, or a listener.
	shared bool
}

var kinds = []kind{
	{"path moved, old Service deleted", 16, true, move, false},
	{"pods rolled", 16, true, roll, false},
	{"certificate rotated", 8, true, rotate, false},
	{"certificate broken", 2, true, breakSecret, false},
	{"Service setting changed", 6, true, tuneService, false},
	{"Ingress setting changed", 6, true, tuneIngress, false},
	{"Service gone and back", 4, true, vanish, false},
	{"path added to a host", 6, true, addPath, false},
	{"class setting changed", 1, true, tuneClass, true},
	{"class settings gone and back", 1, true, freeze, true},
	{"host added", 6, false, addHost, false},
	{"TLS host added", 4, false, addTLSHost, true},
	{"host removed", 8, false, removeHost, true},
	{"host renamed", 4, false, rename, false},
	{"Ingress without Service", 2, false, addOrphan, false},
	{"Service of nobody", 2, false, addStray, false},
}

// totalWeight is the sum of the weights of the kinds that are drawn.
func (d *driver) totalWeight() (sum int) {
	for _, k := range d.kinds {
		sum += k.weight
	}
	return sum
}

// free is a random host under load whose routes do not change just now; nil if
// the drawn one's do.
func (d *driver) free() *host {
	h := d.hosts[d.rng.IntN(len(d.hosts))]
	if h.busy {
		return nil
	}
	return h
}

// tls is a random TLS host under load.
func (d *driver) tls() *host {
	half := len(d.hosts) / 2
	return d.hosts[half+d.rng.IntN(len(d.hosts)-half)]
}

func (d *driver) path() string { return paths[d.rng.IntN(len(paths))] }

// until marks h as busy until landed is called.
func (h *host) until() (landed func()) {
	h.busy = true
	return func() { h.busy = false }
}

// move leads a path of a host to a new Service and deletes the old one, before
// or after.
func move(d *driver) *effect {
	h := d.free()
	if h == nil {
		return nil
	}
	path, done := d.path(), h.until()
	old := h.services[path]
	var objects []fixture.Object
	h.services[path] = d.service(&objects)
	claims := d.allow(claim{h.name, path, answerOf(h.services[path])})
	gone, kill := d.backends.Remove(old)
	first := d.rng.IntN(2) == 0
	if first {
		d.Delete(gone...)
	}
	number := d.Apply(append(objects, d.ingress(h))...)
	if !first {
		number = d.Delete(gone...)
	}
	return &effect{change: number, concerns: routesOf(h.name), claims: claims, landed: func() {
		done()
		kill()
	}}
}

// roll replaces the pods of a Service; the old ones terminate, then go.
func roll(d *driver) *effect {
	h := d.free()
	if h == nil {
		return nil
	}
	service, done := h.services[d.path()], h.until()
	slice, err := d.backends.Roll(service)
	if err != nil {
		d.t.Fatal(err)
	}
	return &effect{change: d.Apply(slice), concerns: podsOf(service), landed: func() {
		slice, kill := d.backends.Reap(service)
		d.pending = append(d.pending, &effect{change: d.Apply(slice), concerns: podsOf(service), landed: func() {
			done()
			kill()
		}})
	}}
}

// rotate gives a TLS host a new certificate, which new connections must see.
func rotate(d *driver) *effect {
	h := d.tls()
	secret := d.certificate(h)
	d.latest[h.name] = secret
	return &effect{change: d.Apply(secret), concerns: tlsOf(h.name), landed: func() {
		if d.latest[h.name] == secret {
			d.probeTLS(h.name, secret.Data[corev1.TLSCertKey])
			d.shown[h.name] = secret
		}
	}}
}

// breakSecret makes the Secret of a TLS host unusable; its last good certificate
// stays. That is one which was seen: of two changes that come together only the
// last one is.
func breakSecret(d *driver) *effect {
	h := d.tls()
	good := d.latest[h.name]
	if good == nil || d.shown[h.name] != good {
		return nil
	}
	broken := good.DeepCopy()
	broken.Data[corev1.TLSPrivateKeyKey] = broken.Data[corev1.TLSPrivateKeyKey][:40]
	return &effect{change: d.Apply(broken), concerns: tlsOf(h.name), landed: func() {
		if d.latest[h.name] == good {
			d.probeTLS(h.name, good.Data[corev1.TLSCertKey])
		}
	}}
}

// tuneService changes a setting on a Service: its cluster changes in place.
func tuneService(d *driver) *effect {
	h := d.free()
	if h == nil {
		return nil
	}
	name := h.services[d.path()]
	service, _ := d.backends.Objects(name)
	service.Annotations = map[string]string{"legation.dev/upstream-idle-timeout": fmt.Sprintf("%dms", 500+d.rng.IntN(1000))}
	if d.rng.IntN(3) == 0 {
		h2c := "kubernetes.io/h2c"
		service.Spec.Ports[0].AppProtocol = &h2c
	}
	return &effect{change: d.Apply(service), concerns: clustersOf(name), landed: h.until()}
}

// tuneIngress changes a setting on an Ingress: its paths lead to other clusters.
func tuneIngress(d *driver) *effect {
	h := d.free()
	if h == nil {
		return nil
	}
	h.annotations = map[string]string{"legation.dev/upstream-connect-timeout": fmt.Sprintf("%ds", 5+d.rng.IntN(3))}
	if d.rng.IntN(4) == 0 {
		h.annotations = nil
	}
	return &effect{change: d.Apply(d.ingress(h)), concerns: routesOf(h.name), landed: h.until()}
}

// vanish deletes a Service under load and restores it: Envoy keeps what it has
// meanwhile and is sent nothing.
func vanish(d *driver) *effect {
	h := d.free()
	if h == nil {
		return nil
	}
	name, done := h.services[d.path()], h.until()
	service, slice := d.backends.Objects(name)
	return &effect{change: d.Delete(service, slice), concerns: nothing, landed: func() {
		d.pending = append(d.pending, &effect{change: d.Apply(slice, service), concerns: podsOf(name), landed: done})
	}}
}

// addPath adds an Ingress with one more path of a host under load.
func addPath(d *driver) *effect {
	h := d.free()
	if h == nil || h.secret != "" { // probes are plain
		return nil
	}
	name := d.name("p")
	var objects []fixture.Object
	service, done := d.service(&objects), h.until()
	ingress := d.backends.Ingress(name, h.name, "", fixture.Route{Path: "/" + name, Service: service})
	return &effect{change: d.Apply(append(objects, ingress)...), concerns: routesOf(h.name), landed: func() {
		done()
		d.probe(h.name, "/"+name, answerOf(service))
	}}
}

// tuneClass changes a setting of the class: all hosts and clusters change.
func tuneClass(d *driver) *effect {
	return &effect{change: d.Settings(map[string]string{"idle-timeout": fmt.Sprintf("%ds", 30+d.rng.IntN(60)),
		"max-connections": fmt.Sprint(10000 + d.rng.IntN(3))}), concerns: nothing}
}

// freeze takes the settings of the class away and restores them.
func freeze(d *driver) *effect {
	if d.frozen {
		return nil
	}
	d.frozen = true
	settings := &corev1.ConfigMap{}
	settings.Namespace, settings.Name = inprocess.Namespace, inprocess.Class
	return &effect{change: d.Delete(settings), concerns: nothing, freezes: true, landed: d.thaw}
}

// thaw restores the settings of the class, if they are away. Probes do so, too:
// they wait for hosts that came meanwhile.
func (d *driver) thaw() {
	if d.frozen {
		d.frozen = false
		d.thawed = d.Settings(nil)
	}
}

func (d *driver) name(prefix string) string {
	d.names++
	return fmt.Sprint(prefix, d.names)
}

func addHost(d *driver) *effect { return d.add(false) }

func addTLSHost(d *driver) *effect { return d.add(true) }

// add adds a host that is not under load.
func (d *driver) add(tls bool) *effect {
	h := &host{name: d.name("x") + ".test", services: map[string]string{}, busy: true}
	var objects []fixture.Object
	for _, path := range paths {
		h.services[path] = d.service(&objects)
	}
	concerns := routesOf(h.name)
	if tls {
		h.secret = h.name
		secret := d.certificate(h)
		objects = append(objects, secret)
		concerns = either(concerns, tlsOf(h.name))
	}
	d.extras = append(d.extras, h)
	return &effect{change: d.Apply(append(objects, d.ingress(h))...), concerns: concerns, landed: func() {
		h.busy = false
		d.probeHost(h)
	}}
}

// extra takes a host out of the extras; nil if the drawn one changes just now.
func (d *driver) extra() *host {
	if len(d.extras) == 0 {
		return nil
	}
	i := d.rng.IntN(len(d.extras))
	h := d.extras[i]
	if h.busy {
		return nil
	}
	d.extras = append(d.extras[:i:i], d.extras[i+1:]...)
	return h
}

// removeHost deletes all of a host that is not under load at once.
func removeHost(d *driver) *effect {
	h := d.extra()
	if h == nil {
		return nil
	}
	gone := []fixture.Object{d.ingress(h)}
	var kills []func()
	for _, path := range paths {
		objects, kill := d.backends.Remove(h.services[path])
		gone, kills = append(gone, objects...), append(kills, kill)
	}
	if h.secret != "" {
		gone = append(gone, d.certificate(h))
	}
	return &effect{change: d.Delete(gone...), concerns: either(routesOf(h.host()), tlsOf(h.name)), landed: func() {
		for _, kill := range kills {
			kill()
		}
	}}
}

// rename gives a plain host that is not under load another name.
func rename(d *driver) *effect {
	h := d.extra()
	if h == nil {
		return nil
	}
	d.extras = append(d.extras, h)
	if h.secret != "" {
		return nil
	}
	h.alias, h.busy = d.name("y")+".test", true
	return &effect{change: d.Apply(d.ingress(h)), concerns: routesOf(h.alias), landed: func() {
		h.busy = false
		d.probeHost(h)
	}}
}

// addOrphan adds an Ingress whose Service and Secret are not there.
func addOrphan(d *driver) *effect {
	name := d.name("z")
	o := d.backends.Ingress(name, name+".test", "", fixture.Route{Path: "/", Service: name})
	return &effect{change: d.Apply(o), concerns: func(r snapshot.Ref) bool { return r == vh(name+".test") }}
}

// addStray adds a Service that no Ingress names.
func addStray(d *driver) *effect {
	var objects []fixture.Object
	d.service(&objects)
	return &effect{change: d.Apply(objects...), concerns: nothing}
}
