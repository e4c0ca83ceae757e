package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licenseclassifier/v2/assets"
)

// content is what an image has of us: programs, the licences of what they are made of,
// and a list of that.
type content struct {
	files []file
	parts []cdx.Component
}

// programs are some of our programs with what they are made of, which each says itself.
func (p *platform) programs(names ...string) (*content, error) {
	c, modules := &content{}, map[string]*debug.Module{}
	for _, name := range names {
		at := filepath.Join(p.bin, name)
		info, err := buildinfo.ReadFile(at)
		if err != nil {
			return nil, err
		}
		if err := p.fits(info); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		data, err := os.ReadFile(at)
		if err != nil {
			return nil, err
		}
		c.files = append(c.files, file{name: "usr/local/bin/" + name, mode: 0o755, data: data})
		for _, m := range info.Deps {
			modules[m.Path] = m
		}
		modules["stdlib"] = &debug.Module{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}
	}
	own, err := p.licence()
	if err != nil {
		return nil, err
	}
	c.files = append(c.files, file{name: "usr/share/licenses/legation/LICENSE", data: own})
	return c, p.add(c, modules)
}

// fits refuses a program that is not static, or for another machine.
func (p *platform) fits(info *debug.BuildInfo) error {
	want := map[string]string{"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": p.arch}
	for _, s := range info.Settings {
		if w, ok := want[s.Key]; ok && s.Value != w {
			return fmt.Errorf("it was built with %s=%s, want %s", s.Key, s.Value, w)
		}
	}
	return nil
}

// add takes over modules: a line in the list, and their licences.
func (o *options) add(c *content, modules map[string]*debug.Module) error {
	all := make([]*debug.Module, 0, len(modules))
	for _, m := range modules {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *debug.Module) int { return cmp.Compare(a.Path, b.Path) })
	folders, err := o.folders(all)
	if err != nil {
		return err
	}
	classify, err := assets.DefaultClassifier()
	if err != nil {
		return err
	}
	for _, m := range all {
		texts, err := licences(folders[m.Path])
		if err != nil {
			return fmt.Errorf("module %s: %w", m.Path, err)
		}
		ids := cdx.Licenses{}
		for _, text := range texts {
			text.name = "usr/share/licenses/" + m.Path + "@" + m.Version + "/" + text.name
			c.files = append(c.files, text)
			for _, match := range classify.Match(text.data).Matches {
				if match.MatchType == "License" && !slices.ContainsFunc(ids, func(l cdx.LicenseChoice) bool { return l.License.ID == match.Name }) {
					ids = append(ids, cdx.LicenseChoice{License: &cdx.License{ID: match.Name}})
				}
			}
		}
		if len(ids) == 0 {
			return fmt.Errorf("module %s: no known licence", m.Path)
		}
		c.parts = append(c.parts, cdx.Component{Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
			PackageURL: "pkg:golang/" + m.Path + "@" + m.Version, Licenses: &ids})
	}
	return nil
}

// folders are where the go command has the source of modules, by what go.sum says.
func (o *options) folders(modules []*debug.Module) (map[string]string, error) {
	at, args := map[string]string{}, []string{"mod", "download", "-json"}
	for _, m := range modules {
		if m.Path != "stdlib" {
			args = append(args, m.Path+"@"+m.Version)
		}
	}
	download := exec.Command("go", args...)
	download.Dir = o.source
	out, err := download.Output()
	if err != nil {
		return nil, fmt.Errorf("go mod download: %w", err)
	}
	for lines := json.NewDecoder(bytes.NewReader(out)); lines.More(); {
		var m struct{ Path, Dir string }
		if err := lines.Decode(&m); err != nil {
			return nil, err
		}
		at[m.Path] = m.Dir
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	at["stdlib"] = strings.TrimSpace(string(root))
	return at, err
}

// licenceFile is the name of what has to go with a copy.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-._].*)?$`)

// licences are the files of a module that have to go with it.
func licences(folder string) (files []file, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: e.Name(), data: data})
	}
	return files, nil
}

// envoyComponent is Envoy in the list.
func (o *options) envoyComponent() cdx.Component {
	return cdx.Component{Type: cdx.ComponentTypeApplication, Name: "envoy", Version: o.envoyVersion,
		PackageURL: "pkg:github/envoyproxy/envoy@v" + o.envoyVersion, CPE: "cpe:2.3:a:envoyproxy:envoy:" + o.envoyVersion + ":*:*:*:*:*:*:*",
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}
}

// sbom is the list of what is in an image (CycloneDX).
func (o *options) sbom(image string, parts []cdx.Component) ([]byte, error) {
	slices.SortFunc(parts, func(a, b cdx.Component) int { return cmp.Compare(a.PackageURL, b.PackageURL) })
	for i := range parts {
		parts[i].BOMRef = parts[i].PackageURL
	}
	list := cdx.NewBOM()
	list.Metadata = &cdx.Metadata{Timestamp: o.created().Format(timeFormat), Component: &cdx.Component{
		BOMRef: image, Type: cdx.ComponentTypeContainer, Name: image, Version: o.version,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}}
	list.Components = &parts
	var b bytes.Buffer
	encoder := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true)
	err := encoder.EncodeVersion(list, cdx.SpecVersion1_6)
	return b.Bytes(), err
}
