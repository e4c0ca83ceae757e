package snippet

import (
	"errors"
	"fmt"
	"strings"
)

// directive is one statement of nginx: a name, its arguments, and a block if it has one.
type directive struct {
	name  string
	args  []string
	block []directive
	// blocked: it has a block, perhaps an empty one.
	blocked bool
}

// Limits of a snippet. Real ones have a few lines; these keep parsing cheap.
const (
	maxText  = 64 << 10 // bytes
	maxDepth = 4        // blocks in blocks
)

// parse reads statements in the syntax of nginx's own configuration.
func parse(text string) ([]directive, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("longer than %d bytes", maxText)
	}
	for _, r := range text {
		if r == 0x7f || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return nil, errors.New("contains a control character")
		}
	}
	p := parser{rest: text}
	list, err := p.block(0)
	if err == nil && p.closed {
		err = errors.New("a } without its {")
	}
	return list, err
}

// parser reads a text from the front.
type parser struct {
	rest   string
	closed bool // the last block ended with }
}

// block reads directives up to the end of the block or of the text.
func (p *parser) block(depth int) (list []directive, err error) {
	for {
		d, end, err := p.words()
		switch {
		case err != nil:
			return nil, err
		case end == 0 || end == '}':
			if d.name != "" {
				return nil, fmt.Errorf("%s does not end with ;", d.name)
			}
			p.closed = end == '}'
			return list, nil
		case d.name == "":
			return nil, fmt.Errorf("%c without a directive before it", end)
		case end == '{':
			if d, err = p.nested(d, depth); err != nil {
				return nil, err
			}
		}
		list = append(list, d)
	}
}

// nested reads the block of a directive.
func (p *parser) nested(d directive, depth int) (directive, error) {
	if depth == maxDepth {
		return d, fmt.Errorf("more than %d blocks in each other", maxDepth)
	}
	var err error
	d.blocked = true
	d.block, err = p.block(depth + 1)
	if err == nil && !p.closed {
		err = fmt.Errorf("the block of %s does not end", d.name)
	}
	p.closed = false
	return d, err
}

// words reads the name and arguments of a directive, and what ends them: one of ; { } or
// 0 for the end of the text.
func (p *parser) words() (d directive, end byte, err error) {
	for {
		p.space()
		if p.rest == "" {
			return d, 0, nil
		}
		if c := p.rest[0]; strings.IndexByte(";{}", c) >= 0 {
			p.rest = p.rest[1:]
			return d, c, nil
		}
		word, err := p.word()
		switch {
		case err != nil:
			return d, 0, err
		case d.name == "":
			d.name = word
		default:
			d.args = append(d.args, word)
		}
	}
}

// space passes by blanks and comments.
func (p *parser) space() {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n")
		if !strings.HasPrefix(p.rest, "#") {
			return
		}
		_, p.rest, _ = strings.Cut(p.rest, "\n")
	}
}

// word reads one word, which may be quoted. As at nginx, quotes count at its beginning
// only, and ${ begins a variable and no block.
func (p *parser) word() (string, error) {
	if q := p.rest[0]; q == '"' || q == '\'' {
		return p.quoted(q)
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteString(unescaped(p.rest[i]))
			continue
		case c == '$' && strings.HasPrefix(p.rest[i:], "${"):
			b.WriteByte(c)
			i++
		case strings.IndexByte(" \t\r\n;{", c) >= 0:
			p.rest = p.rest[i:]
			return b.String(), nil
		}
		b.WriteByte(p.rest[i])
	}
	p.rest = ""
	return b.String(), nil
}

// quoted reads a word in quotes.
func (p *parser) quoted(q byte) (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteString(unescaped(p.rest[i]))
		case c == q:
			p.rest = p.rest[i+1:]
			if p.rest != "" && strings.IndexByte(" \t\r\n;{)", p.rest[0]) < 0 {
				return "", fmt.Errorf("text behind a closing %c", q)
			}
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("a %c that is not closed", q)
}

// unescaped is what a backslash before a character stands for. nginx takes the backslash
// away before a few only; before others it stays, as regular expressions need it.
func unescaped(c byte) string {
	switch c {
	case '"', '\'', '\\':
		return string(c)
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'n':
		return "\n"
	}
	return `\` + string(c)
}
