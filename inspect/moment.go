package inspect

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
)

// ObjectText is an object as the admin service takes it: "Ingress shop/checkout".
func ObjectText(argument string) (string, error) {
	kind, name, _ := strings.Cut(argument, "/")
	for _, of := range object.Kinds {
		if strings.EqualFold(string(of.Kind), kind) && name != "" {
			return string(of.Kind) + " " + name, nil
		}
	}
	return "", fmt.Errorf("%q: want KIND/NAMESPACE/NAME, as in ingress/shop/checkout", argument)
}

// Moment is the time that text means in a zone; nil for an empty text. A time of day is of
// today, or of yesterday if it is still to come.
func Moment(text string, now time.Time, zone *time.Location) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return timestamppb.New(now.Add(-ago)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return timestamppb.New(t), nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		t, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		year, month, day := now.In(zone).Date()
		t = time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), 0, zone)
		if t.After(now) {
			t = time.Date(year, month, day-1, t.Hour(), t.Minute(), t.Second(), 0, zone)
		}
		return timestamppb.New(t), nil
	}
	return nil, fmt.Errorf(`%q: want a time ("14:02"), a date and a time ("2026-11-28 14:02", RFC 3339), or how long ago ("30m")`, text)
}
