package render

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/object"
	"legation.dev/xds/snapshot"
)

// sessionTickets is the name of the keys that encrypt TLS session tickets: one secret for
// all filter chains, so that a client resumes its session at whichever Envoy it reaches.
// Envoy refuses every handshake of a listener that lacks it, so it is always there, and a
// listener waits for it as long as it takes. Nothing about one host can be wrong with it,
// so no host can hold up the others by that.
const sessionTickets = "tickets"

// ticketKeyBytes is the size of a key, which Envoy prescribes.
const ticketKeyBytes = 80

// TicketKeys makes the keys of a period out of a seed that all replicas share, and the
// name of the class. The first key encrypts, and all decrypt: that of the period before,
// for tickets that clients still hold, and that of the next one, for tickets of an Envoy
// that already got it.
func TicketKeys(seed []byte, class string, period int64, from []object.Ref) (*snapshot.Resource, error) {
	m, err := newTicketKeys(seed, class, period)
	if err != nil {
		return nil, err
	}
	return newResource(snapshot.Secret, sessionTickets, m, snapshot.Meta{From: from})
}

// StandInTicketKeys are keys of this process's own, a placeholder: an Envoy that has shared ones
// keeps them.
func StandInTicketKeys(seed []byte) *snapshot.Resource {
	m, err := newTicketKeys(seed, "", 0)
	if err != nil {
		panic("render: session ticket keys: " + err.Error()) // 80 bytes are within what HKDF gives
	}
	return standIn(m, snapshot.Meta{})
}

func newTicketKeys(seed []byte, class string, period int64) (*tlsv3.Secret, error) {
	keys := &tlsv3.TlsSessionTicketKeys{}
	for _, p := range []int64{period, period - 1, period + 1} {
		key, err := hkdf.Key(sha256.New, seed, nil, fmt.Sprintf("legation session tickets %s %d", class, p), ticketKeyBytes)
		if err != nil {
			return nil, err
		}
		keys.Keys = append(keys.Keys, &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: key}})
	}
	return &tlsv3.Secret{Name: sessionTickets, Type: &tlsv3.Secret_SessionTicketKeys{SessionTicketKeys: keys}}, nil
}
