package policy

import (
	"errors"
	"time"
)

// Renewal moves clients from connections that began before a moment to new ones, which
// have the newest HTTP configuration of the listeners.
type Renewal struct {
	RenewConnections time.Time     // the moment; zero: none
	RenewWithin      time.Duration // how long it takes from then until all may be told
}

// renewalRows are the settings of Renewal.
var renewalRows = []Setting{
	{
		Name: "renew-connections", Type: moment(func(v *Values) *time.Time { return &v.RenewConnections }),
		Default: "", Why: "A change of an HTTP configuration is for new connections. When the old ones are to follow, by another connection for each client, is for who operates it to say.",
		Envoy: "RouteConfiguration.typed_per_filter_config, for as long as the renewal takes",
		Doc: "Clients are told to leave connections that began before this moment, and dial again: by `Connection: close`, or GOAWAY, with the answer to a request. No request is cut, and WebSockets and streams under way live on. " +
			"The moment must come after what they are to follow has reached all Envoys; it may lie ahead. It begins then, and ends by itself when all others were told or have been closed as idle: after `renew-connections-within`, and `downstream-idle-timeout` or an hour, if that is longer. See [operating.md](operating.md#renewing-connections).",
	},
	{
		Name: "renew-connections-within", Type: duration(func(v *Values) *time.Duration { return &v.RenewWithin }, 0, day),
		Default: "5m", Why: "10,000 clients of an Envoy that dial again are 33 a second then. A core makes hundreds of TLS handshakes a second.",
		Envoy: "RouteConfiguration.typed_per_filter_config",
		Doc:   "Over how long `renew-connections` spreads it: each connection has a moment of its own in that time, and its client is told with the first answer after it.",
	},
}

// moment is a time of day of a date, or nothing.
func moment(field func(*Values) *time.Time) Type {
	parse := func(text string) (time.Time, error) {
		if text == "" {
			return time.Time{}, nil
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, errors.New("not a moment such as 2026-11-28T17:00:00Z")
		}
		return t.UTC(), nil
	}
	print := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	return typeOf("moment", "as `date -u +%FT%TZ` prints it (RFC 3339)", field, parse, print)
}
