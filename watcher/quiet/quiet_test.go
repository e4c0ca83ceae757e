package quiet

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// TestHandler: nothing of client-go's is above DEBUG, not even its errors.
func TestHandler(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelInfo:      "",
		slog.LevelDebug:     "level=DEBUG msg=info client=go\nlevel=DEBUG msg=error client=go err=bad\n",
		slog.LevelDebug - 4: "level=DEBUG msg=info client=go\nlevel=DEBUG-2 msg=more client=go\nlevel=DEBUG msg=error client=go err=bad\n",
	} {
		var out bytes.Buffer
		log := logr.FromSlogHandler(Handler{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})}).WithValues("client", "go")
		log.Info("info")
		log.V(2).Info("more")
		log.Error(errors.New("bad"), "error")
		if got := out.String(); got != want {
			t.Errorf("at %s:\n%s\nwant\n%s", level, got, want)
		}
		if strings.Contains(out.String(), "level=INFO") {
			t.Errorf("at %s: %s", level, out.String())
		}
	}
}
