package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/controller"
	"legation.dev/inspect"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/ui"
	"legation.dev/watcher/status"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/fleet"
	"legation.dev/xds/history"
	"legation.dev/xds/identity"
	"legation.dev/xds/observed"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// shutdownTime bounds how long a client that does not read its stream can delay
// shutdown. The streams of Envoys end immediately.
const shutdownTime = time.Second

// serving is a running Legation: it translates the objects of a source, stores the
// result and serves it to Envoys.
type serving struct {
	source       *source
	stored       *stored // nil without --state
	last         past    // what it begins with
	identity     string  // of the source
	publish      publishFlags
	namespaces   []string // the namespaces to read; none means all
	controllers  []string // --controller-class
	allowEmpty   bool     // --allow-empty
	ready        *readiness
	xds          net.Listener
	admin, debug net.Listener // each may be nil
	page         net.Listener // may be nil
	pageFlags    pageFlags
	peers        string           // --peers
	folder       *identity.Folder // nil: no TLS
	age          time.Duration    // maximum age of a connection; 0: no maximum
	history      int
	book         *history.Book // nil: an empty one
	log          *slog.Logger
	level        *slog.LevelVar // of log
}

// run serves until ctx is cancelled or one component fails. It returns nil when ctx
// was cancelled, else the error of the component that failed first. Once it serves,
// it owns the listeners and closes them. All its goroutines have ended when it
// returns.
func (s *serving) run(ctx context.Context) error {
	standIn, err := standInCertificate()
	if err != nil {
		return err
	}
	snapshots, fleets := s.versions(), fleet.New(fleet.Config{})
	s.ready = newReadiness(snapshots, s.allowEmpty)
	traffic := observed.New(observed.Config{Known: server.Known(snapshots)})
	watch := s.problems(fleets, traffic)
	held, ordered := new(heldNow), new(controller.Orders)
	here := newThisReplica(s.identity, ordered, s.log)
	inspection := &admin.Service{Instance: here.instance, Fleets: fleets, Store: snapshots, Book: s.book, Wrong: watch.Of, Held: held.messages, Observed: traffic, Unwell: s.unwell}
	peers, err := admin.NewPeers(inspection, s.peers, dialCredentials(s.folder))
	if err != nil {
		return err
	}
	defer peers.Close()
	inspection.Peers = peers
	gate := s.gate()
	orders := s.orders(ordered, inspection.Instance, peers)
	xds := server.New(server.Config{Store: snapshots, Fleets: fleets, Log: s.log, Services: func(to grpc.ServiceRegistrar) { inspection.Register(to); orders.Register(to); s.register(to, here) }, Waiting: s.waiting,
		Gate: gate, Limits: server.Limits{Age: maxAge(s.age)}, Observed: traffic})
	answers := s.answering(inspection, snapshots, watch)
	writer, err := s.writer(ordered, answers)
	if err != nil {
		return err
	}
	passes := newPassMetrics()
	loop := &controller.Loop{Source: s.source, Used: s.source.used, StandIn: standIn, Publish: publisher(snapshots, s.book, s.log), Observe: passes.observe, Orders: ordered, Held: func(h controller.Holds) { held.take(h); here.take(h); s.keep(h.View()) },
		Report: func(r translator.Result) { answers.Report(r); s.ready.Report(r); s.report(r, watch) }}
	g, ctx := errgroup.WithContext(ctx)
	s.write(ctx, g, writer, watch)
	s.exchange(ctx, g, here, peers)
	s.follow(ctx, g, loop)
	g.Go(func() error { return xds.Serve(s.xds) })
	metrics := append(s.optional(writer, gate), append(passes.collectors(), held, sourceMetrics{s.source}, streamMetrics{xds}, trafficMetrics{traffic},
		inspect.Metrics{Result: answers.Result, Problems: watch.All, Store: snapshots, Fleets: fleets, Envoys: inspect.LocalEnvoys(inspection)})...)
	s.serveAdmin(ctx, g, snapshots, metrics)
	s.servePage(ctx, g, gate, &ui.Pages{Admin: inspection, Store: snapshots, Fleets: fleets, Problems: watch, Result: answers.Result, Live: answers.Live})
	g.Go(func() error { s.shutDown(ctx, xds); return nil })
	return g.Wait()
}

// problems is what is wrong by all that is known here.
func (s *serving) problems(fleets *fleet.Registry, traffic *observed.Book) *inspect.Problems {
	p := inspect.NewProblems(s.log, fleets, traffic.Closing)
	p.Turnover = s.source.turnover
	return p
}

// follow reads the source, what an earlier process has left, and the files of the wire, and
// keeps what was read for the next process, until ctx ends.
func (s *serving) follow(ctx context.Context, g *errgroup.Group, loop *controller.Loop) {
	kept, ended := context.WithCancel(context.WithoutCancel(ctx)) // so that the last that was read is kept, too
	loop.Last, s.last = s.last.view, past{}
	if s.stored != nil {
		s.stored.source, s.stored.last = s.source, input.View{}
		loop.ColdStart = s.stored.coldStart
		g.Go(func() error { s.stored.Run(kept); return nil })
	} else {
		g.Go(func() error { s.book.Run(ctx); return nil })
	}
	if s.source.run != nil {
		g.Go(func() error { return unlessEnded(ctx, s.source.run(ctx)) })
	}
	g.Go(func() error {
		defer ended()
		return unlessEnded(ctx, loop.Run(ctx))
	})
	if s.folder != nil {
		g.Go(func() error { return unlessEnded(ctx, s.folder.Run(ctx)) })
	}
}

// write writes to Kubernetes until ctx ends, if this process is to.
func (s *serving) write(ctx context.Context, g *errgroup.Group, writer *status.Writer, watch *inspect.Problems) {
	g.Go(func() error { watch.Run(ctx); return nil })
	if writer == nil {
		return
	}
	watch.Tell = func(r translator.Result, list []finding.Problem) { writer.Report(stateOf(r, list, s.publish.takeOver)) }
	g.Go(func() error { return unlessEnded(ctx, writer.Run(ctx)) })
}

// writer writes addresses and Events; nil if nothing is written.
func (s *serving) writer(ordered *controller.Orders, answers *inspect.Served) (*status.Writer, error) {
	s.publish.orders = func() []status.Order { return toldOf(ordered.Past()) }
	return s.publish.writer(s.source.rest, s.namespaces, answers.Acknowledged, s.log)
}

// register adds what other replicas ask, if it can be told who asks.
func (s *serving) register(to grpc.ServiceRegistrar, here *thisReplica) {
	if s.folder != nil {
		here.service().Register(to)
	}
}

// exchange asks the other replicas how they stand, until ctx ends.
func (s *serving) exchange(ctx context.Context, g *errgroup.Group, here *thisReplica, peers *admin.Peers) {
	for _, o := range s.last.orders {
		here.orders.Remember(o)
	}
	if s.folder != nil && s.peers != "" {
		g.Go(func() error { here.exchange(ctx, peers); return nil })
	}
}

// gate lets clients in by their certificates; nil without TLS.
func (s *serving) gate() *identity.Gate {
	if s.folder == nil {
		return nil
	}
	return identity.NewGate(s.folder, s.log)
}

// report hands on what was read: to those who tell people and Kubernetes what is wrong, and
// to the next process. Of what was only stored, nothing is told: what is missing there may
// be in the source, as Secrets are.
func (s *serving) report(r translator.Result, watch *inspect.Problems) {
	if !r.View().Stored().IsZero() {
		return
	}
	watch.Report(r)
}

// keep leaves a View to be stored.
func (s *serving) keep(v input.View) {
	if s.stored != nil {
		s.stored.Offer(v)
	}
}

// unwell is what cannot be stored, and what cannot be read, as /readyz says it, too.
func (s *serving) unwell() (list []string) {
	if s.stored != nil {
		list = s.stored.unwell()
	}
	return append(list, s.waiting()...)
}

// answering has the admin service tell of objects by the newest result: no answer waits for
// the loop, and the loop for none.
func (s *serving) answering(inspection *admin.Service, snapshots *store.Store, watch *inspect.Problems) *inspect.Served {
	answers := &inspect.Served{Peers: inspection.Peers, Admin: inspection, Problems: watch}
	newest := answers.Result
	inspection.Answers = admin.Answers{
		Certificates: func(fleet, host string) []*adminv1.Certificate {
			return inspect.Certificates(newest(), func(name string) snapshot.Snapshot { v, _ := snapshots.Watch(name); return v.Snapshot }, fleet, host)
		},
		Plan: func(manifests []byte, deleted []string) (*adminv1.PlanResponse, error) {
			return inspect.Plan(newest(), manifests, deleted, s.controllers, time.Now())
		},
		Elsewhere: func(namespace string) []*adminv1.Elsewhere { return inspect.Elsewhere(newest(), namespace) },
		Unknown:   answers.Unknown,
		Why: func(ctx context.Context, r *adminv1.WhyRequest) ([]*structpb.Struct, []*adminv1.Replica, error) {
			return answers.Why(ctx, r, time.Now())
		}}
	return answers
}

// orders is the service by which approvers change what is served.
func (s *serving) orders(to *controller.Orders, instance string, peers *admin.Peers) *admin.Orders {
	o := &admin.Orders{Instance: instance, Peers: peers, Do: admin.Do{
		Approve: func(ctx context.Context, o *adminv1.Order, digest string) error {
			given := givenBy(o)
			given.Digest = digest
			return to.Do(ctx, controller.Approve(given))
		},
		Pause:  func(ctx context.Context, o *adminv1.Order) error { return to.Do(ctx, controller.Pause(givenBy(o))) },
		Resume: func(ctx context.Context, o *adminv1.Order) error { return to.Do(ctx, controller.Resume(givenBy(o))) }}}
	if s.folder != nil {
		o.Client = func(ctx context.Context) (string, bool) {
			c, _ := identity.ClientOf(ctx)
			return c.Subject, c.Names.Approver
		}
	}
	return o
}

// givenBy is an order as the loop takes it.
func givenBy(o *adminv1.Order) controller.Given {
	return controller.Given{ID: o.GetId(), Fleet: o.GetFleet(), By: o.GetBy(), Reason: o.GetReason()}
}

// optional returns the metrics of the components that flags can turn off: the status
// writer, mutual TLS, and the folder of --state.
func (s *serving) optional(writer *status.Writer, gate *identity.Gate) (list []prometheus.Collector) {
	if writer != nil {
		list = append(list, statusMetrics{writer})
	}
	if gate != nil {
		list = append(list, wireMetrics{s.folder, gate})
	}
	if s.stored != nil {
		list = append(list, stateMetrics{s.stored.Folder})
	}
	return list
}

// shutDown ends the streams of Envoys when ctx ends.
func (s *serving) shutDown(ctx context.Context, xds *server.Server) {
	<-ctx.Done()
	s.log.Info("shutting down")
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	xds.Shutdown(limit)
}

// waiting describes what the source still waits for, and what was not there when it was
// read, one line for each condition.
func (s *serving) waiting() (list []string) {
	for _, c := range s.source.waiting() {
		list = append(list, c.String())
	}
	return append(list, s.ready.missing()...)
}

// serveAdmin answers probes and Prometheus, and whoever may use the debug socket, until ctx
// ends.
func (s *serving) serveAdmin(ctx context.Context, g *errgroup.Group, snapshots *store.Store, list []prometheus.Collector) {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics.MustRegister(list...)
	h := admin.HTTP{Ready: s.ready.reached, Waiting: s.waiting, Stored: snapshots.Stored, Metrics: metrics, Level: s.level}
	if s.admin != nil {
		g.Go(func() error { return serveHTTP(ctx, h.Server(), s.admin) })
	}
	if s.debug != nil {
		g.Go(func() error { return serveHTTP(ctx, h.Debug(), s.debug) })
	}
}

// servePage serves browsers, until ctx ends.
func (s *serving) servePage(ctx context.Context, g *errgroup.Group, gate *identity.Gate, p *ui.Pages) {
	if s.page == nil {
		return
	}
	door, link := s.pageFlags.door(s.page, s.folder, gate)
	p.Door, p.Ended, p.Log = door, ctx.Done(), s.log
	// A token in the address is for who reads the log of a process of this machine.
	s.log.Info("page", "open", link)
	g.Go(func() error { return serveHTTP(ctx, p.Server(), s.page) })
}

// serveHTTP serves on l until ctx ends.
func serveHTTP(ctx context.Context, h *http.Server, l net.Listener) error {
	ended := context.AfterFunc(ctx, func() { _ = h.Close() }) // probes and scrapes may be cut
	defer ended()
	serve := h.Serve
	if h.TLSConfig != nil {
		serve = func(l net.Listener) error { return h.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// instance is a name that no other replica has. In a pod it begins with the name of
// the pod, which is its host name.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + rand.Text()[:4]
}

// unlessEnded returns nil if ctx has ended, else err: a component that stops because
// of a shutdown has not failed.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// standInCertificate makes the self-signed certificate for hosts whose Secret was
// never found.
func standInCertificate() (*input.Secret, error) {
	c, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		return nil, err
	}
	return input.Seal(&input.Secret{Meta: input.Meta{Name: "stand-in"}, Certificate: c.Certificate, Key: c.Key}), nil
}
