package controller

import (
	"errors"
	"fmt"
	"time"

	"legation.dev/held"
	"legation.dev/translator/input"
)

var errNothingToHold = errors.New("there is nothing to hold")

// Hold keeps hosts of a fleet from going, since another replica holds their removal.
func Hold(fleet string, since time.Time, replica string) Order {
	return Order{cause: fmt.Sprintf("replica %s holds the removal of hosts of %s", replica, fleet), apply: func(v input.View, _ held.Clock) (input.View, error) {
		next, ok := v.HoldDeletion(fleet, since)
		if !ok {
			return v, errNothingToHold
		}
		return next, nil
	}}
}

// Other is another replica that has read the same, and holds something else.
type Other struct {
	Replica string
	// Read is the digest of what it has read. View does not have all of that: Secrets are not
	// handed on.
	Read string
	View input.View
	// First says that it is the older one: what both hold differently is as there.
	First bool
	// Ended is what somebody has ended here.
	Ended input.Ended
}

// Adopt takes over what another replica holds and this one does not. An error says that
// meanwhile one of them has read something else.
func Adopt(o Other) Order {
	return Order{cause: "what replica " + o.Replica + " holds", apply: func(v input.View, _ held.Clock) (input.View, error) {
		if v.ReadDigest().String() != o.Read {
			return v, errors.New("they have not read the same any more")
		}
		return v.Adopt(o.View, o.First, o.Ended), nil
	}}
}
