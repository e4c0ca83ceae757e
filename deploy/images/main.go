package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// timeFormat is that of RFC 3339, in UTC.
const timeFormat = "2006-01-02T15:04:05Z"

const usage = `Usage:
  images build [flags]     write both images to --out, as OCI layouts and as one archive
  images chart FILE        write what 'helm package' made as an OCI layout, too, and without times
  images release           list what would be published of --out, with digests and sizes
  images push              push what --out has to --registry

Flags:
`

// options are the flags.
type options struct {
	out               string
	registry          string
	version, revision string
	platforms         []*platform
	envoyVersion      string
	pins              string
	unpinned          bool
	seconds           int64
	source            string
}

// platform is what the programs of an image are built for.
type platform struct {
	*options
	arch  string // amd64 or arm64
	bin   string // folder with legation and shutdown-manager, built for Linux without cgo
	envoy string // the binary of Envoy
	libc  string // Debian's package libc6
}

// platform adds one, of a flag.
func (o *options) platform(text string) error {
	words := strings.Split(text, ",")
	if len(words) != 4 {
		return errors.New("want ARCH,BIN,ENVOY,LIBC")
	}
	o.platforms = append(o.platforms, &platform{o, words[0], words[1], words[2], words[3]})
	return nil
}

func (o *options) flags() *flag.FlagSet {
	f := flag.NewFlagSet("images", flag.ExitOnError)
	f.Usage = func() { fmt.Fprint(f.Output(), usage); f.PrintDefaults() }
	f.StringVar(&o.out, "out", "out", "folder of what is made")
	f.StringVar(&o.registry, "registry", "ghcr.io/legation", "what the names of the images begin with")
	f.StringVar(&o.version, "version", "", "version of Legation, and tag of the images")
	f.StringVar(&o.revision, "revision", "", "commit that was built")
	f.Func("platform", "ARCH,BIN,ENVOY,LIBC: amd64 or arm64, the folder with legation and shutdown-manager, built for Linux\nwithout cgo, the binary of Envoy, and Debian's package libc6; several make images of several platforms", o.platform)
	f.StringVar(&o.envoyVersion, "envoy-version", "", "the version of Envoy")
	f.StringVar(&o.pins, "pins", "libc6.txt", "file with the digests of that package")
	f.BoolVar(&o.unpinned, "unpinned", false, "take a libc6 that is not pinned: for tests, not for a release")
	f.Int64Var(&o.seconds, "time", 0, "time of the commit, in seconds since 1970")
	f.StringVar(&o.source, "source", "../..", "the repository")
	return f
}

func main() {
	o := &options{}
	f := o.flags()
	if len(os.Args) < 2 {
		f.Usage()
		os.Exit(2)
	}
	_ = f.Parse(os.Args[2:]) // it exits
	var err error
	switch command := os.Args[1]; {
	case command == "build" && f.NArg() == 0:
		err = o.build()
	case command == "chart" && f.NArg() == 1:
		err = o.chart(f.Arg(0))
	case command == "release" && f.NArg() == 0:
		err = o.release()
	case command == "push" && f.NArg() == 0:
		err = o.push()
	default:
		f.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

// build makes the images and writes them.
func (o *options) build() error {
	var all []*made
	for _, p := range o.platforms {
		some, err := p.images()
		if err != nil {
			return fmt.Errorf("%s: %w", p.arch, err)
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return errors.New("no --platform")
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for _, name := range imageNames {
		if err := writeLayout(filepath.Join(o.out, "images", name), named(all, name)); err != nil {
			return fmt.Errorf("image %s: %w", name, err)
		}
	}
	if err := writeArchive(filepath.Join(o.out, "images.tar"), all[:len(imageNames)]); err != nil {
		return err
	}
	return o.writeValues(all)
}

// named are the images of a name, one for each platform.
func named(all []*made, name string) (some []*made) {
	for _, m := range all {
		if m.name == name {
			some = append(some, m)
		}
	}
	return some
}

// reference is the name of an image. Its tag is the version without the v of git's tag,
// as in the chart.
func (o *options) reference(image string) (name.Tag, error) {
	return name.NewTag(o.registry+"/"+image+":"+strings.TrimPrefix(o.version, "v"), name.StrictValidation)
}

// licence is that of Legation, and of Envoy: the Apache License 2.0.
func (o *options) licence() ([]byte, error) { return os.ReadFile(filepath.Join(o.source, "LICENSE")) }

// created is when, by what the images say, they were made.
func (o *options) created() time.Time { return time.Unix(o.seconds, 0).UTC() }
