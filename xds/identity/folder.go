package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Names of the files of a Folder: those that a Secret of type kubernetes.io/tls has
// when it is mounted, with the CA where cert-manager puts it.
const (
	CertificateFile = "tls.crt"
	KeyFile         = "tls.key"
	CAFile          = "ca.crt"
)

const (
	// lookEvery is how often the files are looked at. A kubelet needs up to a minute
	// to bring a changed Secret, so it need not be sooner.
	lookEvery = 5 * time.Second
	// WarnBefore is how long before the end of a certificate it is warned of.
	WarnBefore = 30 * 24 * time.Hour
	// warnEvery is how often.
	warnEvery = 24 * time.Hour
)

// Folder is a pair and the CAs that the other end's certificate must come from, in
// files that may be replaced at any time. Connections stay open; what
// connects later gets the new ones. Files that cannot be used leave the last ones in
// force. Its methods may be called from any goroutine. Make it with Open.
type Folder struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	now     material
	lent    bool      // now is what OpenWith was given: no file was read yet
	failure string    // why the files cannot be used; empty if they can
	warned  time.Time // of what ends soon
}

// Files are CertificateFile, KeyFile and CAFile.
type Files [3][]byte

// Format hides the key from every verb.
func (Files) Format(f fmt.State, _ rune) { fmt.Fprint(f, "files of the wire") }

// material is what the files hold.
type material struct {
	files   Files
	pair    tls.Certificate // with its Leaf
	roots   *x509.CertPool
	rootEnd time.Time // when the first of the CAs ends
}

// Open reads the files. It fails if they cannot be used; a certificate that has
// expired can. log gets a line when they are replaced, cannot be used, or end soon;
// nil means slog.Default.
func Open(dir string, log *slog.Logger) (*Folder, error) {
	if log == nil {
		log = slog.Default()
	}
	f := &Folder{dir: dir, log: log}
	m, err := f.read()
	if err != nil {
		return nil, err
	}
	f.now = m
	f.warn(time.Now())
	return f, nil
}

// OpenWith is Open for a folder whose files may come later, as those of a Secret that was
// just made: until they do, it holds first.
func OpenWith(dir string, first Files, log *slog.Logger) (*Folder, error) {
	if log == nil {
		log = slog.Default()
	}
	m, err := parse(first, " in "+dir)
	if err != nil {
		return nil, err
	}
	return &Folder{dir: dir, log: log, now: m, lent: true}, nil
}

// Run follows the files until ctx ends, and returns its error.
func (f *Folder) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			f.Look(time.Now())
		}
	}
}

// Look reads the files now. True: they can be used, and are, whether new or as before.
// False: they cannot; what was read last stays in force.
func (f *Folder) Look(now time.Time) bool {
	m, err := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lent && errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		if f.failure != err.Error() {
			f.failure = err.Error()
			f.log.Error("certificates cannot be used; the last ones stay in force", "error", err)
		}
		f.warn(now)
		return false
	}
	f.failure, f.lent = "", false
	if !equal(m.files, f.now.files) {
		f.now, f.warned = m, time.Time{}
		f.log.Info("certificates were replaced", "folder", f.dir, "ends", m.pair.Leaf.NotAfter, "ca_ends", m.rootEnd)
	}
	f.warn(now)
	return true
}

// warn says what ends soon, once a day.
func (f *Folder) warn(now time.Time) {
	ends := map[string]time.Time{CertificateFile: f.now.pair.Leaf.NotAfter, CAFile: f.now.rootEnd}
	if !f.warned.IsZero() && now.Sub(f.warned) < warnEvery {
		return
	}
	for _, file := range []string{CertificateFile, CAFile} {
		if left := ends[file].Sub(now); left < WarnBefore {
			f.warned = now
			f.log.Warn("a certificate of the wire ends soon, or has ended: nobody new can connect then", "file", filepath.Join(f.dir, file), "ends", ends[file], "left", left.Round(time.Minute))
		}
	}
}

// Ends is when the certificate ends, and the first of the CAs.
func (f *Folder) Ends() (certificate, ca time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now.pair.Leaf.NotAfter, f.now.rootEnd
}

// Failure is why the files cannot be used now; empty if they can.
func (f *Folder) Failure() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

func (f *Folder) pair() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &f.now.pair
}

func (f *Folder) roots() *x509.CertPool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now.roots
}

func equal(a, b Files) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// read reads the files. Those of a mounted Secret are replaced together; a
// certificate and a key that do not belong together are those of a replacement that
// is under way, or a mistake.
func (f *Folder) read() (m material, err error) {
	var files Files
	for i, name := range []string{CertificateFile, KeyFile, CAFile} {
		if files[i], err = os.ReadFile(filepath.Join(f.dir, name)); err != nil {
			return m, err
		}
	}
	return parse(files, " in "+f.dir)
}

// parse makes of files what is used of them; where says whose they are.
func parse(files Files, where string) (m material, err error) {
	m.files = files
	if m.pair, err = tls.X509KeyPair(m.files[0], m.files[1]); err != nil {
		return m, fmt.Errorf("%s and %s%s: %w", CertificateFile, KeyFile, where, err)
	}
	if m.roots, m.rootEnd, err = readRoots(m.files[2]); err != nil {
		return m, fmt.Errorf("%s%s: %w", CAFile, where, err)
	}
	return m, nil
}

// Of is a Folder of files that were read elsewhere, as those of a Secret. They are never
// read again: Run is not for it.
func Of(certificate, key, ca []byte) (*Folder, error) {
	m, err := parse(Files{certificate, key, ca}, "")
	if err != nil {
		return nil, err
	}
	return &Folder{now: m, log: slog.New(slog.DiscardHandler)}, nil
}

func readRoots(text []byte) (pool *x509.CertPool, end time.Time, err error) {
	pool = x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, end, err
		}
		if !c.IsCA {
			return nil, end, fmt.Errorf("%s is no CA", c.Subject)
		}
		pool.AddCert(c)
		if end.IsZero() || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	if end.IsZero() {
		return nil, end, errors.New("there is no certificate in it")
	}
	return pool, end, nil
}
