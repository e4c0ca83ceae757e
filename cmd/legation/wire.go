package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"legation.dev/xds/identity"
)

// wireFlags say how Envoys, replicas and operators connect.
type wireFlags struct {
	tls       string
	plaintext bool
	age       time.Duration
}

// tlsVariable is the variable that --tls is taken from if it is not given, so that
// commands find it in the pod of 'legation serve'.
const tlsVariable = "LEGATION_TLS"

func (f *wireFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.tls, "tls", os.Getenv(tlsVariable), "folder with tls.crt, tls.key and ca.crt, for mutual TLS with Envoys, replicas and operators; needed unless --listen is a loopback address (default: $"+tlsVariable+")")
	flags.BoolVar(&f.plaintext, "plaintext", false, "listen beyond this machine without TLS: whoever reaches the address can read all private keys")
	flags.DurationVar(&f.age, "max-connection-age", 30*time.Minute, "after how long, give or take a tenth, an Envoy is made to connect again, so that Envoys spread over replicas; 0 for never")
}

// openFolder reads the folder of --tls; nil if there is none.
func openFolder(path string, log *slog.Logger) (*identity.Folder, error) {
	if path == "" {
		return nil, nil
	}
	folder, err := identity.Open(path, log)
	if err != nil {
		return nil, fmt.Errorf("--tls: %w", err)
	}
	return folder, nil
}

// allow reports whether an address may be listened at.
func (f *wireFlags) allow(at net.Addr, log *slog.Logger) error {
	a, ok := at.(*net.TCPAddr)
	switch {
	case f.tls != "" && f.plaintext:
		return errors.New("--tls and --plaintext contradict each other")
	case f.tls != "" || ok && a.IP.IsLoopback():
		return nil
	case !f.plaintext:
		return fmt.Errorf("--listen %s can be reached from elsewhere, and the stream carries private keys: --tls is needed (or --plaintext, at your own risk)", at)
	}
	log.Warn("without TLS, whoever reaches this address can read private keys: let only Envoys reach it", "address", at.String())
	return nil
}

// dialCredentials are those with which other replicas are asked.
func dialCredentials(folder *identity.Folder) credentials.TransportCredentials {
	if folder == nil {
		return insecure.NewCredentials()
	}
	return identity.Dial(folder)
}

// maxAge is an age as the server has it, where 0 means its default.
func maxAge(age time.Duration) time.Duration {
	if age == 0 {
		return -1
	}
	return age
}
