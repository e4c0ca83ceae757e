package authz

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"strings"
	"sync"

	"github.com/tg123/go-htpasswd"
)

// passwords compares passwords with hashes. Those that were right are remembered, by a
// key of this process alone: a hash that is slow to compute is meant to be slow for whoever
// guesses, not with each request. A wrong one costs its whole time, so only some are
// compared at once.
type passwords struct {
	key  []byte
	turn chan struct{}

	mu    sync.Mutex
	known map[[sha256.Size]byte]struct{} // guarded by mu
}

// mostKnown passwords are remembered; then all are forgotten.
const mostKnown = 10_000

func newPasswords() *passwords {
	p := &passwords{key: make([]byte, sha256.Size), turn: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), known: map[[sha256.Size]byte]struct{}{}}
	_, _ = rand.Read(p.key) // it never fails
	return p
}

// parsers are the kinds of hashes; a password in plain text is none of them.
var parsers = []htpasswd.PasswdParser{htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptBcrypt, htpasswd.AcceptSsha, htpasswd.AcceptCryptSha}

// right reports whether a line of htpasswd has this name and password. Of several lines
// with a name the first counts, as in nginx.
func (p *passwords) right(lines []string, name, password string) bool {
	for _, line := range lines {
		hash, is := strings.CutPrefix(line, name+":")
		if !is {
			continue
		}
		known := p.sum(line, password)
		if p.knows(known) {
			return true
		}
		if !p.compare(hash, password) {
			return false
		}
		p.remember(known)
		return true
	}
	return false
}

func (p *passwords) compare(hash, password string) bool {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	for _, parse := range parsers {
		if encoded, err := parse(hash); err != nil {
			return false
		} else if encoded != nil {
			return encoded.MatchesPassword(password)
		}
	}
	return false
}

func (p *passwords) sum(line, password string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(line + "\x00" + password))
	h.Sum(sum[:0])
	return sum
}

func (p *passwords) knows(sum [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[sum]
	return ok
}

func (p *passwords) remember(sum [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= mostKnown {
		clear(p.known)
	}
	p.known[sum] = struct{}{}
}
