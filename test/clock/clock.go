// Package clock makes times as a machine reads them whose wall clock was set.
//
// A time.Time that time.Now returns has two readings: that of the wall clock, which
// people and time servers set, and a monotonic one, which nobody sets. Code that
// waits must go by the second. A test cannot set the clock of the machine; it can
// set that of a time.
package clock

import (
	"fmt"
	"time"
	"unsafe"
)

// Set is t, which must come from time.Now, as it is when the wall clock was set
// forward by d in whole seconds, or back, just before: its monotonic reading is that
// of t. It panics if it cannot be: time.Time has other fields by then.
func Set(t time.Time, d time.Duration) time.Time {
	const nsecBits = 30 // the seconds of the wall clock begin above, see time.Time
	set := t
	fields := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&set))
	fields.wall += uint64(int64(d/time.Second)) << nsecBits
	if set.Sub(t) != 0 || set.UnixNano()-t.UnixNano() != int64(d) {
		panic(fmt.Sprintf("%v, set by %v, became %v", t, d, set))
	}
	return set
}
