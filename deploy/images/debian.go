package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	pathpkg "path"
	"regexp"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"pault.ag/go/debian/deb"
)

// needed are the files of Debian's libc6 that Envoy can need: the loader, the library
// in its parts, and what looks names up. No program of it, and no locale.
var needed = regexp.MustCompile(`^(lib/([^/]+/)?|lib64/)(ld-linux[^/]*|lib(c|m|dl|pthread|rt|resolv|nss_dns|nss_files))\.so\.[0-9]+$|^usr/share/doc/libc6/copyright$`)

// libc is the C library, of a Debian package.
type libc struct {
	files     []file
	component cdx.Component
}

// debian reads the package, if it is one that is pinned.
func (p *platform) debian() (*libc, error) {
	if err := p.pinned(); err != nil {
		return nil, err
	}
	d, closer, err := deb.LoadFile(p.libc)
	if err != nil {
		return nil, err
	}
	defer closer()
	c := d.Control
	if c.Package != "libc6" || c.Architecture.String() != p.arch {
		return nil, fmt.Errorf("%s is %s for %s, want libc6 for %s", p.libc, c.Package, c.Architecture.String(), p.arch)
	}
	l := &libc{}
	if l.files, err = libraries(d.Data); err != nil {
		return nil, fmt.Errorf("%s: %w", p.libc, err)
	}
	// Where scanners of images look for packages, since distroless images have them there.
	l.files = append(l.files, file{name: "var/lib/dpkg/status.d/libc6", data: fmt.Appendf(nil,
		"Package: libc6\nSource: glibc\nVersion: %s\nArchitecture: %s\nStatus: install ok installed\nMaintainer: %s\nDescription: %s\n",
		c.Version.String(), p.arch, c.Maintainer, firstLine(c.Description))},
		file{name: "etc/os-release", data: []byte("ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Legation, with the C library of Debian 12\"\n")})
	l.component = cdx.Component{Type: cdx.ComponentTypeLibrary, Name: "libc6", Version: c.Version.String(),
		PackageURL: fmt.Sprintf("pkg:deb/debian/libc6@%s?arch=%s&distro=debian-12", strings.ReplaceAll(c.Version.String(), "+", "%2B"), p.arch),
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "LGPL-2.1-or-later"}}}}
	return l, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// libraries are the files of the package that are needed.
func libraries(in *tar.Reader) (files []file, err error) {
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(pathpkg.Clean(h.Name), "/")
		if !needed.MatchString(name) {
			continue
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: name, mode: h.FileInfo().Mode().Perm(), link: h.Linkname, data: data})
	}
	if len(files) < 9 {
		return nil, fmt.Errorf("only %d files of a C library", len(files))
	}
	return files, nil
}

// pinned reports an error unless the digest of the package is in the file of pins.
func (p *platform) pinned() error {
	f, err := os.Open(p.libc)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	digest := hex.EncodeToString(hash.Sum(nil))
	pins, err := os.Open(p.pins)
	if err != nil {
		return err
	}
	defer pins.Close()
	for lines := bufio.NewScanner(pins); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "libc6 ") && strings.HasSuffix(lines.Text(), " "+p.arch+" "+digest) {
			return nil
		}
	}
	if p.unpinned {
		fmt.Fprintf(os.Stderr, "images: %s is not pinned: these images are for tests\n", p.libc)
		return nil
	}
	return fmt.Errorf("%s has the digest %s, which %s does not pin for %s", p.libc, digest, p.pins, p.arch)
}
