package main

import (
	"errors"

	"legation.dev/test/bench/cost"
	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
)

// translation measures a cold start and one change of each kind, at several
// numbers of Services.
func (b *bench) translation() error {
	for _, n := range b.options.sizes {
		if err := b.translate(world.Size{Services: n, Endpoints: b.options.endpoints}); err != nil {
			return err
		}
	}
	return nil
}

// translate measures one size in a process of its own, whose heap holds nothing
// else.
func (b *bench) translate(size world.Size) error {
	meter, err := proc.Start(b.ctx, roleCost)
	if err != nil {
		return err
	}
	var rows []cost.Cost
	err = meter.Call("Cost.Measure", cost.Args{Size: size, Times: 21}, &rows)
	b.results.Translation = append(b.results.Translation, rows...)
	return errors.Join(err, meter.Stop())
}
