package impact

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// chainsField is the number of Listener.filter_chains.
const chainsField = 3

// shorten takes the filter chains out of two serialised listeners that both have: what is
// equal changes nothing, and decoding thousands of chains is most of what a difference
// costs. What cannot be split is left as it is.
func shorten(from, to []byte) (shortFrom, shortTo []byte) {
	a, restA := split(from)
	b, restB := split(to)
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	inA, both := map[string]bool{}, map[string]bool{}
	for _, c := range a {
		inA[string(c)] = true
	}
	for _, c := range b {
		if inA[string(c)] {
			both[string(c)] = true
		}
	}
	return join(restA, a, both), join(restB, b, both)
}

// split is a serialised listener as its filter chains, each with tag and length, and all
// else; no chains if it cannot be read.
func split(body []byte) (chains [][]byte, rest []byte) {
	for at := body; len(at) > 0; {
		number, kind, n := protowire.ConsumeField(at)
		if n < 0 {
			return nil, body
		}
		if number == chainsField && kind == protowire.BytesType {
			chains = append(chains, at[:n:n])
		} else {
			rest = append(rest, at[:n]...)
		}
		at = at[n:]
	}
	return chains, rest
}

func join(rest []byte, chains [][]byte, without map[string]bool) []byte {
	for _, c := range chains {
		if !without[string(c)] {
			rest = append(rest, c...)
		}
	}
	return rest
}
