package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Threads is the CPU that the threads of a process have used, in user and kernel mode.
type Threads struct {
	Main    time.Duration // the thread that began the process
	Workers time.Duration // all whose names begin with that of workers
}

// ThreadsOf reads /proc/PID/task/*/schedstat, which counts nanoseconds; stat has ticks
// of 10 ms.
func ThreadsOf(pid int, workers string) (t Threads, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err == nil && len(tasks) == 0 {
		err = errors.New("there is no such process")
	}
	if err != nil {
		return t, fmt.Errorf("threads of process %d: %w", pid, err)
	}
	for _, task := range tasks {
		name, err := os.ReadFile(filepath.Join(task, "comm"))
		if err != nil {
			continue // it has ended meanwhile
		}
		text, err := os.ReadFile(filepath.Join(task, "schedstat"))
		if err != nil {
			continue
		}
		onCPU, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(onCPU, 10, 64)
		if err != nil {
			return t, fmt.Errorf("schedstat of thread %s: %w", task, err)
		}
		switch {
		case filepath.Base(task) == strconv.Itoa(pid):
			t.Main = time.Duration(ns)
		case strings.HasPrefix(string(name), workers):
			t.Workers += time.Duration(ns)
		}
	}
	return t, nil
}

// RSSOf is the resident memory of a process in bytes; 0 where there is none.
func RSSOf(pid int) uint64 { return statusOf(strconv.Itoa(pid), "VmRSS:") }
