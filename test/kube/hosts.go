//go:build real

package kube

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Hosts makes a name stand for addresses, in place of those it had, for every process
// of the tests' mount namespace: what a headless Service is in a cluster. Go reads
// the file anew within 5 s; whoever asked for the name in vain before asks again.
func (c *Cluster) Hosts(name string, addresses ...string) error {
	file := filepath.Join(c.dir, "hosts")
	old, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return err
	}
	var text strings.Builder
	for line := range strings.Lines(string(old)) {
		if words := strings.Fields(line); len(words) != 2 || words[1] != name {
			text.WriteString(line)
		}
	}
	for _, a := range addresses {
		fmt.Fprintln(&text, a, name)
	}
	if _, err := os.Stat(file); err == nil { // it is mounted
		return os.WriteFile(file, []byte(text.String()), 0o644)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return err
	}
	if err := syscall.Mount(file, "/etc/hosts", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting over /etc/hosts: %w", err)
	}
	return nil
}
