package server

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// maxNames bounds the names in one request; a name that is repeated counts each
	// time. On a reconnect Envoy repeats each name (to subscribe, and with its version),
	// so 50,000 resources are 100,000 names; the limit is five times that. It is needed
	// because the server keeps some 200 bytes for a name: a request of 64 MiB that
	// consists of very short names would take gigabytes.
	maxNames = 500_000
	// maxName bounds a name, in bytes; for an entry of a map, name and version
	// together. The longest name, that of the virtual host of the longest host, has 261.
	maxName = 1 << 10
	// maxRest bounds all other fields of a request together, in bytes. Envoy's node,
	// with the list of its extensions, has less than 100 kB; the error of a NACK has a
	// line for each resource.
	maxRest = 1 << 20
	// namesPerAddress bounds the names that the server keeps for all streams of one IP
	// address: names that its Envoys have subscribed to or reported and whose resource
	// they do not have in the wanted version. Ten fresh Envoys of 50,000 names reach
	// the limit for a moment, and are back at zero once they are up to date. A stream
	// that exceeds it is ended with RESOURCE_EXHAUSTED; the Envoy connects again later.
	namesPerAddress = 500_000
)

// errSizes is wrapped by all errors of sizes.add.
var errSizes = errors.New("too large")

// sizes adds up the parts of a request while it is read.
type sizes struct{ names, rest int }

// add counts one field. It returns an error if a limit is exceeded.
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

// hold records how many names are kept for this stream. It returns errNames if that
// makes more than namesPerAddress of all streams of the client's IP address.
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

// errNames ends a stream whose IP address exceeds namesPerAddress.
var errNames = status.Error(codes.ResourceExhausted, "Envoys of this address ask for too many names that they do not have")
