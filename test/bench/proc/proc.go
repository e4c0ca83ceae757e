// Package proc runs the parts of a benchmark as processes of their own, so that
// the CPU and memory of each can be told apart, and reads what they use.
//
// A part is this same program, started with a role. It answers calls of
// net/rpc on its standard input and output, and ends when its input does.
//
// Start reading at Start and Serve.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"time"
)

// roleVariable names the role of a started process.
const roleVariable = "LEGATION_BENCH_ROLE"

// Role is the role that Start gave to this process; empty for the first one.
func Role() string { return os.Getenv(roleVariable) }

// Child is a running part.
type Child struct {
	role  string
	cmd   *exec.Cmd
	calls *rpc.Client
}

// pipe joins what a child reads and writes.
type pipe struct {
	io.Reader
	io.Writer
	close func() error
}

func (p pipe) Close() error { return p.close() }

// Start runs this program in a role. Its standard error is ours. It is killed
// when ctx ends; the caller calls Stop before.
func Start(ctx context.Context, role string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	return &Child{role: role, cmd: cmd, calls: jsonrpc.NewClient(pipe{out, in, in.Close})}, nil
}

// Call runs a method of the part ("Clients.Await") and waits for its reply.
func (c *Child) Call(method string, args, reply any) error {
	if err := c.calls.Call(method, args, reply); err != nil {
		return fmt.Errorf("%s: %s: %w", c.role, method, err)
	}
	return nil
}

// stopTime is how long a part may take to end.
const stopTime = 10 * time.Second

// Stop ends the part by closing its input, and kills it if it does not end.
func (c *Child) Stop() error {
	_ = c.calls.Close() // what counts is that it ends
	timer := time.AfterFunc(stopTime, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", c.role, err)
	}
	return nil
}

// Serve answers calls to receiver under name until the input ends, which means
// that the parent wants this process to end, or is gone.
func Serve(name string, receiver any) error {
	server := rpc.NewServer()
	if err := server.RegisterName(name, receiver); err != nil {
		return fmt.Errorf("serving %s: %w", name, err)
	}
	if Role() == "" {
		return errors.New("proc: Serve is for a process that Start made")
	}
	server.ServeCodec(jsonrpc.NewServerCodec(pipe{os.Stdin, os.Stdout, os.Stdin.Close}))
	return nil
}
