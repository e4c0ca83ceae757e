package child

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Only one Child may run at a time in a process, so no test runs beside another.

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		script string
		status int
		cause  string
	}{
		{"exit 0", 0, "exit status 0"},
		{"exit 3", 3, "exit status 3"},
		{"kill -KILL $$", 128 + 9, "signal SIGKILL"},
	} {
		child, err := Start([]string{"/bin/sh", "-c", c.script})
		if err != nil {
			t.Fatal(err)
		}
		<-child.Done()
		if child.ExitStatus() != c.status || child.Cause() != c.cause {
			t.Errorf("%s: %d, %s", c.script, child.ExitStatus(), child.Cause())
		}
		if err := child.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%s: a signal to what has ended: %v", c.script, err)
		}
	}
}

func TestNoProgram(t *testing.T) {
	if _, err := Start(nil); err == nil {
		t.Error("nothing was started, and no error")
	}
	if _, err := Start([]string{"/no/such/envoy"}); err == nil || !strings.Contains(err.Error(), "/no/such/envoy") {
		t.Errorf("error %v", err)
	}
}
