// Package examples holds manifests to try Legation with, without a cluster. They
// are in the binary, too.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed shop/*.yaml
var files embed.FS

// Shop is two Services behind one host; its files are those of the folder shop.
func Shop() fs.FS {
	shop, err := fs.Sub(files, "shop")
	if err != nil { // the name is not valid: impossible
		panic(err)
	}
	return shop
}
