// Package node tells when the node of this Envoy is about to leave, before its pods are told
// to end: those who take nodes away taint them first.
//
// It reads one Node of the API server, by drain/api, and writes nothing. While the API server
// is away, what was last known holds. It knows nothing of Envoy, and decides nothing but
// whether a Node leaves.
//
// Start reading at Follow; decode.go has what is read of a Node.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"legation.dev/drain/api"
)

// DefaultTaints are the keys of the taints by which a node leaves: of Cluster Autoscaler, of
// Karpenter, and of whoever knows that a node is gone for good.
var DefaultTaints = []string{"ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted", "node.kubernetes.io/out-of-service"}

const (
	// watchTime is after how long a watch ends by itself: then the Node is read anew, so nothing
	// that a watch missed lasts longer. Other questions take api.AskTime at most.
	watchTime = 4 * time.Minute
	// leastPause and mostPause are between two tries: a taint is to be known within 2 s of
	// the moment when the API server answers again.
	leastPause, mostPause = 100 * time.Millisecond, 1500 * time.Millisecond
)

// Config says which Node is followed. Name, API, Log and Tell are required.
type Config struct {
	Name     string      // of the Node
	API      *api.Client // has the right to get and to watch nodes; it is the follower's alone
	Taints   []string    // keys; any effect counts
	OnCordon bool        // whether a node leaves that takes no new pods
	Log      *slog.Logger
	// Tell hears why the node leaves, or an empty text: that it stays. Only what is new is
	// told; at first a node stays. It is called by one goroutine.
	Tell func(why string)
}

// Follow follows the Node until ctx ends.
func Follow(ctx context.Context, c Config) {
	f := &follower{Config: c}
	defer c.API.Close()
	for pause := leastPause; ; {
		began := time.Now()
		err := f.once(ctx)
		if ctx.Err() != nil {
			return
		}
		f.complain(err)
		if time.Since(began) > mostPause { // it has worked for a while
			pause = leastPause
		}
		if !api.Wait(ctx, pause+rand.N(pause/4)) {
			return
		}
		pause = min(2*pause, mostPause)
	}
}

// follower is a Follow. One goroutine owns it.
type follower struct {
	Config
	why    string // what was told last
	failed string // the last error that was logged
}

// once reads the Node and then what becomes of it, until the watch ends.
func (f *follower) once(ctx context.Context) error {
	version, err := f.read(ctx)
	if err != nil {
		return err
	}
	if f.failed != "" {
		f.failed = ""
		f.Log.Info("the node is followed", "node", f.Name)
	}
	return f.watch(ctx, version)
}

// complain logs an error once, as long as it is the same.
func (f *follower) complain(err error) {
	if err == nil || err.Error() == f.failed {
		return
	}
	f.failed = err.Error()
	f.Log.Warn("the node cannot be followed; what was last known of it holds", "node", f.Name, "leaving", f.why != "", "error", err)
}

// see takes in what the Node says now.
func (f *follower) see(n Node) {
	if why := n.Leaving(f.Taints, f.OnCordon); why != f.why {
		f.why = why
		f.Tell(why)
	}
}

// errNotIt is an answer about another Node.
var errNotIt = errors.New("the answer is about another object")

// read reads the Node, and says from which version on to watch it.
func (f *follower) read(ctx context.Context) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.AskTime)
	defer cancel()
	body, err := f.API.Get(ctx, "/api/v1/nodes/"+f.Name, nil)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := whole(body)
	if err != nil {
		return "", err
	}
	n, err := Decode(text)
	switch {
	case err != nil:
		return "", err
	case n.Name != f.Name:
		return "", errNotIt
	}
	f.see(n)
	return n.Version, nil
}

// watch follows the Node from a version on. It returns nil when the API server has ended the
// watch, as it does from time to time; the error says what else was wrong. Either way the Node
// is read anew then: so a version that is too old needs no rule of its own.
func (f *follower) watch(ctx context.Context, version string) error {
	ctx, cancel := context.WithTimeout(ctx, watchTime+api.AskTime)
	defer cancel()
	body, err := f.API.Get(ctx, "/api/v1/nodes", map[string]string{"watch": "true", "fieldSelector": "metadata.name=" + f.Name,
		"resourceVersion": version, "timeoutSeconds": fmt.Sprint(int(watchTime.Seconds()))})
	if err != nil {
		return err
	}
	defer body.Close()
	events := lines(body)
	for events.Scan() {
		e, err := DecodeEvent(events.Bytes())
		if err != nil {
			return err
		}
		if e.Deleted {
			f.Log.Info("the node is deleted; what was last known of it holds", "node", f.Name)
			return nil
		}
		if e.Node.Name != f.Name {
			return errNotIt
		}
		f.see(e.Node)
	}
	return events.Err()
}
