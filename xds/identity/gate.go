package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Reason is why a client was refused.
type Reason int

// The reasons.
const (
	NoCertificate    Reason = iota // it has shown none
	UnknownAuthority               // its certificate comes from no CA of ours
	Expired                        // its certificate has ended, or has not begun
	Unfit                          // its certificate is otherwise wrong: not one for clients, say
	NoName                         // its certificate has no name of ours
	NotAllowed                     // its names do not allow what it called
	WrongFleet                     // node.cluster is a fleet that its names do not allow
	Handshake                      // it spoke no TLS, or did not end what it began
	Crowded                        // its address has too many connections, or calls
	NumReasons
)

var reasonTexts = [NumReasons]string{"no_certificate", "unknown_authority", "expired", "unfit", "no_name", "not_allowed", "wrong_fleet", "handshake", "crowded"}

// String is the reason as a label of metrics.
func (r Reason) String() string { return reasonTexts[r] }

const (
	// refusedPatience is how long a client whose certificate is refused may stay to
	// be told why: its first call gets the status.
	refusedPatience = 2 * time.Second
	// refusedAtOnce bounds those who do; others are cut off after the handshake. A
	// connection costs about 100 kB, and anybody may come without a certificate.
	refusedAtOnce = 64
)

// Gate lets clients into a gRPC server by their certificates. Its methods may be
// called from any goroutine. Make it with NewGate.
type Gate struct {
	folder  *Folder
	log     *slog.Logger
	refused [NumReasons]atomic.Uint64
	staying chan struct{} // holds a value for each client that stays to be told
}

// NewGate makes a Gate that shows the pair of a Folder and wants certificates of its
// CAs. log gets a line for each refusal; nil means slog.Default.
func NewGate(f *Folder, log *slog.Logger) *Gate {
	if log == nil {
		log = slog.Default()
	}
	return &Gate{folder: f, log: log, staying: make(chan struct{}, refusedAtOnce)}
}

// Refused counts refusals since NewGate by Reason.
func (g *Gate) Refused() (counts [NumReasons]uint64) {
	for r := range counts {
		counts[r] = g.refused[r].Load()
	}
	return counts
}

// Client is who a client is, in peer.Peer.AuthInfo.
type Client struct {
	credentials.CommonAuthInfo
	Names   Names
	Ends    time.Time // of its certificate
	Subject string    // of its certificate, for the log: "CN=legation/approver"
	Conn    net.Conn  // what Credentials was told to make of its connection
	refusal error     // a status; nil: it may come in
}

// AuthType implements credentials.AuthInfo.
func (Client) AuthType() string { return "mtls" }

// ClientOf is the client of a call; false if it came without TLS.
func ClientOf(ctx context.Context) (Client, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return Client{}, false
	}
	c, ok := p.AuthInfo.(Client)
	return c, ok
}

// Credentials are those of the gRPC server. It gets what wrap makes of each
// connection, which is above TLS; raw is the one below.
func (g *Gate) Credentials(wrap func(conn, raw net.Conn) net.Conn) credentials.TransportCredentials {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.folder.pair(), nil },
		// Its certificate is looked at by check: who is refused in the handshake
		// learns no more than the number of a TLS alert.
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true, // the certificate is looked at each time
	}
	return serverCredentials{credentials.NewTLS(config), g, wrap}
}

// serverCredentials is TLS as gRPC does it, and then the Gate's check.
type serverCredentials struct {
	credentials.TransportCredentials
	gate *Gate
	wrap func(conn, raw net.Conn) net.Conn
}

func (s serverCredentials) Clone() credentials.TransportCredentials {
	return serverCredentials{s.TransportCredentials.Clone(), s.gate, s.wrap}
}

// ServerHandshake implements credentials.TransportCredentials.
func (s serverCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := s.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		s.gate.refused[Handshake].Add(1)
		return nil, nil, err
	}
	t, ok := info.(credentials.TLSInfo)
	if !ok {
		return nil, nil, errors.Join(fmt.Errorf("TLS told %T of itself", info), conn.Close())
	}
	c := Client{CommonAuthInfo: t.CommonAuthInfo}
	c.Names, c.Ends, c.refusal = s.gate.check(t.State.PeerCertificates, raw.RemoteAddr(), time.Now())
	if chain := t.State.PeerCertificates; len(chain) > 0 {
		c.Subject = chain[0].Subject.String()
	}
	if c.refusal != nil && !s.gate.stay(conn) {
		return nil, nil, errors.Join(c.refusal, conn.Close())
	}
	c.Conn = s.wrap(conn, raw)
	return c.Conn, c, nil
}

// stay lets a refused client be told why, and closes its connection soon. It is false
// if too many are there.
func (g *Gate) stay(conn net.Conn) bool {
	select {
	case g.staying <- struct{}{}:
	default:
		return false
	}
	time.AfterFunc(refusedPatience, func() {
		_ = conn.Close() // it may be closed already
		<-g.staying
	})
	return true
}

// check is what a chain says of a client, or the status with which it is refused.
func (g *Gate) check(chain []*x509.Certificate, from net.Addr, now time.Time) (Names, time.Time, error) {
	reason, err := verify(chain, g.folder.roots(), x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return Names{}, time.Time{}, g.refuse(reason, from.String(), codes.Unauthenticated, err)
	}
	n := NamesOf(chain[0])
	if n.none() {
		err := fmt.Errorf("the certificate has no name of ours, such as %s", Fleet("CLASS"))
		return n, time.Time{}, g.refuse(NoName, from.String(), codes.Unauthenticated, err)
	}
	return n, chain[0].NotAfter, nil
}

// verify reports whether a chain comes from the roots and may be used so.
func verify(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage, now time.Time) (Reason, error) {
	if len(chain) == 0 {
		return NoCertificate, errors.New("no certificate was shown")
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(o)
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &unknown):
		return UnknownAuthority, fmt.Errorf("the certificate comes from another CA: %w", err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Expired, err
	}
	return Unfit, err
}

// refuse counts and logs, and makes the status.
func (g *Gate) refuse(r Reason, from string, code codes.Code, err error) error {
	g.refused[r].Add(1)
	g.log.Warn("client refused", "peer", from, "reason", r.String(), "error", err)
	return status.Error(code, err.Error())
}

// Crowded counts a client that was refused because of how many its address has.
func (g *Gate) Crowded(from net.Addr) {
	g.refused[Crowded].Add(1)
	g.log.Debug("client refused", "peer", from.String(), "reason", Crowded.String())
}

// AllowCall reports whether a client may call a method of that kind. The error is a
// status.
func (g *Gate) AllowCall(ctx context.Context, method string, kind Kind) error {
	c, ok := ClientOf(ctx)
	n := c.Names
	switch {
	case !ok:
		return status.Error(codes.Unauthenticated, "not by TLS") // cannot be: the server has no other credentials
	case c.refusal != nil:
		return c.refusal
	case kind == Anyone, kind == Operators && (n.ControlPlane || n.Operator || n.Approver), kind == Approvers && (n.ControlPlane || n.Approver), kind == Replicas && n.ControlPlane, kind == Envoys && len(n.Fleets) > 0:
		return nil
	}
	return g.refuse(NotAllowed, addressOf(ctx), codes.PermissionDenied, fmt.Errorf("%s is for %s, which the names in the certificate do not say", method, kind))
}

// Kind is for whom a method is.
type Kind string

// The kinds. Each client with a name of ours may ask for health.
const (
	Anyone    Kind = "anyone"
	Operators Kind = "operators, approvers and the control plane"
	Approvers Kind = "approvers, and the control plane for what an approver told it"
	Replicas  Kind = "the control plane"
	Envoys    Kind = "Envoys"
)

// AllowFleet reports whether a client is an Envoy of a fleet. The error is a status.
func (g *Gate) AllowFleet(ctx context.Context, fleet string) error {
	c, _ := ClientOf(ctx)
	if c.Names.serves(fleet) {
		return nil
	}
	return g.refuse(WrongFleet, addressOf(ctx), codes.PermissionDenied,
		fmt.Errorf("node.cluster is %q, and the certificate is for Envoys of %q: it must have the URI %s", fleet, c.Names.Fleets, Fleet(fleet)))
}

func addressOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

// Look reads the files of the Folder now; see Folder.Look.
func (g *Gate) Look(now time.Time) bool { return g.folder.Look(now) }
