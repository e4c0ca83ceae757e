//go:build real

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// The addresses that exist in the namespace, all of them on lo. EndpointSlice
// validation refuses loopback addresses, hence these.
const (
	PodRange     = "10.244.0.0/16"
	BalancerBase = "192.0.2.0/24" // for addresses of load balancers (RFC 5737)
)

// inside marks, in the environment, the process that has the namespaces.
const inside = "LEGATION_TEST_KUBE_NAMESPACE"

// startTimeout bounds the start of a cluster that never becomes ready.
const startTimeout = 2 * time.Minute

// Main runs the tests of a package in namespaces of their own: network, mounts
// and processes. The tests are PID 1 there, so that the kernel ends whatever
// they started when they end. Nothing outside can be reached.
//
// Where the system does not allow namespaces, Main prints NOT RUN with the
// reason and ends with status 1: a test that did not run has not passed.
func Main(m *testing.M) { within(m.Run) }

// Runner runs the tests of a package; *testing.M is one.
type Runner interface{ Run() int }

// MainWithCluster is Main with one Cluster for all tests of the package, which
// is at c while they run.
func MainWithCluster(m Runner, c **Cluster, o Options) {
	within(func() int {
		status, err := runWithCluster(m, c, o)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(status, 1)
		}
		return status
	})
}

func runWithCluster(m Runner, c **Cluster, o Options) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if *c, err = Start(ctx, o); err != nil {
		return 1, err
	}
	return m.Run(), (*c).Close()
}

// within ends the process with the status of run, which is called in the
// namespaces.
func within(run func() int) {
	if spec := os.Getenv(containerSpec); spec != "" {
		fmt.Fprintln(os.Stderr, "the container does not start:", become(spec))
		os.Exit(1)
	}
	if os.Getenv(inside) == "" {
		os.Exit(reexecute())
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "NOT RUN: furnishing the network namespace:", err)
		os.Exit(1)
	}
	os.Exit(run())
}

// reexecute runs this test binary anew in its namespaces and is its status.
func reexecute() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = namespaces(os.Getuid(), os.Getgid())
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "NOT RUN: network, mount and PID namespaces need root or user namespaces:", err)
		return 1
	}
	return 0
}

// namespaces asks for a user namespace too unless we are root.
func namespaces(uid, gid int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return attr
}

// furnish gives the namespaces their /proc, their addresses and their DNS.
func furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil { // from pod to pod
		return err
	}
	for _, command := range []string{
		"ip link set lo up",
		"ip route add local " + PodRange + " dev lo",
		"ip route add local " + BalancerBase + " dev lo",
	} {
		if err := run(command); err != nil {
			return err
		}
	}
	return resolve()
}
