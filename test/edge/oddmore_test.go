//go:build real

package edge

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/translator/input"
	"legation.dev/translator/lower/secret"
)

// oddContents are certificates with extensions and names that few have.
func oddContents() []odd {
	with := func(name, refused string, extensions ...[]byte) odd {
		return odd{"content " + name, refused, func(d *draft) { d.extensions = append(d.extensions, extensions...) }}
	}
	names := func(name, refused string, list ...[]byte) odd {
		return odd{"names " + name, refused, func(d *draft) { d.extensions = [][]byte{extensionOf(oidSAN, seq(list...))} }}
	}
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("n%d.example.com", i))
		}
		return list
	}
	critical := func(kind []byte, value ...[]byte) []byte {
		return seq(kind, tlv(0x01, []byte{0xff}), tlv(0x04, value...))
	}
	var (
		oidNameConstraints = oid("\x55\x1d\x1e")
		oidPolicies        = oid("\x55\x1d\x20")
		oidAuthority       = oid("\x55\x1d\x23")
		oidLists           = oid("\x55\x1d\x1f")
		oidPoison          = oid("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03")
	)
	elsewhere := seq(tlv(0xa0, seq(tlv(0x82, []byte("elsewhere.test")))))
	return []odd{
		with("name constraints of elsewhere", "", critical(oidNameConstraints, elsewhere)), with("name constraints, malformed", "", extensionOf(oidNameConstraints, []byte("x"))),
		with("name constraints of nothing", "", extensionOf(oidNameConstraints, seq())), with("policies malformed", "", extensionOf(oidPolicies, []byte("x"))),
		with("authority key malformed", "", extensionOf(oidAuthority, []byte("x"))), with("authority key of 1,000 bytes", "", extensionOf(oidAuthority, seq(tlv(0x80, make([]byte, 1000))))),
		with("lists of revoked ones, malformed", "", extensionOf(oidLists, []byte("x"))), with("a precertificate", "", critical(oidPoison, tlv(0x05))),
		with("60,000 bytes of its own", "", extensionOf(oid("\x2a\x03\x05"), make([]byte, 60000))),
		with("an authority of negative length of path", "", extensionOf(oidBC, seq(tlv(0x01, []byte{0xff}), integer(0xff)))),
		{"names 1,000", "", func(d *draft) { d.extensions = [][]byte{altNames(many(1000)...)} }},
		{"names 3,000, and no common one", "", func(d *draft) { d.subject, d.extensions = name(), [][]byte{altNames(many(3000)...)} }},
		{"names critical", "", func(d *draft) { d.extensions = [][]byte{critical(oidSAN, seq(tlv(0x82, []byte("c.example.com"))))} }},
		names("that are an address", "", tlv(0x87, []byte{127, 0, 0, 1})), names("that are a URI", "", tlv(0x86, []byte("https://c.example.com"))),
		names("that are another one's", "", tlv(0xa0, oid("\x2a\x03"), tlv(0xa0, tlv(0x0c, []byte("a"))))), names("that are a directory's", "", tlv(0xa4, cn(0x0c, "a"))),
		names("that are a star", "", tlv(0x82, []byte("*"))), names("with a NUL", "", tlv(0x82, []byte("c.example.com\x00.test"))), names("of 5,000 bytes", "", tlv(0x82, []byte(strings.Repeat("a", 5000)))),
		names("of an unknown kind", "", tlv(0x8f, []byte("a"))), names("with a dot at its end", "", tlv(0x82, []byte("c.example.com."))),
	}
}

// oddTypes are certificates with a common name of each type of ASN.1, and of its constructed
// form.
func oddTypes() (list []odd) {
	taken := []byte{0x02, 0x04, 0x06, 0x07, 0x09, 0x0a, 0x0c, 0x0d, 0x0e, 0x0f, 0x12, 0x13, 0x14, 0x15, 0x16, 0x19, 0x1a, 0x1b, 0x1e, 0x28, 0x2b, 0x2f, 0x30, 0x31, 0x3d}
	for tag := range byte(31) {
		for _, tag := range []byte{tag, tag | 0x20} {
			refused := "subject is malformed"
			if slices.Contains(taken, tag) {
				refused = ""
			}
			list = append(list, field(fmt.Sprintf("subject of type %#x", tag), refused, func(d *draft) *[]byte { return &d.subject }, cn(tag, "aaaa")))
		}
	}
	return list
}

// oddChains are certificates in another order than they should have, or with other keys.
func oddChains() []odd {
	other := p256Key()
	ca := func(subject, issuer string) []byte {
		c := newDraft(other, subject)
		c.issuer = cn(0x0c, issuer)
		return c.der()
	}
	text := func(name, refused string, of func(c, k string) (string, string)) odd {
		return odd{"chain " + name, refused, func(d *draft) {
			d.issuer, d.chain, d.text = cn(0x0c, "one"), [][]byte{ca("one", "two"), ca("two", "two")}, of
		}}
	}
	blocks := func(c string) []string { return strings.SplitAfter(c, "-----END CERTIFICATE-----\n")[:3] }
	same := func(of func(c string) string) func(c, k string) (string, string) {
		return func(c, k string) (string, string) { return of(c), k }
	}
	long := func(d *draft) {
		for i := range 100 {
			d.chain = append(d.chain, ca(fmt.Sprint(i), fmt.Sprint(i+1)))
		}
	}
	csr := label("CERTIFICATE REQUEST", "MAA=")
	return []odd{
		text("in order", "", same(func(c string) string { return c })),
		text("with the root before the other", "", same(func(c string) string { b := blocks(c); return b[0] + b[2] + b[1] })),
		text("from behind", "not the key of the first", same(func(c string) string { b := blocks(c); return b[2] + b[1] + b[0] })),
		text("with a request before it", "", same(func(c string) string { return csr + c })), text("with a request behind it", "", same(func(c string) string { return c + csr })),
		text("with parameters between", "", same(func(c string) string { b := blocks(c); return b[0] + label("DH PARAMETERS", "MAA=") + b[1] })),
		text("with a public key before it", "", same(func(c string) string { return label("PUBLIC KEY", "MAA=") + c })),
		text("with a list of revoked ones", "", same(func(c string) string { return c + label("X509 CRL", "MAA=") })),
		text("with the key behind it, too", "", func(c, k string) (string, string) { return c + k, k }),
		text("with a mark of byte order", "no PEM", same(func(c string) string { return "\ufeff" + c })), text("with CR only", "no PEM", same(func(c string) string { return strings.ReplaceAll(c, "\n", "\r") })),
		text("indented", "no PEM", same(func(c string) string { return "  " + strings.ReplaceAll(c, "\n", "\n  ") })),
		text("with empty lines", "", same(func(c string) string { return strings.ReplaceAll(c, "-----END", "\n-----END") })),
		text("with a comment in it", "no PEM", same(func(c string) string { return strings.Replace(c, "\n", "\n# a comment\n", 1) })),
		text("with a header", "", same(func(c string) string { return strings.Replace(c, "-----\n", "-----\nfriendlyName: a\n\n", 1) })),
		text("in small letters", "no certificate in PEM", same(strings.ToLower)), text("with NULs at its end", "", same(func(c string) string { return c + "\x00\x00" })),
		text("with tabs", "", same(func(c string) string { return strings.ReplaceAll(c, "\n", "\t\n") })),
		text("with words behind the key", "", func(c, k string) (string, string) { return c, k + "words" }),
		text("with a header of the key", "no unencrypted private key", func(c, k string) (string, string) {
			return c, strings.Replace(k, "-----\n", "-----\nfriendlyName: a\n\n", 1)
		}),
		{"chain of 100", "", long},
		keyed("RSA 1536", "1536 bits", newOddKey(rsa.GenerateKey(rand.Reader, 1536))), keyed("RSA 3072", "", newOddKey(rsa.GenerateKey(rand.Reader, 3072))),
		keyed("RSA 2049", "", newOddKey(rsa.GenerateKey(rand.Reader, 2049))), keyed("RSA 4096", "", newOddKey(rsa.GenerateKey(rand.Reader, 4096))),
	}
}

var mutated = flag.Int("odd", 400, "how many certificates TestMutatedCertificates draws")

// TestMutatedCertificates: certificates and keys with a few bytes that are others. Here and
// at Envoy they are refused alike.
func TestMutatedCertificates(t *testing.T) {
	key := p256Key()
	from := slices.Concat(oddNumbers()[:1], oddNames(), oddKeys(), oddUsages(), oddContents(), oddChains())
	from = slices.DeleteFunc(from, func(o odd) bool { return o.refused != "" })
	asked, ours := make([]*tlsv3.Secret, *mutated), make([]error, *mutated)
	for i := range asked {
		rng := mathrand.New(mathrand.NewPCG(uint64(i), 17))
		d := newDraft(key, fmt.Sprintf("c%d.example.com", i))
		from[rng.IntN(len(from))].write(d)
		certificate, private := d.secret()
		if rng.IntN(4) == 0 {
			private = scratched(rng, private)
		} else {
			certificate = scratched(rng, certificate)
		}
		c := secret.Lower(input.Seal(&input.Secret{Meta: meta("odd"), Certificate: []byte(certificate), Key: []byte(private)}))
		asked[i] = pair([]byte(certificate), []byte(private))
		if ours[i] = c.PairErr; ours[i] == nil {
			asked[i] = pair(c.Pair.Chain, c.Pair.Key)
		}
	}
	refused := 0
	for i, refusal := range refusals(t, "tls_certificate_sds_secret_configs", asked) {
		if (refusal == "") != (ours[i] == nil) {
			t.Errorf("seed %d: Envoy says %q, and here it is %v:\n%s%s", i, refusal, ours[i],
				asked[i].GetTlsCertificate().GetCertificateChain().GetInlineBytes(), asked[i].GetTlsCertificate().GetPrivateKey().GetInlineBytes())
		}
		if refusal != "" {
			refused++
		}
	}
	if refused < *mutated/4 || refused > *mutated*9/10 {
		t.Errorf("%d of %d are refused: too few or too many to show anything", refused, *mutated)
	}
}

// scratched is a text with PEM of which one block, or the text itself, is changed in a few
// bytes.
func scratched(rng *mathrand.Rand, text string) string {
	block, rest := pem.Decode([]byte(text))
	if block == nil || rng.IntN(4) == 0 {
		return strings.Map(func(r rune) rune { return r & 0x7f }, string(scratch(rng, []byte(text)))) // for BoringSSL a byte beyond ASCII is a blank
	}
	block.Bytes = scratch(rng, block.Bytes)
	return string(pem.EncodeToMemory(block)) + string(rest)
}

// scratch changes one byte, or two: most often near the beginning, where the structure is.
func scratch(rng *mathrand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + rng.IntN(2) {
		at := rng.IntN(len(b))
		if rng.IntN(2) == 0 {
			at = rng.IntN(min(len(b), 300))
		}
		switch rng.IntN(4) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.Uint32())
		case 2:
			b = slices.Delete(b, at, at+1)
		case 3:
			b = slices.Insert(b, at, b[at])
		}
	}
	return b
}
