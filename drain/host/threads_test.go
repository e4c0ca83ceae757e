package host

import (
	"os"
	"runtime"
	"testing"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// burn has a thread with a name use so many seconds of CPU time, and keeps it until
// the test ends.
func burn(t *testing.T, name string, seconds float64) {
	t.Helper()
	burnt, end := make(chan error), make(chan struct{})
	t.Cleanup(func() { close(end) })
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		burnt <- work(name, seconds)
		<-end
	}()
	if err := <-burnt; err != nil {
		t.Fatal(err)
	}
}

// work names the thread that it is called on, and uses it.
func work(name string, seconds float64) error {
	if err := os.WriteFile("/proc/thread-self/comm", []byte(name), 0); err != nil {
		return err
	}
	for {
		var used unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
			return err
		}
		if float64(used.Utime.Nano()+used.Stime.Nano())/1e9 >= seconds {
			return nil
		}
	}
}

// TestThreads: what a thread uses is told of its kind, by its name.
func TestThreads(t *testing.T) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	read := func() cpuTime {
		now, err := readCPU(proc, os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	const rounding = 0.05 // seconds; the kernel counts in hundredths, each thread by itself
	begin := read()
	burn(t, "wrk:worker_0", 0.3)
	burn(t, "wrk:worker_1", 0.2)
	worked := read()
	if got := worked.workers - begin.workers; got < 0.5-rounding || got > 0.5+rounding {
		t.Errorf("workers used %.2f s, want 0.5", got)
	}
	burn(t, "main", 0.4)
	end := read()
	if got := end.workers - worked.workers; got > rounding {
		t.Errorf("workers used %.2f s while another thread worked", got)
	}
	if got := end.others - worked.others; got < 0.4-rounding {
		t.Errorf("the others used %.2f s, want at least 0.4", got)
	}
}

// TestThreadsNeverLess: what was told of an Envoy does not go down, and the next one
// begins anew.
func TestThreadsNeverLess(t *testing.T) {
	var c cpuCounter
	for i, s := range []struct {
		pid       int
		now, want cpuTime
	}{
		{1, cpuTime{2, 1}, cpuTime{2, 1}},
		{1, cpuTime{1.99, 1.5}, cpuTime{2, 1.5}},
		{1, cpuTime{3, 1.49}, cpuTime{3, 1.5}},
		{2, cpuTime{0.1, 0.2}, cpuTime{0.1, 0.2}},
	} {
		if got := c.tell(s.pid, s.now); got != s.want {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
	}
}
