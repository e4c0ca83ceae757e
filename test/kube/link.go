//go:build real

package kube

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Connect makes the network namespace of a process that of node i: the process
// can be reached at NodeAddress(i), and itself reaches pods, and what listens at
// Address, through a link of its own. When the process ends, so does the link;
// the next one can be connected at once.
func Connect(pid, i int) error {
	if err := connect(pid, NodeAddress(i)); err != nil {
		return fmt.Errorf("connecting node %d: %w", i, err)
	}
	return nil
}

// connect is Connect for any address.
func connect(pid int, address string) error {
	process, link := strconv.Itoa(pid), fmt.Sprintf("node%d", pid) // names must not repeat: links go late
	inside := "nsenter --target " + process + " --net ip "
	for _, command := range []string{
		"ip link add name " + link + " type veth peer name eth0 netns " + process,
		"ip address add " + advertised + "/32 dev " + link,
		"ip link set " + link + " up",
		inside + "link set lo up",
		inside + "address add " + address + "/32 dev eth0",
		inside + "link set eth0 up",
		inside + "route add " + advertised + " dev eth0",
		inside + "route add default via " + advertised,
		"ip route replace " + address + "/32 dev " + link + " table local", // where the ranges are
	} {
		if err := run(command); err != nil {
			return err
		}
	}
	return nil
}

// Address is one that processes on nodes reach, for what a test itself listens
// at: number n from 0 to 252, none of a pod; the next one is that of the DNS.
func Address(n int) string { return fmt.Sprintf("10.244.0.%d", 2+n) }

func run(command string) error {
	words := strings.Fields(command)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}
