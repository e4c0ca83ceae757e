package delta

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/snapshot"
)

// nextSecrets is step 3: one secret per response, since Envoy applies what
// is before a bad one and acknowledges bad bytes the second time.
func (c *Conn) nextSecrets(send func(*flight)) {
	const t = snapshot.Secret
	c.groupOf(t, send)
	var batch []*snapshot.Resource
	for _, n := range c.inTurn(t, c.differing(t)) {
		want, ok := c.pendingNamed(t, n)
		if !ok || want != nil && c.waitsForSecrets(want) {
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

// waitsForSecrets reports whether a secret that r needs is still to come. Envoy looks at
// the secrets of a chain only when it has all of them, and rejects the one that came last,
// whichever is bad: so a certificate comes after what cannot be bad.
func (c *Conn) waitsForSecrets(r *snapshot.Resource) bool {
	st := &c.types[snapshot.Secret]
	return slices.ContainsFunc(r.Needs, func(ref snapshot.Ref) bool {
		need, wanted := c.want(ref.Type).Get(ref.Name)
		return ref.Type == snapshot.Secret && wanted && st.subscribed(ref.Name) && !st.have.Has(ref.Name) &&
			!c.isRejected(ref.Type, ref.Name, need.Version)
	})
}

// vary makes the first push of a secret on this stream a variant, if Envoy may
// remember rejected bytes: those it would acknowledge and skip (M16).
func (c *Conn) vary(r *snapshot.Resource) *snapshot.Resource {
	if !c.returned || !ruleVariant {
		return r
	}
	if _, done := c.variedSecrets[r.Name]; done {
		return r
	}
	c.variedSecrets[r.Name] = struct{}{}
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
	line := []byte("# " + hex.EncodeToString(bits(random)) + "\n")
	pem := bytes.Join([][]byte{line, []byte(chain.GetInlineString()), chain.GetInlineBytes()}, nil)
	chain.Specifier = &corev3.DataSource_InlineBytes{InlineBytes: pem}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&secret)
	if err != nil {
		return r // the chain was valid UTF-8 and the comment is ASCII
	}
	return snapshot.FromBytes(r.Type, r.Name, r.Version, body,
		snapshot.Meta{Needs: r.Needs, Pulls: r.Pulls, From: r.From, Placeholder: r.Placeholder})
}

func bits(random uint64) []byte { return binary.BigEndian.AppendUint64(nil, random) }

func random() uint64 { return rand.Uint64() }

// unwantedSecret is what Envoy should have for a secret that nothing names: if it asks
// for it and has none, the stand-in. A listener waits 15 s for a secret that does not
// come, with all its chains; a removal would not end that.
func (c *Conn) unwantedSecret(name string, last *snapshot.Resource) *snapshot.Resource {
	if last != nil || !c.types[snapshot.Secret].subscribed(name) {
		return nil
	}
	return c.target.StandIn(name)
}
