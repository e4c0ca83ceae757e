package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"legation.dev/authz"
)

// authzFlags say where the authorization server is.
type authzFlags struct{ socket string }

func (a *authzFlags) addAuthz(f *pflag.FlagSet) {
	f.StringVar(&a.socket, "authz", "", "`unix:PATH` of the authorization server, which Envoy asks for passwords and for services of auth-url,\nas --authz of 'legation bootstrap' says; empty: none, and routes that need it answer 500")
}

// authorize starts the server, if there is to be one, and returns what ends it.
func (a *authzFlags) authorize(ctx context.Context, log *slog.Logger) (end func(), err error) {
	if a.socket == "" {
		return func() {}, nil
	}
	path, ok := strings.CutPrefix(a.socket, "unix:")
	if !ok {
		return nil, fmt.Errorf("--authz: %q: want unix:PATH", a.socket)
	}
	// A socket that an earlier process has left behind would be in the way.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--authz: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("--authz: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := authz.New(authz.Config{}).Serve(ctx, l); err != nil {
			log.Error("the authorization server has ended: routes that need it answer 500", "error", err)
		}
	})
	return func() { cancel(); serving.Wait() }, nil
}
