package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Stdout is the access log of a container.
const Stdout = "/dev/stdout"

// LogFilter says which requests are logged.
type LogFilter string

// The filters.
const (
	LogAll    LogFilter = "all"
	LogErrors LogFilter = "errors"
)

// LogField is a key of a line of the access log.
type LogField string

// LogFields are all of them.
var LogFields = []LogField{"client", "cluster", "details", "duration", "flags", "host", "method", "path", "protocol", "received", "referer", "request_id",
	"route", "sent", "sni", "status", "termination", "time", "tls", "tries", "upstream", "upstream_duration", "upstream_failure", "user_agent"}

// allFields is the word for all of them.
const allFields = "all"

// logFields is a list of LogFields, sorted.
func logFields(field func(*Values) *[]LogField) Type {
	one := func(text string) (LogField, error) {
		if !slices.Contains(LogFields, LogField(text)) {
			return "", fmt.Errorf("no field is called %q", text)
		}
		return LogField(text), nil
	}
	parse := func(text string) ([]LogField, error) {
		if text == allFields {
			return LogFields, nil
		}
		list, err := items(text, one)
		slices.Sort(list)
		if err == nil && len(list) == 0 {
			err = errors.New("at least one field is needed")
		}
		return list, err
	}
	show := func(list []LogField) string {
		if slices.Equal(list, LogFields) {
			return allFields
		}
		return join(list)
	}
	return typeOf("words, separated by commas", "all, or of "+join(LogFields), field, parse, show)
}

func join(list []LogField) string {
	var words []string
	for _, f := range list {
		words = append(words, string(f))
	}
	return strings.Join(words, ", ")
}
