package state

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"legation.dev/translator/input"
)

// A file begins with a line of text:
//
//	legation-state 1 SHA-256-OF-ALL-THAT-FOLLOWS
//
// What follows is JSON, a value in each line, compressed with gzip and, if it has Secrets,
// encrypted with age: a header, then entries.

const (
	magic = "legation-state"
	// format counts the changes of what is said above.
	format = 1
	// maxFile is how many bytes a file may have: 40 times what 10,000 Ingresses take.
	maxFile = 64 << 20
	// maxPlain is the same of what is compressed: a damaged file must not fill the memory.
	maxPlain = 1 << 30
	// maxLine is the same of one entry: an API server takes 3 MiB at most, and JSON
	// quotes some bytes as six.
	maxLine = 20 << 20
)

// Why a file is not used.
var (
	errDamaged = errors.New("it is damaged")
	errVersion = errors.New("another version of Legation has written it")
	errSource  = errors.New("it is of another source, or of other classes or namespaces")
)

// header is the first value of a file.
type header struct {
	// Schema is input.EntrySchema of the process that has written it.
	Schema string `json:"schema"`
	// Source is Config.Source of that process.
	Source string `json:"source"`
	// Read is when what follows was read from the source, or was found to be as it was.
	Read time.Time `json:"read"`
	// Told is what the clock said that says since when things are held: when this was written.
	Told time.Time `json:"told,omitzero"`
}

// encode is a file.
func encode(h header, entries iter.Seq[input.Entry], seal sealer) ([]byte, error) {
	var body bytes.Buffer
	sealed, err := seal(&body)
	if err != nil {
		return nil, err
	}
	packed, err := gzip.NewWriterLevel(sealed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	values := json.NewEncoder(packed)
	values.SetEscapeHTML(false) // an object is text that Seal has made, and stays as it is
	if err := values.Encode(h); err != nil {
		return nil, err
	}
	for e := range entries {
		if err := values.Encode(e); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(packed.Close(), sealed.Close()); err != nil {
		return nil, err
	}
	return summed(body.Bytes()), nil
}

// summed is a body behind its first line.
func summed(body []byte) []byte {
	sum := sha256.Sum256(body)
	text := fmt.Appendf(nil, "%s %d %s\n", magic, format, hex.EncodeToString(sum[:]))
	return append(text, body...)
}

// decode is the entries of a file. Its error is one of those above, or wraps one.
func decode(text []byte, source string, open opener) (header, iter.Seq2[input.Entry, error], error) {
	body, err := checked(text)
	if err != nil {
		return header{}, nil, err
	}
	h, lines, err := unpacked(body, header{Schema: input.EntrySchema(), Source: source}, open)
	if err != nil {
		return header{}, nil, err
	}
	return h, rest[input.Entry](lines), nil
}

// unpacked is the header of a body and the lines after it, if it has the schema and the source
// that are wanted.
func unpacked(body []byte, want header, open opener) (header, *bufio.Scanner, error) {
	plain, err := open(bytes.NewReader(body))
	if err != nil {
		return header{}, nil, err
	}
	packed, err := gzip.NewReader(plain)
	if err != nil {
		return header{}, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	lines := bufio.NewScanner(io.LimitReader(packed, maxPlain))
	lines.Buffer(nil, maxLine)
	var h header
	switch err := nextValue(lines, &h); {
	case errors.Is(err, io.EOF):
		return header{}, nil, fmt.Errorf("%w: it is empty", errDamaged)
	case err != nil:
		return header{}, nil, err
	}
	switch {
	case h.Schema != want.Schema:
		return header{}, nil, errVersion
	case h.Source != want.Source:
		return header{}, nil, fmt.Errorf("%w (%s)", errSource, h.Source)
	}
	return h, lines, nil
}

// checked is what follows the first line, if that is of this version and the sum is right.
func checked(text []byte) ([]byte, error) {
	line, body, ok := bytes.Cut(text, []byte("\n"))
	var version int
	var sum string
	if _, err := fmt.Sscanf(string(line[:min(len(line), 200)]), magic+" %d %s", &version, &sum); !ok || err != nil {
		return nil, errDamaged
	}
	if version != format {
		return nil, fmt.Errorf("%w (format %d)", errVersion, version)
	}
	if got := sha256.Sum256(body); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("%w: its checksum does not fit", errDamaged)
	}
	return body, nil
}

// rest yields what follows the header.
func rest[E any](lines *bufio.Scanner) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		for {
			var e E
			err := nextValue(lines, &e)
			if errors.Is(err, io.EOF) || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// nextValue reads a line; io.EOF after the last.
func nextValue(lines *bufio.Scanner, to any) error {
	if !lines.Scan() {
		if err := lines.Err(); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		return io.EOF
	}
	d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("%w: a line is no entry", errDamaged) // the text may be of a Secret
	}
	return nil
}

// put replaces a file, or leaves it as it is.
func (f *Folder) put(path string, text []byte) error {
	pending, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { _ = pending.Cleanup() }() // nothing is left of it once it has replaced the file
	for part := range parts(text) {
		if _, err := f.wrap(pending).Write(part); err != nil {
			return err
		}
	}
	return pending.CloseAtomicallyReplace()
}

// atOnce is how many bytes one write has.
const atOnce = 4 << 10

// parts cuts text.
func parts(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(text) > 0 {
			n := min(len(text), atOnce)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}
