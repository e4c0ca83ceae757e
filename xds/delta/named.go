package delta

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/snapshot"
)

// nextEndpoints is step 2 of Next: it waits for nothing but the answer to its
// own last response, and not even for that if the CLA is owed.
func (c *Conn) nextEndpoints(send func(*flight)) {
	const t = snapshot.Endpoints
	c.groupOf(t, send)
	names := c.differing(t)
	var adds []*snapshot.Resource
	var removals []string
	for _, n := range names {
		want, ok := c.pendingNamed(t, n)
		switch {
		case !ok:
		case want != nil:
			adds = append(adds, want)
		default:
			removals = append(removals, n)
		}
	}
	for _, part := range chunks(adds, len(adds), maxBytes) {
		if c.full(t) {
			return
		}
		f := c.response(t, part, nil)
		c.all(f, len(names))
		send(f)
	}
	if len(removals) > 0 && !c.full(t) {
		send(c.response(t, nil, removals))
	}
}

// pendingNamed says what to send for a name of a named type: nil for a removal.
func (c *Conn) pendingNamed(t snapshot.Type, name string) (want *snapshot.Resource, ok bool) {
	st := &c.types[t]
	if !st.subscribed(name) || st.grouped[name] > 0 {
		return nil, false
	}
	_, owed := st.owed[name]
	if _, flying := st.flying(name); flying && !(owed && t == snapshot.Endpoints) {
		return nil, false
	}
	want, pending := c.pending(t, name)
	if want == nil && st.get(name) != nil && !known(st.get(name)) {
		return nil, false // it stays owed, until a snapshot has that version
	}
	if want == nil {
		return c.unwantedNamed(t, name)
	}
	return want, owed || pending
}

// unwantedNamed is pendingNamed for a name that should have nothing. For what
// Envoy lacks, a removal ends its waiting; the removal of what it has, it ignores.
// But a cluster that was modified just before it went out of the target waits for
// endpoints all the same, with all later CDS answers behind it: it gets those that
// it has.
func (c *Conn) unwantedNamed(t snapshot.Type, name string) (*snapshot.Resource, bool) {
	st := &c.types[t]
	_, owed := st.owed[name]
	have := st.get(name)
	if have == nil {
		return nil, owed
	}
	if t == snapshot.Endpoints && owed {
		return have, true
	}
	st.owed.drop(name)
	return nil, false
}

// nextSecrets is step 3: one secret per response, since Envoy applies what
// stands before a bad one and acknowledges bad bytes the second time.
func (c *Conn) nextSecrets(send func(*flight)) {
	const t = snapshot.Secret
	c.groupOf(t, send)
	var batch []*snapshot.Resource
	for _, n := range c.inTurn(t, c.differing(t)) {
		want, ok := c.pendingNamed(t, n)
		if !ok {
			continue
		}
		if c.full(t) {
			break
		}
		c.types[t].turn = n
		if want == nil {
			send(c.response(t, nil, []string{n}))
			continue
		}
		if ruleOneSecret {
			send(c.response(t, []*snapshot.Resource{c.vary(want)}, nil))
		} else {
			batch = append(batch, c.vary(want))
		}
	}
	if len(batch) > 0 {
		send(c.response(t, batch, nil))
	}
}

// vary makes the first push of a secret on this stream a variant, if Envoy may
// remember rejected bytes: those it would acknowledge and skip (M16).
func (c *Conn) vary(r *snapshot.Resource) *snapshot.Resource {
	if !c.returned || !ruleVariant {
		return r
	}
	if _, done := c.varied[r.Name]; done {
		return r
	}
	c.varied[r.Name] = struct{}{}
	return variant(r, c.random())
}

// variant is r with the same version and meaning but bytes that were never sent:
// a comment line before the PEM block of its certificate chain.
func variant(r *snapshot.Resource, random uint64) *snapshot.Resource {
	var secret tlsv3.Secret
	if err := proto.Unmarshal(r.Body(), &secret); err != nil {
		return r // bytes of a test; ours always decode
	}
	chain := secret.GetTlsCertificate().GetCertificateChain()
	if chain == nil {
		return r
	}
	var bits [8]byte
	binary.BigEndian.PutUint64(bits[:], random)
	line := []byte("# " + hex.EncodeToString(bits[:]) + "\n")
	pem := bytes.Join([][]byte{line, []byte(chain.GetInlineString()), chain.GetInlineBytes()}, nil)
	chain.Specifier = &corev3.DataSource_InlineBytes{InlineBytes: pem}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&secret)
	if err != nil {
		return r // the chain was valid UTF-8 and the comment is ASCII
	}
	return snapshot.FromBytes(r.Type, r.Name, r.Version, body,
		snapshot.Meta{Needs: r.Needs, Pulls: r.Pulls, From: r.From, Weak: r.Weak})
}

func random() uint64 { return rand.Uint64() }

// nextRouteConfigurations is step 4: one per response.
func (c *Conn) nextRouteConfigurations(send func(*flight)) {
	const t = snapshot.RouteConfiguration
	for _, n := range c.differing(t) {
		if want, ok := c.pendingNamed(t, n); ok && want != nil && !c.full(t) {
			send(c.response(t, []*snapshot.Resource{want}, nil))
		}
	}
}
