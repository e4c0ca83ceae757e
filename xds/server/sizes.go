package server

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// maxNames bounds the names in a request, each time that one is named: five times
	// 50,000, which Envoy names twice. What is kept of a name takes some 200 bytes, so
	// that 64 MiB of the shortest would become gigabytes.
	maxNames = 500_000
	// maxName bounds a name, in bytes: that of the virtual host of the longest host
	// has 261. An entry of a map has a version, too.
	maxName = 1 << 10
	// maxRest bounds all else in a request together, in bytes: Envoy's node with all
	// its extensions has less than 100 kB, and the error of a rejection a line for
	// each resource.
	maxRest = 1 << 20
	// namesPerAddress bounds the names that are kept of all streams of one address:
	// those that its Envoys have asked for or reported, and that are not as wanted
	// there. Ten fresh Envoys of 50,000 names have as many for a moment; after that,
	// none. Who asks for more is refused, and comes again.
	namesPerAddress = 500_000
)

// errSizes is what the errors of sizes are.
var errSizes = errors.New("too large")

// sizes is how large the parts of a request are.
type sizes struct{ names, rest int }

// add adds a field.
func (s *sizes) add(num protowire.Number, bytes int) error {
	switch num {
	case fieldSubscribe, fieldUnsubscribe, fieldInitial:
		if s.names++; s.names > maxNames {
			return fmt.Errorf("%w: more than %d names", errSizes, maxNames)
		}
		if bytes > maxName {
			return fmt.Errorf("%w: a name of %d bytes; the limit is %d", errSizes, bytes, maxName)
		}
	default:
		if s.rest += bytes; s.rest > maxRest {
			return fmt.Errorf("%w: more than %d bytes beside names", errSizes, maxRest)
		}
	}
	return nil
}

// hold tells the party how many names are kept for this stream.
func (st *stream) hold(names int64) error {
	p := st.call.Party()
	if p == nil || names == st.held {
		return nil
	}
	all := p.Names.Add(names - st.held)
	more := names > st.held
	if st.held = names; all > namesPerAddress && more {
		return errNames
	}
	return nil
}

// errNames ends a stream.
var errNames = status.Error(codes.ResourceExhausted, "Envoys of this address ask for too many names that they do not have")
