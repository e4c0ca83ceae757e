package worlds

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"time"
)

// certificate is a new certificate of its own issue, PEM. Ed25519, because its
// keys and signatures follow from the seed alone.
func (w *World) certificate(host string) (certificate, key []byte) {
	w.serial++
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, w.rng.Uint64())
	binary.BigEndian.PutUint64(seed[8:], uint64(w.serial))
	private := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{SerialNumber: big.NewInt(w.serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.AddDate(100, 0, 0)}
	der, err := x509.CreateCertificate(nil, template, template, private.Public(), private)
	if err != nil {
		panic("worlds: certificate: " + err.Error()) // nothing in it comes from outside
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic("worlds: key: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
