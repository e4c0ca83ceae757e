package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/translator/finding"
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

// Why is Asks, for who asks by the admin service, with what all replicas know of it (Live).
func (s *Served) Why(ctx context.Context, asked *adminv1.WhyRequest, now time.Time) (list []*structpb.Struct, replicas []*adminv1.Replica, err error) {
	q, err := ParseQuestion(asked)
	if err != nil {
		return nil, nil, err
	}
	var seen []finding.Problem
	if s.Problems != nil {
		seen = s.Problems.Seen()
	}
	decided := Asks(s.Result(), q, asked.GetFleet(), now, seen...)
	if replicas, err = s.Live(ctx, decided); err != nil {
		return nil, nil, err
	}
	for _, w := range decided {
		text, err := json.Marshal(w)
		if err != nil {
			return nil, nil, err
		}
		s := &structpb.Struct{}
		if err := s.UnmarshalJSON(text); err != nil {
			return nil, nil, err
		}
		list = append(list, s)
	}
	return list, replicas, nil
}

// ReadWhy is what Served.Why said.
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
