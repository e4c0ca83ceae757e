package inspect

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"

	"legation.dev/translator"
	"legation.dev/translator/route"
)

// fewAuthorities is how many are named.
const fewAuthorities = 3

// admitted says whose certificates a host wants of its clients: who is refused has one of somebody
// else, or of an authority before it was renewed.
func admitted(fleet *translator.Fleet, vh *route.VirtualHost, q Question) []string {
	c := vh.Clients
	if c == nil || c.Closed || q.URL.Scheme != "https" || c.Mode == route.Unverified {
		return nil
	}
	secret, ok := fleet.View().Secret(c.Secret.Key())
	if !ok {
		return nil
	}
	refused := fmt.Sprint("answered ", http.StatusBadRequest)
	if c.ErrorPage != "" {
		refused = "sent to " + c.ErrorPage
	}
	who := "who shows another one, or none,"
	if c.Mode == route.Optional {
		who = "who shows another one"
	}
	return []string{fmt.Sprintf("a client's certificate must be of %s, by %s: %s is %s", authorities(secret.Credential().Authorities.Certificates), c.Secret, who, refused)}
}

// authorities are the names of certificates, each with its end.
func authorities(chain []byte) string {
	var names []string
	for {
		block, rest := pem.Decode(chain)
		if block == nil {
			break
		}
		chain = rest
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue // Envoy could not read it, either: the host would be closed
		}
		if len(names) == fewAuthorities {
			names = append(names, "others")
			break
		}
		names = append(names, fmt.Sprintf("%s (until %s)", c.Subject, c.NotAfter.UTC().Format(time.DateOnly)))
	}
	return strings.Join(names, " or ")
}
