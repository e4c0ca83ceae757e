package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"legation.dev/translator/input"
)

// Order is what somebody who may asks of a running Loop. It is made by the functions of
// this file, and carried out by Orders.Do.
type Order struct {
	cause string
	apply func(input.View) (input.View, error)
	done  chan error
}

// Approve lets the hosts of a fleet go that are held, or wait. digest is that of the hold as
// it was shown, so that nobody approves what he has not seen; empty means whatever is held.
func Approve(fleet, digest, by, reason string) Order {
	return Order{cause: fmt.Sprintf("%s approved the removal of hosts: %s", by, reason), apply: func(v input.View) (input.View, error) {
		now, hosts := v.LeavingOf(fleet)
		switch {
		case hosts == 0:
			return v, fmt.Errorf("no host of fleet %q is held", fleet)
		case digest != "" && now.String() != digest:
			return v, errors.New("what is held is not what was shown any more: look again")
		}
		return v.Approve(fleet), nil
	}}
}

// Pause keeps routes, clusters and listeners of a fleet as they are.
func Pause(fleet, by, reason string) Order {
	return Order{cause: fmt.Sprintf("%s paused the fleet: %s", by, reason), apply: func(v input.View) (input.View, error) {
		return v.Pause(fleet, input.Pause{By: by, Reason: reason, Since: v.Time()})
	}}
}

// Resume ends a pause of a fleet.
func Resume(fleet, by, reason string) Order {
	return Order{cause: fmt.Sprintf("%s resumed the fleet: %s", by, reason), apply: func(v input.View) (input.View, error) {
		return v.Resume(fleet)
	}}
}

// Orders are those that a Loop has not carried out yet. The zero Orders is ready to use,
// and its methods may be called from any goroutine.
type Orders struct {
	mu      sync.Mutex // guards what follows
	pending []Order
	wake    func() // ends the wait of the Loop; nil if it does not wait
}

// Do has an order carried out and returns when what follows from it is published. An
// error says why it was not. If ctx ends first, it may be carried out all the same.
func (o *Orders) Do(ctx context.Context, order Order) error {
	order.done = make(chan error, 1)
	o.mu.Lock()
	o.pending = append(o.pending, order)
	if o.wake != nil {
		o.wake()
	}
	o.mu.Unlock()
	select {
	case err := <-order.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waiting calls wake when there is an order; nil for never.
func (o *Orders) waiting(wake func()) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake = wake; wake != nil && len(o.pending) > 0 {
		wake()
	}
}

// take returns the orders that have come.
func (o *Orders) take() []Order {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.pending
	o.pending = nil
	return list
}

// obeyed are orders that were carried out, or could not be.
type obeyed struct {
	orders []Order
	errs   []error  // of each
	causes []string // of those that were
}

// obey is v after orders.
func obey(v input.View, orders []Order) (input.View, obeyed) {
	o := obeyed{orders: orders, errs: make([]error, len(orders))}
	for i, order := range orders {
		if v, o.errs[i] = order.apply(v); o.errs[i] == nil {
			o.causes = append(o.causes, order.cause)
		}
	}
	return v, o
}

// answer tells those who wait, when what follows is published.
func (o obeyed) answer() {
	for i, order := range o.orders {
		order.done <- o.errs[i]
	}
}
