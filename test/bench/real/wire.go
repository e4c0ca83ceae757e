package real

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// counter stands between an Envoy and its control plane and counts what goes to Envoy.
type counter struct {
	net.Listener
	to    string // the control plane
	bytes atomic.Int64
	open  sync.WaitGroup
}

func newCounter(to string) (*counter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{Listener: l, to: to}
	c.open.Go(c.accept)
	return c, nil
}

// close waits for all connections, which end when one of their ends does.
func (c *counter) close() {
	c.Listener.Close() // it ends accept
	c.open.Wait()
}

func (c *counter) accept() {
	for {
		envoy, err := c.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.to)
		if err != nil {
			envoy.Close() // it comes again
			continue
		}
		c.open.Go(func() { c.pass(server, envoy, nil) })
		c.open.Go(func() { c.pass(envoy, server, &c.bytes) })
	}
}

// pass ends both connections when what it reads ends.
func (c *counter) pass(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if count != nil {
			count.Add(int64(n))
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err == io.EOF || err != nil {
			return
		}
	}
}
