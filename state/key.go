package state

import (
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
)

// sealer encrypts, or does not, what is written to the writer that it returns.
type sealer func(io.Writer) (io.WriteCloser, error)

// opener is the way back.
type opener func(io.Reader) (io.Reader, error)

// plain does not encrypt.
func plain(w io.Writer) (io.WriteCloser, error) { return unclosed{w}, nil }

func unsealed(r io.Reader) (io.Reader, error) { return r, nil }

// unclosed is a writer that has nothing to do at its end.
type unclosed struct{ io.Writer }

// Close does nothing.
func (unclosed) Close() error { return nil }

// Key encrypts what comes from Secrets. Make it with ReadKey.
type Key struct {
	identities []age.Identity
	recipients []age.Recipient
}

// ReadKey reads a file of identities as age-keygen makes it: the first encrypts, and each
// decrypts, so that a key can be replaced.
func ReadKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := age.ParseIdentities(f)
	if err != nil {
		return nil, errors.New(path + ": want an identity of age, as age-keygen makes it") // the error may quote it
	}
	first, ok := list[0].(*age.X25519Identity)
	if !ok {
		return nil, fmt.Errorf("%s: the first identity is no X25519 one", path)
	}
	return &Key{identities: list, recipients: []age.Recipient{first.Recipient()}}, nil
}

func (k *Key) seal(w io.Writer) (io.WriteCloser, error) { return age.Encrypt(w, k.recipients...) }

func (k *Key) open(r io.Reader) (io.Reader, error) {
	plain, err := age.Decrypt(r, k.identities...)
	if err != nil {
		return nil, fmt.Errorf("the key does not open it: %w", err)
	}
	return plain, nil
}
