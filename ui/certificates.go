package ui

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"legation.dev/inspect"
)

// soon is how long before its end a certificate is marked: most are renewed earlier.
const soon = 14 * 24 * time.Hour

// certificates are those of all TLS hosts, the first to end first.
func (p *Pages) certificates(r *http.Request) (*sheet, error) {
	q := r.URL.Query()
	host := strings.ToLower(strings.TrimSpace(q.Get("host")))
	s, now := &sheet{}, time.Now()
	s.Form = &form{Submit: "Show", Fields: []field{{Name: "host", Label: "Host begins with", Value: clean(host)}}}
	of := s.section("", "Ends", "On", "Host", "Fleet", "For", "Issued by", "From", "State")
	if host != "" {
		list, more := p.ends.Of(host, s.left())
		for _, e := range list {
			s.add(ending(e, now)...)
		}
		if more {
			of.More = "And others; type more of the name."
		}
		return s, nil
	}
	list, next, total := p.ends.ByEnd(q.Get("after"), s.left())
	for _, e := range list {
		s.add(ending(e, now)...)
	}
	if next != "" {
		of.More, of.Next = fmt.Sprintf("%d of %d.", len(list), total), link("/certificates", "after", next)
	}
	s.Lead, s.Tone = count(total, "certificate is", "certificates are")+" presented.", "good"
	if first, _, _ := p.ends.ByEnd("", 1); len(first) > 0 {
		switch _, bad := first[0].State(now); {
		case bad:
			s.Lead, s.Tone = s.Lead+" Clients refuse at least one.", "bad"
		case first[0].Ends.Sub(now) < soon:
			s.Lead, s.Tone = s.Lead+" The first ends "+until(first[0].Ends, now).Text+".", "warn"
		default:
			s.Lead += " The first ends " + until(first[0].Ends, now).Text + "."
		}
	}
	return s, nil
}

// ending is a certificate in a row.
func ending(e *inspect.Ending, now time.Time) []cell {
	end, day := until(e.Ends, now), text("")
	state, bad := e.State(now)
	of := text(state)
	switch {
	case bad && e.Ends.Before(now):
		end, of = end.toned("bad"), of.toned("bad")
	case bad:
		of = of.toned("bad")
	case e.Ends.Sub(now) < soon:
		end = end.toned("warn")
	}
	if !e.Ends.IsZero() {
		day = text(e.Ends.UTC().Format(time.DateOnly))
	}
	names := e.Names
	const shown = 3
	if n := len(names); n > shown {
		names = append(names[:shown:shown], fmt.Sprintf("and %d more", n-shown))
	}
	return []cell{end, day, text(e.Host).to("/search", "q", "https://"+e.Host+"/"), text(e.Fleet), texts(names), text(e.Issuer), text(e.Secret), of}
}
