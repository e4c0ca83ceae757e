package inspect

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/translator"
	"legation.dev/xds/admin/adminv1"
)

// ParseQuestion is the request that words say.
func ParseQuestion(r *adminv1.WhyRequest) (q Question, err error) {
	text := r.GetUrl()
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	q = Question{Method: strings.ToUpper(cmp.Or(r.GetMethod(), http.MethodGet)), Headers: http.Header{}}
	q.URL, err = url.Parse(text)
	switch {
	case err != nil:
		return q, err
	case q.URL.Scheme != "http" && q.URL.Scheme != "https" || q.URL.Host == "":
		return q, fmt.Errorf("%q: want http://HOST/PATH or https://HOST/PATH", r.GetUrl())
	}
	for _, h := range r.GetHeaders() {
		name, value, ok := strings.Cut(h, ":")
		if !ok || name == "" {
			return q, fmt.Errorf("--header %q: want 'Name: value'", h)
		}
		q.Headers.Add(name, strings.TrimSpace(value))
	}
	if r.GetFrom() != "" {
		if q.From, err = netip.ParseAddr(r.GetFrom()); err != nil {
			return q, fmt.Errorf("--from %q: want an IP address", r.GetFrom())
		}
	}
	return q, nil
}

// AnswerWhy is Asks for who asks by the admin service.
func AnswerWhy(r translator.Result, asked *adminv1.WhyRequest, now time.Time) (list []*structpb.Struct, err error) {
	q, err := ParseQuestion(asked)
	if err != nil {
		return nil, err
	}
	for _, w := range Asks(r, q, asked.GetFleet(), now) {
		text, err := json.Marshal(w)
		if err != nil {
			return nil, err
		}
		s := &structpb.Struct{}
		if err := s.UnmarshalJSON(text); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// ReadWhy is what AnswerWhy said.
func ReadWhy(fleets []*structpb.Struct) (list []Why, err error) {
	for _, s := range fleets {
		text, err := s.MarshalJSON()
		if err != nil {
			return nil, err
		}
		var w Why
		if err := json.Unmarshal(text, &w); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

// Live adds what is known of Envoys and holds: made is what became of the virtual hosts, and
// held all that is held.
func Live(list []Why, made []*adminv1.Made, held []*adminv1.Hold) {
	for i := range list {
		w := &list[i]
		for _, m := range made {
			if m.GetFleet() == w.Fleet && m.GetResource().GetName() == "ingress/"+w.Host {
				w.Running = fmt.Sprintf("%d of %d", m.GetRunning(), m.GetEnvoys())
			}
		}
		for _, h := range held {
			if (h.GetFleet() == "" || h.GetFleet() == w.Fleet) && slices.Contains(w.Objects, h.GetObject()) {
				until := "until that is mended"
				if h.GetUntil() != nil {
					until = "until " + h.GetUntil().AsTime().Format(time.RFC3339)
				}
				w.Held = append(w.Held, fmt.Sprintf("%s of %s, %s: %s", h.GetKind(), h.GetObject(), until, h.GetReason()))
			}
		}
	}
}
