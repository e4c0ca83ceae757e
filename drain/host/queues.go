package host

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// Queue is what waits at an address to be accepted. Each worker of Envoy has a
// socket of its own there; the kernel spreads connections over them.
type Queue struct {
	Address string
	Sockets int
	// Waiting connections and their limit, over all sockets.
	Waiting, Limit uint64
	// Fullest is the largest share of its limit that waits at one socket: it
	// overflows at 1, while others may be empty.
	Fullest float64
}

// Queues are those of the network namespace, ordered by address.
func Queues() ([]Queue, error) {
	listening, err := sockets(1 << stateListen)
	if err != nil {
		return nil, err
	}
	return queues(listening), nil
}

func queues(listening []socket) []Queue {
	byAddress := map[netip.AddrPort]*Queue{}
	for _, s := range listening {
		q := byAddress[s.local]
		if q == nil {
			q = &Queue{Address: s.local.String()}
			byAddress[s.local] = q
		}
		q.Sockets++
		q.Waiting += uint64(s.queue)
		q.Limit += uint64(s.limit)
		if s.limit > 0 {
			q.Fullest = max(q.Fullest, float64(s.queue)/float64(s.limit))
		}
	}
	var all []Queue
	for _, at := range slices.SortedFunc(maps.Keys(byAddress), netip.AddrPort.Compare) {
		all = append(all, *byAddress[at])
	}
	return all
}

// Ports is how many ephemeral ports connections to one address use; Address is
// Others for all that are not told one by one.
type Ports struct {
	Address string
	Used    int
}

// Others sums up the addresses that are not told one by one.
const Others = "others"

const (
	// toldFrom is the part of the ephemeral ports from which on an address is
	// told: below it, it is in no danger.
	toldFrom = 0.01
	// toldAtMost bounds the number of addresses that are told.
	toldAtMost = 20
)

// ports counts the connections that began here, by where they lead; those in
// TIME_WAIT hold their port, too. low to high is the ephemeral ports.
func ports(all []socket, low, high int) []Ports {
	accepting := map[uint16]bool{}
	for _, s := range all {
		if s.limit > 0 || s.remote.Port() == 0 {
			accepting[s.local.Port()] = true
		}
	}
	used := map[netip.AddrPort]int{}
	for _, s := range all {
		local := s.local.Port()
		if s.remote.Port() != 0 && !accepting[local] && int(local) >= low && int(local) <= high {
			used[s.remote]++
		}
	}
	return told(used, int(toldFrom*float64(high-low+1)))
}

// told is the addresses with at least that many, the most first, and the others.
func told(used map[netip.AddrPort]int, least int) []Ports {
	var all []Ports
	others := 0
	for at, n := range used {
		if n < max(least, 1) {
			others += n
			continue
		}
		all = append(all, Ports{at.String(), n})
	}
	slices.SortFunc(all, func(a, b Ports) int {
		return cmp.Or(cmp.Compare(b.Used, a.Used), cmp.Compare(a.Address, b.Address))
	})
	for _, p := range all[min(toldAtMost, len(all)):] {
		others += p.Used
	}
	return append(all[:min(toldAtMost, len(all)):min(toldAtMost, len(all))], Ports{Others, others})
}
