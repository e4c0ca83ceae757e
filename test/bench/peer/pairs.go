package peer

import (
	"net/url"
	"os"
	"path/filepath"
	"time"

	"legation.dev/test/bench/world"
	"legation.dev/xds/identity"
)

// Folders of a Pairs folder: what Legation shows, and what every Envoy does.
const (
	serverPair = "control-plane"
	envoyPair  = "envoy"
)

// Identify fills a folder with the certificates of one run.
func Identify(dir string) error {
	now := time.Now()
	ca, err := identity.NewAuthority(now, 24*time.Hour)
	if err != nil {
		return err
	}
	for name, who := range map[string]*url.URL{serverPair: identity.ControlPlane, envoyPair: identity.Fleet(world.Class)} {
		p, err := ca.Issue(who, now, 24*time.Hour)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, name), p, ca); err != nil {
			return err
		}
	}
	return nil
}

// EnvoyPair is the folder of an Envoy's pair in a folder of Identify; empty if that is.
func EnvoyPair(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, envoyPair)
}

func write(dir string, p identity.Pair, ca *identity.Authority) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, text := range map[string][]byte{identity.CertificateFile: p.Certificate, identity.KeyFile: p.Key, identity.CAFile: ca.Certificate} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
