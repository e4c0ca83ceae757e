package server

import (
	"encoding/binary"
	"io"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// pieces hands a message to take as it lies in its buffers. take says how many
// bytes it took: it leaves a field that is cut short by the end of a buffer, and
// gets it again when the rest is there.
func pieces(data mem.BufferSlice, take func([]byte) (int, error)) error {
	c := cut{take: take}
	for _, buffer := range data {
		if err := c.add(buffer.ReadOnlyData()); err != nil {
			return err
		}
	}
	return c.end()
}

// cut is a field that lies in several buffers.
type cut struct {
	take func([]byte) (int, error)
	have []byte // what has come of it; empty if the last buffer ended with a field
	need int    // another look at have is no use before it has so many bytes
}

func (c *cut) add(b []byte) error {
	for len(b) > 0 {
		if len(c.have) == 0 {
			return c.look(b)
		}
		n := min(c.need-len(c.have), len(b))
		c.have, b = append(c.have, b[:n]...), b[n:]
		if len(c.have) == c.need {
			if err := c.look(c.have); err != nil {
				return err
			}
		}
	}
	return nil
}

// look has b taken and keeps what is left.
func (c *cut) look(b []byte) error {
	n, err := c.take(b)
	c.have = append(c.have[:0], b[n:]...)
	c.need = needed(c.have)
	return err
}

// end is called when there is no more to come.
func (c *cut) end() error {
	if len(c.have) == 0 {
		return nil
	}
	if err := c.look(c.have); err != nil || len(c.have) == 0 {
		return err
	}
	return io.ErrUnexpectedEOF
}

// needed is how many bytes the field at the beginning of b has, as far as its
// first bytes tell; more than b has.
func needed(b []byte) int {
	_, typ, tag := protowire.ConsumeTag(b)
	switch {
	case tag < 0:
	case typ == protowire.StartGroupType: // its end is found by looking: so it is looked for seldom
		return 2 * len(b)
	case typ == protowire.BytesType:
		if length, n := protowire.ConsumeVarint(b[tag:]); n > 0 {
			return tag + n + int(min(length, maxReceive))
		}
	}
	return len(b) + 1
}

// isASCII reports whether no byte of b is above 127: then every string in it is
// valid UTF-8, and the strings need not be checked one by one.
func isASCII(b []byte) bool {
	const high = 0x8080808080808080
	for ; len(b) >= 32; b = b[32:] {
		x := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:])
		if x&high != 0 {
			return false
		}
	}
	var rest byte
	for _, x := range b {
		rest |= x
	}
	return rest < 0x80
}
