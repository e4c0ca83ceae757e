package route

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Leaf is what the first certificate of a chain says. Its texts are as somebody wrote them.
type Leaf struct {
	Names  []string // DNS names and addresses; a common name counts for no client of today
	Issuer string
	From   time.Time
	Until  time.Time
}

// For reports whether clients of a host take the certificate for that of the host (RFC 6125,
// 6.4: without regard to case, a wildcard is for one label). A host that is a wildcard
// itself is satisfied by any name below it, since its rules may be for that alone.
func (l Leaf) For(host string) bool {
	wildcard, _ := Wildcard(host)
	for _, name := range l.Names {
		name = strings.ToLower(name)
		above, _ := Wildcard(name)
		if name == host || name == wildcard || above == host {
			return true
		}
	}
	return false
}

// Named are the names for a message: three at most, quoted, and none longer than anybody reads.
func (l Leaf) Named() string {
	var list []string
	for _, name := range l.Names[:min(len(l.Names), 3)] {
		list = append(list, Quoted(name))
	}
	if more := len(l.Names) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}

// Quoted is a text of a certificate for a message, in ASCII and at most 80 bytes of it.
func Quoted(text string) string { return strconv.QuoteToASCII(text[:min(len(text), 80)]) }
