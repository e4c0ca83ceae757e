package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"legation.dev/ui"
	"legation.dev/xds/identity"
)

// pageFlags say where the page is, and who may look at it.
type pageFlags struct {
	address, tokenFile string
	hosts              []string
}

func (f *pageFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "ui", "", "host and port of the page for browsers, which only looks: ':18090' is on this machine only, '*:18090' wherever it is reached, which needs --tls (default: none)")
	flags.StringVar(&f.tokenFile, "ui-token-file", "", "file with a token of 20 characters or more, by which people look at the page instead of an operator's certificate; it is read each time (default: without --tls one that is made, and logged with the address)")
	flags.StringSliceVar(&f.hosts, "ui-host", nil, "names under which browsers ask for the page, beside localhost, addresses, and those in the certificate; any other is refused")
}

// check says what contradicts, and whether the token is there.
func (f *pageFlags) check() error {
	switch {
	case f.address == "" && (f.tokenFile != "" || len(f.hosts) > 0):
		return errors.New("--ui-token-file and --ui-host are of the page, whose address is --ui")
	case f.tokenFile == "":
		return nil
	}
	_, err := readToken(f.tokenFile)
	return err
}

// anyHost stands for all addresses of this machine.
const anyHost = "*"

// listen listens for browsers; nil if there is no address. Without a host it is this machine
// only, unlike elsewhere: a page that is reached from outside should be somebody's decision.
func (f *pageFlags) listen(ctx context.Context, tls bool) (net.Listener, error) {
	if f.address == "" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(f.address)
	if err != nil {
		return nil, fmt.Errorf("--ui: %w", err)
	}
	switch host {
	case "":
		host = "127.0.0.1"
	case anyHost:
		host = ""
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("--ui: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !tls && (!ok || !a.IP.IsLoopback()) {
		return nil, errors.Join(fmt.Errorf("--ui %s can be reached from elsewhere: --tls is needed", f.address), l.Close())
	}
	return l, nil
}

// door says who may look. link is the address to open.
func (f *pageFlags) door(l net.Listener, folder *identity.Folder, gate *identity.Gate) (d ui.Door, link string) {
	d.Hosts = func() (names []string) {
		if folder != nil {
			names = folder.HostNames()
		}
		return append(names, f.hosts...)
	}
	d.Gate, link = gate, "http://"+l.Addr().String()+"/"
	if gate != nil {
		link = "https://" + l.Addr().String() + "/"
	}
	switch {
	case f.tokenFile != "":
		d.Token = func() string { text, _ := readToken(f.tokenFile); return text } // without it nobody comes in
	case gate == nil:
		token := rand.Text()
		d.Token, d.Linked = func() string { return token }, true
		link += "login?token=" + token
	}
	return d, link
}

// readToken reads a token, which may have to be refused.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--ui-token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < ui.TokenBytes {
		return "", fmt.Errorf("--ui-token-file %s: want %d characters or more", path, ui.TokenBytes)
	}
	return token, nil
}
