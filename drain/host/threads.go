package host

import (
	"errors"
	"io/fs"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// workerPrefix begins the names of Envoy's workers, "wrk:worker_0" and so on: the
// threads that serve requests. Configuration is the work of its main thread.
const workerPrefix = "wrk:"

// cpuTime is what the threads of a process have used, in seconds.
type cpuTime struct{ workers, others float64 }

// readCPU reads it. The others are the process without its workers, which live as
// long as it does: what threads used that have ended counts.
func readCPU(proc procfs.FS, pid int) (now cpuTime, err error) {
	threads, err := proc.AllThreads(pid)
	if err != nil {
		return cpuTime{}, err
	}
	for _, thread := range threads {
		stat, err := thread.Stat()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has just ended
		}
		if err != nil {
			return cpuTime{}, err
		}
		if strings.HasPrefix(stat.Comm, workerPrefix) {
			now.workers += stat.CPUTime()
		}
	}
	process, err := proc.Proc(pid)
	if err != nil {
		return cpuTime{}, err
	}
	stat, err := process.Stat()
	if err != nil {
		return cpuTime{}, err
	}
	now.others = stat.CPUTime() - now.workers
	return now, nil
}

// cpuCounter keeps what was told of an Envoy. Its counters must never go down, which
// Prometheus would take for a new start and count all of it again; but the kernel
// rounds each thread by itself, and the two are not read at one moment.
type cpuCounter struct {
	mu   sync.Mutex // guards the fields below: two scrapes may run at the same time
	pid  int
	told cpuTime
}

// tell is what to tell of a process, now that it was read.
func (c *cpuCounter) tell(pid int, now cpuTime) cpuTime {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pid != c.pid { // another Envoy
		c.pid, c.told = pid, cpuTime{}
	}
	c.told = cpuTime{max(c.told.workers, now.workers), max(c.told.others, now.others)}
	return c.told
}

func (c *Collector) threads(metrics chan<- prometheus.Metric) error {
	pid, ok := c.envoy()
	if !ok {
		return errAbsent
	}
	now, err := readCPU(c.proc, pid)
	if err != nil {
		return err
	}
	told := c.cpu.tell(pid, now)
	metrics <- prometheus.MustNewConstMetric(cpuSeconds, prometheus.CounterValue, told.workers, "worker")
	metrics <- prometheus.MustNewConstMetric(cpuSeconds, prometheus.CounterValue, told.others, "other")
	return nil
}
