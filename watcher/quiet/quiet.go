// Package quiet demotes the log lines of client-go to the level of debugging. What an
// operator should know of them, our own packages log.
package quiet

import (
	"context"
	"log/slog"
)

// Handler demotes client-go's logs: INFO and above become DEBUG, and lower levels drop
// by the same amount.
type Handler struct{ slog.Handler }

const quieter = slog.LevelInfo - slog.LevelDebug

// Enabled implements slog.Handler.
func (h Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, min(level, slog.LevelInfo)-quieter)
}

// Handle implements slog.Handler.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	r.Level = min(r.Level, slog.LevelInfo) - quieter
	if !h.Handler.Enabled(ctx, r.Level) { // logr asks only for what is no error
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h Handler) WithGroup(name string) slog.Handler { return Handler{h.Handler.WithGroup(name)} }
