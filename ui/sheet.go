package ui

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"legation.dev/xds/redact"
)

// MostRows is how many rows all tables of a page have together.
const MostRows = 200

// sheet is what a page shows. Tables get rows by add, which stops at MostRows.
type sheet struct {
	Title, Path string
	Menu        []page
	Lead        string // the answer in a sentence
	Tone        string // of the lead
	Form        *form
	Sections    []*section
	rows        int
}

// section is a table under a title.
type section struct {
	Title, Note string
	Head        []string
	Rows        [][]cell
	// More says what is left out; Next is where the next rows are.
	More, Next string
	Pairs      bool // rows are a name and what it is
}

// cell is one of a table. What it says was cleaned.
type cell struct {
	Text, Href string
	Tone       string // bad, warn, good, dim: beside the text, never instead of it
	Code       bool
	At         string // a moment, for machines
	Small      string // below it
}

// form asks for what a page is to show.
type form struct {
	Fields []field
	Submit string
}

// field is one of a form.
type field struct {
	Name, Label, Value, Hint string
	Options                  []string // else any text; the first is what is not set
	Wide                     bool
}

// pieces are the parts of a name between which a line may break: after a dot, a slash or an
// equals sign. The path of a field is long, and reads badly when it breaks within a word.
func pieces(name string) (list []string) {
	for name != "" {
		end := strings.IndexAny(name, "./=") + 1
		if end == 0 {
			end = len(name)
		}
		list, name = append(list, name[:end]), name[end:]
	}
	return list
}

// section begins a table.
func (s *sheet) section(title string, head ...string) *section {
	one := &section{Title: title, Head: head}
	s.Sections = append(s.Sections, one)
	return one
}

// add adds a row to the last section; false if the page is full.
func (s *sheet) add(cells ...cell) bool {
	of := s.Sections[len(s.Sections)-1]
	if s.full() {
		if of.More == "" {
			of.More = "More than this page shows."
		}
		return false
	}
	s.rows++
	of.Rows = append(of.Rows, cells)
	return true
}

// full reports whether the page has all rows that it may have.
func (s *sheet) full() bool { return s.rows >= MostRows }

// left is how many rows the page may still have.
func (s *sheet) left() int { return MostRows - s.rows }

// clean is a text as people may see it.
func clean(text string) string {
	const most = 2000 // bytes; Envoy's messages can be long
	if len(text) > most {
		text = text[:most] + "…"
	}
	return redact.Message(text)
}

// text is a cell with a text; nothing is "–".
func text(t string) cell {
	if t == "" {
		return cell{Text: "–", Tone: "dim"}
	}
	return cell{Text: clean(t)}
}

func textf(format string, args ...any) cell { return text(fmt.Sprintf(format, args...)) }

// texts is a cell with several names.
func texts(list []string) cell { return text(strings.Join(list, ", ")) }

// count is how many there are, in words.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + several
}

func number[N int | uint32 | uint64](n N) cell { return cell{Text: strconv.FormatUint(uint64(n), 10)} }

// code is a cell with a name that somebody may want to copy.
func code(t string) cell {
	c := text(t)
	c.Code = c.Tone == ""
	return c
}

func (c cell) toned(tone string) cell { c.Tone = tone; return c }

func (c cell) to(path string, query ...string) cell {
	if c.Tone == "dim" {
		return c
	}
	c.Href = link(path, query...)
	return c
}

// link is a path with a query of names and values; empty values are left out.
func link(path string, query ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			q.Set(query[i], query[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// ago is how long ago a moment was.
func ago(t, now time.Time) cell {
	if t.IsZero() || t.Unix() == 0 {
		return text("")
	}
	return cell{Text: duration.HumanDuration(max(now.Sub(t), 0)) + " ago", At: t.UTC().Format(time.RFC3339)}
}

// until is a moment to come, or one that has passed.
func until(t, now time.Time) cell {
	if t.IsZero() || t.Unix() == 0 {
		return text("")
	}
	if t.Before(now) {
		return ago(t, now)
	}
	return cell{Text: "in " + duration.HumanDuration(t.Sub(now)), At: t.UTC().Format(time.RFC3339)}
}

// moment is a time as clocks show it.
func moment(t time.Time) cell {
	at := t.UTC()
	return cell{Text: at.Format(time.DateTime) + " UTC", At: at.Format(time.RFC3339)}
}

// skipOf is the number of rows to leave out, of a query; nonsense is 0.
func skipOf(q url.Values) int {
	n, err := strconv.Atoi(q.Get("skip"))
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return n
}

// page says which of all rows a section shows, and where the next ones are.
func (of *section) page(path string, q url.Values, skip, total int) {
	shown := len(of.Rows)
	if skip == 0 && shown == total {
		return
	}
	if shown == 0 {
		of.More = fmt.Sprintf("There are %d.", total)
		return
	}
	of.More = fmt.Sprintf("%d to %d of %d.", skip+1, skip+shown, total)
	if skip+shown < total {
		next := url.Values{}
		for name := range q {
			next.Set(name, q.Get(name))
		}
		next.Set("skip", strconv.Itoa(skip+shown))
		of.Next = path + "?" + next.Encode()
	}
}
