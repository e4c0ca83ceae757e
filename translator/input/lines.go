package input

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// lines says in which lines of a file the fields of a document stand. Nearly all
// objects are right and need no line: the document is parsed for it when one does.
type lines struct {
	file string
	line int // where the document begins

	once sync.Once
	text []byte     // until it is parsed
	root *yaml.Node // nil: it was not, or could not be, parsed
}

// place is one object of a document: the document, or an item of a List.
type place struct {
	*lines
	item string // the path of the item: "items[2]"; empty: the document
}

// Place implements object.Places.
func (p place) Place(field string) string {
	line := p.line
	if path := strings.Trim(p.item+"."+field, "."); path != "" {
		line = p.find(path)
	}
	return fmt.Sprintf("%s:%d", p.file, line)
}

// under is the place of an item of a List.
func (p place) under(i int) place {
	p.item = strings.TrimPrefix(fmt.Sprintf("%s.items[%d]", p.item, i), ".")
	return p
}

// find is the line of a field, or of the nearest one above it that is there.
func (l *lines) find(path string) int {
	l.once.Do(func() {
		var document yaml.Node
		if yaml.Unmarshal(l.text, &document) == nil && len(document.Content) == 1 {
			l.root = document.Content[0]
		}
		l.text = nil
	})
	line := l.line
	for n := l.root; n != nil && path != ""; {
		var at *yaml.Node
		if at, n, path = step(n, path); at != nil {
			line = l.line + at.Line - 1
		}
	}
	return line
}

// step takes the first part of a path: where it is, its value, and what is left
// of the path. A key may have dots in it, as those of annotations do.
func step(n *yaml.Node, path string) (at, value *yaml.Node, rest string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.SequenceNode:
		index, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(index)
		if !ok || err != nil || i < 0 || i >= len(n.Content) {
			return nil, nil, ""
		}
		return n.Content[i], n.Content[i], strings.TrimPrefix(rest, ".")
	case yaml.MappingNode:
		longest := -1
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if left, ok := after(path, key); ok && len(key) > longest {
				longest, at, value, rest = len(key), n.Content[i], n.Content[i+1], left
			}
		}
	}
	return at, value, rest
}

// after is what follows key in a path that begins with it: key, "[key]".
func after(path, key string) (rest string, ok bool) {
	if rest, ok := strings.CutPrefix(path, "["+key+"]"); ok {
		return strings.TrimPrefix(rest, "."), true
	}
	rest, ok = strings.CutPrefix(path, key)
	switch {
	case !ok || key == "":
		return "", false
	case strings.HasPrefix(rest, "."):
		return rest[1:], true
	}
	return rest, rest == "" || rest[0] == '['
}
