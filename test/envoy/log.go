package envoy

import "sync"

const (
	// logKept is how many bytes of Envoy's output are kept.
	logKept = 1 << 20
	// lastLines is how many lines of it an error shows.
	lastLines = 20
)

// tail keeps the newest logKept to 2*logKept bytes that were written to it.
type tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*logKept {
		t.buf = append([]byte(nil), t.buf[len(t.buf)-logKept:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf[max(0, len(t.buf)-logKept):])
}

func (t *tail) last(n int) string { return lines(t.String(), n) }
