// Package quiet lets client-go's own words through at the level of debugging: what
// an operator should know of it, our own packages say.
package quiet

import (
	"context"
	"log/slog"
)

// Handler passes records on to another, INFO and above as DEBUG, and what is below
// by as much less.
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
