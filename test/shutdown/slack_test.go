//go:build real

package shutdown

import (
	"sync/atomic"
	"testing"
	"time"
)

const (
	// onTime is how much later than due an end may come.
	onTime = time.Second
	// turns is how often one process waits for another, from the last look before
	// an end is due up to the end: questions, answers, the order, the exit.
	turns = 10
)

// slackOf measures, from now to the end of the test, how late at worst this machine
// wakes who is to run, since others use it, too. What it returns is how much later than
// due an end may come: onTime on a machine of its own.
func slackOf(t *testing.T) func() time.Duration {
	var worst atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		const nap = 5 * time.Millisecond
		timer := time.NewTimer(nap)
		defer timer.Stop()
		for begin := time.Now(); ; begin = time.Now() {
			select {
			case <-timer.C:
			case <-stop:
				return
			}
			worst.Store(max(worst.Load(), int64(time.Since(begin)-nap))) // the only writer
			timer.Reset(nap)
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return func() time.Duration {
		return onTime + turns*time.Duration(worst.Load())
	}
}
