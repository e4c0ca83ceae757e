package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// sums is the file with the digests of all files of a release, for who signs it.
const sums = "SHA256SUMS"

// release lists what a release would publish: artifacts by the names that push gives
// them, and files, which SHA256SUMS has, too.
func (o *options) release() error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	if err := o.listArtifacts(table); err != nil {
		return err
	}
	fmt.Fprintln(table)
	if err := o.listFiles(table); err != nil {
		return err
	}
	fmt.Fprintf(table, "\nNothing was published. %s has the digests of the files, to be signed; docs/release.md says how.\n", sums)
	return table.Flush()
}

func (o *options) listArtifacts(to io.Writer) error {
	fmt.Fprintln(to, "ARTIFACT\tDIGEST\tBYTES")
	for _, name := range artifacts {
		tag, image, err := written(filepath.Join(o.out, "images", name))
		if err != nil {
			return err
		}
		digest, err := image.Digest()
		if err != nil {
			return err
		}
		size, err := sizeOf(image)
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "%s/%s:%s\t%s\t%d\n", o.registry, repositories[name], tag, digest, size)
	}
	return nil
}

// listFiles lists files, and writes the file with their digests.
func (o *options) listFiles(to io.Writer) error {
	fmt.Fprintln(to, "FILE\tDIGEST\tBYTES")
	var list bytes.Buffer
	for _, pattern := range []string{"images.tar", "images/*.cdx.json", "chart/*.tgz"} {
		files, err := filepath.Glob(filepath.Join(o.out, pattern))
		if err != nil {
			return err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(o.out, f)
			if err != nil {
				return err
			}
			digest := sha256.Sum256(data)
			fmt.Fprintf(to, "%s\tsha256:%x\t%d\n", name, digest, len(data))
			fmt.Fprintf(&list, "%x  %s\n", digest, name)
		}
	}
	return os.WriteFile(filepath.Join(o.out, sums), list.Bytes(), 0o644)
}
