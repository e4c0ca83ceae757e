// Package clients plays the Envoys of a benchmark, in a process of their own.
//
// One of them, the first, loads its configuration as a fresh Envoy does. The
// others come with what it has, as Envoys do that reconnect: a thousand first
// loads of 10,000 Services would measure the loopback interface. Each is one
// delta ADS stream on a connection of its own and accepts what it is sent.
//
// Start reading at Clients.Load, Clients.Connect and Clients.Await, which are called
// by net/rpc.
package clients

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"legation.dev/test/bench/proc"
	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// Clients is all Envoys of one server. Its methods are for one caller at a time.
type Clients struct {
	meter  *proc.Meter
	target LoadArgs
	tls    credentials.TransportCredentials // nil without
	held   state                            // what the first Envoy has; guarded by its mutex while it runs
	index  index

	envoys []*envoy
	wait   sync.WaitGroup
	totals totals
}

// totals are added to by all Envoys.
type totals struct {
	responses, resources, removed, bytes, arrivals atomic.Int64

	mu  sync.Mutex // guards err
	err error      // why the first stream ended that nobody closed
}

func (t *totals) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

func (t *totals) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// New makes an empty Clients.
func New() *Clients { return &Clients{meter: proc.NewMeter()} }

// LoadArgs is where the server is and what a whole configuration is.
type LoadArgs struct {
	Address string
	Fleet   string // node.cluster
	Pair    string // the folder of their pair, of mutual TLS; empty without TLS
	Named   Named
	Expect  [snapshot.NumTypes]int // resources of each type
}

// Received is what the Envoys were sent.
type Received struct {
	Took                                 time.Duration
	Responses, Resources, Removed, Bytes int64
}

// Load connects one fresh Envoy and waits until it has everything.
func (c *Clients) Load(args LoadArgs, reply *Received) error {
	c.target, c.held = args, newState()
	if args.Pair != "" {
		f, err := identity.Open(args.Pair, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		c.tls = identity.Dial(f)
	}
	start := proc.Now()
	e, err := c.dial(0, loadFresh)
	if err != nil {
		return err
	}
	if err := c.poll(e.loaded); err != nil {
		return fmt.Errorf("loading: %w; it has %s", err, e.counts())
	}
	*reply = c.received(proc.Now() - start)
	c.index = indexOf(c.held)
	return nil
}

// AimArgs is a server that answers nothing to first requests.
type AimArgs struct {
	Address string
	Fleet   string
	Type    snapshot.Type
	Name    string // of the one resource that is going to come
}

// Aim sets the server without loading anything from it; Envoys that Connect
// then report nothing and ask for nothing.
func (c *Clients) Aim(args AimArgs, _ *struct{}) error {
	c.target, c.held = LoadArgs{Address: args.Address, Fleet: args.Fleet}, newState()
	one := newState()
	one[args.Type][args.Name] = ""
	c.index = indexOf(one)
	return nil
}

// ConnectArgs says how many Envoys are wanted.
type ConnectArgs struct{ Envoys int }

// Connected says when Envoys began to connect, and how long it took.
type Connected struct{ Start, Took time.Duration }

// Connect ends all streams and connects that many Envoys, which report what the
// first one has. It returns when all that they say is sent: what the server
// makes of it is to be waited for. Took is the time since Start.
func (c *Clients) Connect(args ConnectArgs, reply *Connected) error {
	var none struct{}
	if err := c.Close(none, &none); err != nil {
		return err
	}
	start := proc.Now()
	first := c.held.requests()
	errs := make([]error, args.Envoys)
	c.envoys = make([]*envoy, args.Envoys)
	const dialers = 16 // at the same time; the rest of the clients follows at once
	var turn atomic.Int64
	var wait sync.WaitGroup
	for range min(dialers, args.Envoys) {
		wait.Go(func() {
			for i := int(turn.Add(1)) - 1; i < args.Envoys; i = int(turn.Add(1)) - 1 {
				c.envoys[i], errs[i] = c.open(i, reconnect(first))
			}
		})
	}
	wait.Wait()
	c.envoys = slices.DeleteFunc(c.envoys, func(e *envoy) bool { return e == nil })
	if err := errors.Join(errs...); err != nil {
		return err
	}
	err := c.poll(func() bool { return !slices.ContainsFunc(c.envoys, func(e *envoy) bool { return !e.conn.Drained() }) })
	*reply = Connected{Start: start, Took: proc.Now() - start}
	return err
}

func (c *Clients) dial(i int, hello greeting) (*envoy, error) {
	e, err := c.open(i, hello)
	if err != nil {
		return nil, err
	}
	c.envoys = []*envoy{e}
	return e, nil
}

// Reset forgets what has arrived so far.
func (c *Clients) Reset(struct{}, *struct{}) error {
	for _, e := range c.envoys {
		e.forget()
	}
	t := &c.totals
	for _, n := range []*atomic.Int64{&t.responses, &t.resources, &t.removed, &t.bytes, &t.arrivals} {
		n.Store(0)
	}
	return nil
}

// Received is what all Envoys got since the last Reset.
func (c *Clients) Received(_ struct{}, reply *Received) error {
	*reply = c.received(0)
	return c.totals.failure()
}

func (c *Clients) received(took time.Duration) Received {
	t := &c.totals
	return Received{Took: took, Responses: t.responses.Load(), Resources: t.resources.Load(),
		Removed: t.removed.Load(), Bytes: t.bytes.Load()}
}

// Usage is that of this process.
func (c *Clients) Usage(_ struct{}, reply *proc.Usage) error {
	*reply = c.meter.Read(false)
	return nil
}

// Settle waits until this process has nothing left to do.
func (c *Clients) Settle(_ struct{}, _ *struct{}) error {
	proc.Settle()
	return nil
}

// Close ends all streams.
func (c *Clients) Close(struct{}, *struct{}) error {
	for _, e := range c.envoys {
		e.close()
	}
	c.wait.Wait()
	c.envoys = nil
	return c.totals.failure()
}

// patience bounds a wait. It is no measurement: a server that is that slow is
// reported as such.
const patience = 3 * time.Minute

// poll waits until done, the end of a stream or the end of patience. The times
// that are measured are taken by the Envoys, not here.
func (c *Clients) poll(done func() bool) error {
	for end := proc.Now() + patience; !done(); time.Sleep(time.Millisecond) {
		if err := c.totals.failure(); err != nil {
			return err
		}
		if proc.Now() > end {
			return fmt.Errorf("nothing came for %v", patience)
		}
	}
	return nil
}
