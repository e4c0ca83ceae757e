package limits

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/prometheus/procfs"

	"legation.dev/drain/host"
)

// Read reads the limits of this network namespace, and of the process pid.
// addresses are those that Envoy listens on. An error names what cannot be read.
func Read(pid int, addresses []string) (System, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return System{}, err
	}
	s := System{ConntrackMax: Absent, ConntrackUsed: Absent}
	for _, n := range []struct {
		to     *int
		sysctl string
	}{
		{&s.Somaxconn, "net.core.somaxconn"},
		{&s.SynBacklog, "net.ipv4.tcp_max_syn_backlog"},
		{&s.SynCookies, "net.ipv4.tcp_syncookies"},
		{&s.ConntrackMax, "net.netfilter.nf_conntrack_max"},
		{&s.ConntrackUsed, "net.netfilter.nf_conntrack_count"},
	} {
		values, err := proc.SysctlInts(n.sysctl)
		if errors.Is(err, fs.ErrNotExist) && *n.to == Absent {
			continue
		}
		if err != nil || len(values) != 1 {
			return System{}, fmt.Errorf("reading %s: %d values, %w", n.sysctl, len(values), err)
		}
		*n.to = values[0]
	}
	if s.PortLow, s.PortHigh, err = host.PortRange(proc); err != nil {
		return System{}, err
	}
	if s.OpenFiles, err = openFilesOf(proc, pid); err != nil {
		return System{}, err
	}
	s.AcceptLimit, err = smallest(addresses)
	return s, err
}

func openFilesOf(proc procfs.FS, pid int) (uint64, error) {
	p, err := proc.Proc(pid)
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	limits, err := p.Limits()
	if err != nil {
		return 0, fmt.Errorf("limits of process %d: %w", pid, err)
	}
	return limits.OpenFiles, nil
}

// smallest is the smallest accept queue of a socket at these addresses.
func smallest(addresses []string) (int, error) {
	queues, err := host.Queues()
	if err != nil {
		return Absent, err
	}
	least := Absent
	for _, q := range queues {
		if !slices.Contains(addresses, q.Address) {
			continue
		}
		if n := int(q.Limit) / q.Sockets; least == Absent || n < least {
			least = n
		}
	}
	return least, nil
}
