package policy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Log is the access log.
type Log struct {
	AccessLog       string     // a path, or "off"
	AccessLogFields []LogField // sorted; at least one
	AccessLogFilter LogFilter
}

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

// Logged is whether requests are written to the access log.
type Logged struct{ LogRequests bool }

// loggedRows are the settings of Logged.
var loggedRows = []Setting{
	{
		Name: "log-requests", Type: yesNo(func(v *Values) *bool { return &v.LogRequests }),
		Default: "true", Why: "As ingress-nginx.",
		Envoy: "http filter set_metadata of the route, read by AccessLog.filter",
		Doc:   "Whether requests to the paths are written to the access log, if the class has one.",
	},
}

// logRows are the settings of Log.
var logRows = []Setting{
	{
		Name: "access-log", Type: filePath(func(v *Values) *string { return &v.AccessLog }),
		Default: Stdout, Why: "As ingress-nginx: every request can be explained afterwards.",
		Envoy: "HttpConnectionManager.access_log",
		Doc:   "Where Envoy writes a line of JSON for each request. `/dev/stdout` is the log of the container.",
	},
	{
		Name: "access-log-fields", Type: logFields(func(v *Values) *[]LogField { return &v.AccessLogFields }),
		Default: "all", Why: "What explains a failure is known only afterwards. Fields that are empty are left out of a line.",
		Envoy: "SubstitutionFormatString.json_format of the access log",
		Doc: "What is in a line of the access log. `flags` and `details` say in Envoy's words why an answer is what it is ([troubleshooting](troubleshooting.md)), `route` begins with the Ingress, " +
			"`cluster` is namespace, Service and port, `duration` and `upstream_duration` are in ms, `received` and `sent` in bytes.",
	},
	{
		Name: "access-log-filter", Type: oneOf(func(v *Values) *LogFilter { return &v.AccessLogFilter }, LogAll, LogErrors),
		Default: string(LogAll), Why: "As ingress-nginx. At thousands of requests a second a line for each costs more than the rest of Envoy.",
		Envoy: "AccessLog.filter",
		Doc:   "Which requests are logged: all, or those with a status of 500 or more or with a response flag, such as clients that left early.",
	},
}

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
		list, err := items(text, "a field; one of "+join(LogFields), one)
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

// filePath is an absolute path, or "off".
func filePath(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		if text != off && (!strings.HasPrefix(text, "/") || strings.ContainsFunc(text, isControl)) {
			return "", errors.New("neither off nor an absolute path")
		}
		if text != off && (strings.HasSuffix(text, "/") || path.Clean(text) != text) {
			return "", errors.New("not the path of a file, in its shortest form")
		}
		if len(text) > longestFile || slices.ContainsFunc(strings.Split(text, "/"), func(name string) bool { return len(name) > longestName }) {
			return "", fmt.Errorf("longer than Linux takes: %d bytes, and %d of a name", longestFile, longestName)
		}
		return text, nil
	}
	return typeOf("path on the node", "absolute, or off", field, parse, func(s string) string { return s })
}

// How long the path of a file, and each name in it, may be: PATH_MAX without its NUL, and
// NAME_MAX.
const (
	longestFile = 4095
	longestName = 255
)

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
