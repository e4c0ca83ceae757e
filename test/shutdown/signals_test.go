//go:build real

package shutdown

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"legation.dev/drain"
)

// TestSignalOfAll: SIGTERM reaches all processes at once, as systemd sends it to a control
// group, twice, and a SIGINT to Envoy's own group behind it. All work is done.
func TestSignalOfAll(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", ample()...)
	working := atWork(w.http("one"))
	envoy, ok := p.envoy.PID(t.Context())
	if !ok {
		t.Fatal("Envoy's process is unknown")
	}
	for range 2 {
		for _, err := range []error{syscall.Kill(envoy, syscall.SIGTERM), syscall.Kill(-envoy, syscall.SIGINT), p.cmd.Process.Signal(syscall.SIGTERM)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	p.signal(t, syscall.SIGINT) // no order to hurry: SIGTERM began it
	working.allDone(t)
	if status := p.wait(t); status != 0 || p.report(t).Reason != drain.ReasonDone {
		t.Errorf("exit status %d, report %+v", status, p.report(t))
	}
}

// TestTwoInterrupts: the second Ctrl-C at a terminal ends Envoy at once, and the report says
// that it was told to.
func TestTwoInterrupts(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", "--grace-period", "1h")
	c := newClients(w.http("one"))
	c.slow(time.Hour)
	c.begun.Wait()
	p.signal(t, syscall.SIGINT)
	p.awaitLog(t, `"msg":"fail the health checks"`)
	p.signal(t, syscall.SIGINT)
	if status := p.wait(t); status != 0 || p.report(t).Reason != drain.ReasonAborted {
		t.Errorf("exit status %d, report %+v", status, p.report(t))
	}
}

// TestUnreadLog: a log that nobody reads, or whose reader is gone, neither holds a drain
// up nor ends it.
func TestUnreadLog(t *testing.T) {
	for name, reader := range map[string]func(*os.File) error{
		"full": func(*os.File) error { return nil },
		"gone": (*os.File).Close,
	} {
		t.Run(name, func(t *testing.T) {
			w := newSuite(t, nil, "one")
			p := w.prepare(t, "one")
			in, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if err := errors.Join(fill(out), reader(in)); err != nil {
				t.Fatal(err)
			}
			p.logsTo = out
			p.launch(t, launch{before: p.under(t, ample()...)})
			out.Close()
			working := atWork(w.http("one"))
			p.signal(t, syscall.SIGTERM)
			working.allDone(t)
			if status := p.wait(t); status != 0 || p.report(t).Reason != drain.ReasonDone {
				t.Errorf("exit status %d, report %+v", status, p.report(t))
			}
		})
	}
}

// fill writes into a pipe what it holds.
func fill(pipe *os.File) error {
	if err := pipe.SetWriteDeadline(time.Now()); err != nil {
		return err
	}
	for {
		if _, err := pipe.Write(make([]byte, 4096)); errors.Is(err, os.ErrDeadlineExceeded) {
			return pipe.SetWriteDeadline(time.Time{})
		} else if err != nil {
			return err
		}
	}
}

// streamed is how many lines an answer has that fills all buffers on its way.
const streamed = 120_000

// TestSlowReader: for Envoy an answer is complete when it lies in buffers. Who reads it
// slowly gets its end all the same.
func TestSlowReader(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", ample()...)
	const lines = streamed
	c, told := newClients(w.http("one")), make(chan struct{})
	c.add("slow reader", func(begun func()) error {
		conn, err := net.Dial("tcp", w.http("one"))
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		fmt.Fprintf(conn, "GET /?stream=%d HTTP/1.1\r\nHost: %s\r\n\r\n", lines, host)
		buffered := bufio.NewReaderSize(conn, 4096)
		resp, err := http.ReadResponse(buffered, nil)
		if err != nil {
			return err
		}
		begun()
		<-told
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		text := make([]byte, 0, lines*8)
		for err == nil {
			<-tick.C
			var n int
			piece := make([]byte, 8192)
			n, err = io.ReadFull(resp.Body, piece)
			text = append(text, piece[:n]...)
		}
		if err == io.ErrUnexpectedEOF { // of a piece
			err = io.EOF
		}
		if got := len(bytesLines(string(text))); err != io.EOF || got != lines {
			return fmt.Errorf("%d of %d lines, %v", got, lines, err)
		}
		return nil
	})
	c.begun.Wait()
	await(t, "the request to end for Envoy", func() error {
		if r, err := p.envoy.Reading(t.Context(), nil); err != nil || r.Requests > 0 {
			return fmt.Errorf("%+v, %v", r, err)
		}
		return nil
	})
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, `"msg":"drain the listeners"`)
	close(told)
	last := c.allDone(t)
	if status := p.wait(t); p.at.Before(last) {
		t.Error("Envoy had ended before its client had all of the answer")
	} else if status != 0 || p.report(t).Reason != drain.ReasonDone || p.report(t).AnswersCut != 0 {
		t.Errorf("exit status %d, report %+v", status, p.report(t))
	}
}

// TestHandshake: a client who is in its handshake of TLS when the minimum is over is counted,
// and answered.
func TestHandshake(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", "--grace-period", "60s", "--min-drain", "1s")
	c := newClients(w.http("one"))
	c.add("in a handshake", func(begun func()) error {
		conn, err := net.Dial("tcp", net.JoinHostPort(w.address["one"], port(httpsPort)))
		if err != nil {
			return err
		}
		defer conn.Close()
		client := tls.Client(&halfHello{Conn: conn, begun: begun, pause: 2 * time.Second}, &tls.Config{ServerName: host, RootCAs: w.roots})
		fmt.Fprintf(client, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = errors.New(resp.Status)
		}
		return err
	})
	c.begun.Wait()
	await(t, "Envoy to see it", func() error {
		if r, err := p.envoy.Reading(t.Context(), nil); err != nil || r.Arriving != 1 || r.Connections != 1 {
			return fmt.Errorf("%+v, %v", r, err)
		}
		return nil
	})
	p.signal(t, syscall.SIGTERM)
	c.allDone(t)
	if status := p.wait(t); status != 0 || p.report(t).RequestsFinished != 1 || p.report(t).ClosedGracefully != 1 {
		t.Errorf("exit status %d, report %+v", status, p.report(t))
	}
}

// halfHello pauses in the middle of what is written first.
type halfHello struct {
	net.Conn
	begun func()
	pause time.Duration
	once  sync.Once
}

func (h *halfHello) Write(b []byte) (n int, err error) {
	h.once.Do(func() {
		if n, err = h.Conn.Write(b[:len(b)/2]); err == nil {
			h.begun()
			<-time.After(h.pause)
		}
	})
	if err != nil {
		return n, err
	}
	rest, err := h.Conn.Write(b[n:])
	return n + rest, err
}

// TestGoneBefore: the hook of an Envoy that is gone ends soon, and says so once.
func TestGoneBefore(t *testing.T) {
	hook := exec.Command(manager(t), "drain", "--admin", "unix:"+t.TempDir()+"/none.sock", "--grace-period", "1h")
	out, err := hook.CombinedOutput()
	if lines := bytesLines(string(out)); err != nil || len(lines) > 5 {
		t.Errorf("%v, %d lines: %.2000s", err, len(lines), out)
	}
}
