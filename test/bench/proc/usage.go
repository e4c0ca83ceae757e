package proc

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Now is the monotonic clock of the machine, which all its processes share: an
// instant of one process can be taken from that of another.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // only for a clock that does not exist
	}
	return time.Duration(ts.Nano())
}

// Usage is what the process has used so far. Sizes are in bytes.
type Usage struct {
	At   time.Duration // of Now
	CPU  time.Duration // user and system, all threads
	Heap uint64        // objects that are live or not swept yet
	RSS  uint64
	// PeakHeap and PeakRSS are the highest since the last ResetPeaks.
	PeakHeap uint64
	PeakRSS  uint64
	Mallocs  uint64 // heap objects ever allocated
	Alloc    uint64 // bytes ever allocated
}

// CPU is the processor time of this process, user and system.
func CPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // only for arguments that are wrong
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Meter watches the memory of its own process. Make it with NewMeter.
type Meter struct {
	mu   sync.Mutex // guards peak
	peak uint64     // of the heap since ResetPeaks
}

// sampling is how often the heap is looked at. A look costs some microseconds.
const sampling = 20 * time.Millisecond

// NewMeter starts to sample the heap, until the process ends.
func NewMeter() *Meter {
	m := &Meter{}
	go func() {
		for range time.Tick(sampling) {
			m.sample()
		}
	}()
	return m
}

func (m *Meter) sample() uint64 {
	heap := read("/memory/classes/heap/objects:bytes")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peak = max(m.peak, heap)
	return heap
}

// Read is the use of this process. With collect it first collects garbage and
// returns free memory, so that what is left is what the process holds.
func (m *Meter) Read(collect bool) Usage {
	if collect {
		debug.FreeOSMemory()
	}
	u := Usage{At: Now(), CPU: CPU(), Heap: m.sample(), RSS: status("VmRSS:"), PeakRSS: status("VmHWM:"),
		Mallocs: read("/gc/heap/allocs:objects"), Alloc: read("/gc/heap/allocs:bytes")}
	m.mu.Lock()
	defer m.mu.Unlock()
	u.PeakHeap = m.peak
	return u
}

// ResetPeaks begins a new measurement of PeakHeap and PeakRSS.
func (m *Meter) ResetPeaks() {
	debug.FreeOSMemory()
	m.mu.Lock()
	m.peak = 0
	m.mu.Unlock()
	// 5 resets VmHWM (proc(5)); where that is not allowed, PeakRSS is that of
	// the whole life of the process, which is no smaller.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

const (
	idleFor  = 40 * time.Millisecond // what must be idle ...
	idleCPU  = 4 * time.Millisecond  // ... and what may be used in that time
	idleWait = 20 * time.Second      // no longer is waited
)

// Settle waits until the process has nothing left to do: ACKs read, garbage
// collected in the background.
func Settle() {
	for end := Now() + idleWait; Now() < end; {
		before := CPU()
		time.Sleep(idleFor)
		if CPU()-before < idleCPU {
			return
		}
	}
}

func read(metric string) uint64 {
	sample := []metrics.Sample{{Name: metric}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// status is a field of our own; see statusOf.
func status(field string) uint64 { return statusOf("self", field) }

// statusOf is a field of /proc/PID/status in bytes; 0 where there is none.
func statusOf(pid, field string) uint64 {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"+field))
	number, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	kib, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// Machine describes where the figures come from.
type Machine struct {
	Cores   int
	CPU     string
	Go      string
	OS      string
	Started time.Time
}

// ThisMachine reads /proc/cpuinfo for the name of the processor.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, Started: time.Now()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := bytes.Cut(text, []byte("model name\t: "))
		name, _, _ := bytes.Cut(rest, []byte("\n"))
		m.CPU = string(name)
	}
	return m
}
