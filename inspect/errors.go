package inspect

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"legation.dev/xds/redact"
)

// RequestError is a line of the access log of an Envoy, of a request that failed.
type RequestError struct {
	Time   time.Time `json:"time"`
	Envoy  string    `json:"envoy"` // its pod
	Method string    `json:"method,omitempty"`
	// Path is without its query: that may have what nobody else should read.
	Path      string `json:"path,omitempty"`
	Status    int    `json:"status"`
	Client    string `json:"client,omitempty"` // its address
	Flags     string `json:"flags,omitempty"`
	Details   string `json:"details,omitempty"`
	Route     string `json:"route,omitempty"`   // which begins with its Ingress
	Cluster   string `json:"cluster,omitempty"` // namespace/service/port
	Upstream  string `json:"upstream,omitempty"`
	Failure   string `json:"upstream_failure,omitempty"`
	Duration  int    `json:"duration_ms"`
	RequestID string `json:"request_id,omitempty"`
}

// ErrorCause are the failed requests that have the same cause, of the same Ingress, at the same Service.
type ErrorCause struct {
	Cause     string       `json:"cause"`
	Look      string       `json:"look_at"`
	Status    int          `json:"status"`
	Flags     string       `json:"flags,omitempty"`
	Ingress   string       `json:"ingress,omitempty"` // namespace/name, whose rule took them
	Cluster   string       `json:"cluster,omitempty"`
	Count     int          `json:"count"`
	Clients   []string     `json:"clients,omitempty"` // their addresses
	Endpoints []string     `json:"endpoints,omitempty"`
	Envoys    []string     `json:"envoys"`
	First     time.Time    `json:"first"`
	Last      RequestError `json:"last"`
}

// flagCauses are what Envoy's response flags mean, the one that says most in front
// (docs/troubleshooting.md). Details, if any, must be among those of the line, or its route.
var flagCauses = []struct{ flag, details, cause, look string }{
	{"UH", "", "the Service has no endpoint that is ready, or an external name without an address", "legation why URL; kubectl get endpointslices"},
	{"UO", "", "the Service is at its limit of connections or waiting requests", "does it hang? max-connections, max-pending-requests"},
	{"NC", "", "a route names a cluster that this Envoy lacks", "legation history, legation diff: please report it"},
	{"UPE", "", "what the endpoint answers is not the protocol that is expected", "appProtocol of the Service's port"},
	{"UF", "connection_timeout", "no connection to the endpoint came about in time", "a NetworkPolicy, or a node that is gone; upstream-connect-timeout"},
	{"UF", "Secret_is_not_supplied_by_SDS", "this Envoy lacks the certificate that the endpoint is to be shown: it never spoke to it", "legation problems; upstream-tls-secret, proxy-ssl-secret"},
	{"UF", "_ALERT_", "the endpoint refuses the certificate that it is shown, or that it is shown none", "the log of the Service; upstream-tls-secret, proxy-ssl-secret"},
	{"UF", "WRONG_VERSION_NUMBER", "the endpoint does not speak TLS", "upstream-protocol, backend-protocol; appProtocol of the Service's port"},
	{"UF", "CERTIFICATE_VERIFY_FAILED", "the endpoint's certificate is not accepted", "its names, its end, and the CA: upstream-tls-secret, proxy-ssl-secret"},
	{"UF", "TLS", "the endpoint's TLS is not accepted", "certificates of the backend"},
	{"UF", "", "the endpoint refused the connection", "does the server listen on the port that the EndpointSlice says?"},
	{"UC", "", "the endpoint closed the connection before it answered", "its keep-alive is shorter than upstream-idle-timeout: upstream-preset"},
	{"UR", "", "the endpoint reset the connection", "does the server crash?"},
	{"UT", "", "no answer in time", "request-timeout, per-try-timeout"},
	{"SI", "", "nothing came for too long", "idle-timeout (proxy-read-timeout) of the Ingress"},
	{"UMSDR", "", "the request lasted too long", "request-timeout"},
	{"UAEX", "ext_authz_error", "nobody could say whether the client may come: the service of auth-url did not answer, or with neither yes nor no", "legation why URL, which names the service; shutdown-manager beside Envoy asks it"},
	{"UAEX", "", "the password is wrong, or the service of auth-url refused it", "auth-url, auth-secret of the Ingress; the log of that service"},
	{"RL", "", "the client has asked too often", "requests-per-second, requests-per-minute (limit-rps, limit-rpm) of the Ingress; is it a proxy or NAT of many?"},
	{"NR", "", "no rule has this host and path", "legation why URL"},
	{"DC", "", "the client left before the answer", "how long do answers take?"},
	{"DPE", "headers_too_large", "its headers are larger than they may be", "max-request-headers of the class; the cookies of the client"},
	{"DPE", "", "the client does not speak HTTP as it is written", "the client"},
	{"", "matched_policy[misdirected]", "the client sent it by its connection to another host, and this one asks for client certificates", "does one certificate name both? Give this host one of its own"},
	{"", "clients without a certificate", "the client showed no certificate, or none of the host's authorities", "legation why URL; the Secret of the authorities"},
	{"", "rbac_access_denied", "the address of the client may not come", "legation why URL --from ADDRESS; behind a proxy: trusted-proxies"},
	{"", "request_payload_too_large", "the body is larger than it may be", "max-request-body (proxy-body-size) of the Ingress"},
	{"", "via_upstream", "the endpoint answered this itself", "the log of the Service"},
	{"", "legation/not-found", "no rule has this host and path", "legation why URL"},
	{"", "direct_response", "Envoy answers this by its configuration", "legation why URL; Events of the Ingress"},
	{"", "", "Envoy answered this itself", "details, as in docs/troubleshooting.md"},
}

// ErrorLog collects failed requests of a host. The zero value is not useful.
type ErrorLog struct {
	Host  string // "*.example.com" is all names below
	Least int    // status
	Since time.Time
	// Lines is how many lines of access logs were read at all.
	Lines int
	// Unnamed is how many requests failed before Envoy knew their host: their headers could not
	// be read, and they came without TLS, whose handshake has the name, too.
	Unnamed int

	found []RequestError
}

// maxLogLine bounds a line that is read, in bytes: headers of 60 KiB may be in one.
const maxLogLine = 1 << 20

// Read reads what an Envoy has written. What is no line of an access log is passed over.
func (l *ErrorLog) Read(envoy string, from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		l.line(envoy, lines.Bytes())
	}
	return lines.Err()
}

func (l *ErrorLog) line(envoy string, text []byte) {
	var is struct {
		Time      time.Time `json:"time"`
		Host      string    `json:"host"`
		SNI       string    `json:"sni"`
		Method    string    `json:"method"`
		Path      string    `json:"path"`
		Status    *int      `json:"status"`
		Client    string    `json:"client"`
		Flags     string    `json:"flags"`
		Details   string    `json:"details"`
		Route     string    `json:"route"`
		Cluster   string    `json:"cluster"`
		Upstream  string    `json:"upstream"`
		Failure   string    `json:"upstream_failure"`
		Duration  int       `json:"duration"`
		RequestID string    `json:"request_id"`
	}
	if json.Unmarshal(text, &is) != nil || is.Status == nil || is.Time.IsZero() {
		return
	}
	l.Lines++
	if is.Time.Before(l.Since) || *is.Status != 0 && *is.Status < l.Least && !cut(*is.Status, is.Flags) {
		return
	}
	switch name := cmp.Or(is.Host, is.SNI); {
	case name == "":
		l.Unnamed++
		return
	case !l.of(name):
		return
	}
	path, _, _ := strings.Cut(is.Path, "?")
	path, is.Details, is.Failure = redact.Message(path), redact.Message(is.Details), redact.Message(is.Failure) // a client writes what it likes
	flags := is.Flags
	if flags == "-" {
		flags = ""
	}
	l.found = append(l.found, RequestError{is.Time, envoy, is.Method, path, *is.Status, is.Client, flags, is.Details, is.Route, is.Cluster, is.Upstream, is.Failure, is.Duration, is.RequestID})
}

// cut reports whether Envoy ended what it had begun to pass on as it should: a WebSocket that
// was silent for too long, whose status is that of its beginning.
func cut(status int, flags string) bool {
	return status == http.StatusSwitchingProtocols && flags != "" && flags != "-" && flags != "DC"
}

// of reports whether a name is of the host.
func (l *ErrorLog) of(authority string) bool {
	name := strings.ToLower(authority)
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	if below, ok := strings.CutPrefix(strings.ToLower(l.Host), "*"); ok {
		return strings.HasSuffix(name, below) && len(name) > len(below)
	}
	return name == strings.ToLower(l.Host)
}

// Causes are what was found, by cause, that of the last error in front.
func (l *ErrorLog) Causes() []ErrorCause {
	type key struct{ cause, status, flags, ingress, cluster string }
	at, list := map[key]int{}, []ErrorCause{}
	slices.SortStableFunc(l.found, func(a, b RequestError) int { return a.Time.Compare(b.Time) })
	for _, e := range l.found {
		cause, look := causeOf(e)
		k := key{cause, strconv.Itoa(e.Status), e.Flags, ingressOf(e.Route), e.Cluster}
		i, known := at[k]
		if !known {
			i, list = len(list), append(list, ErrorCause{Cause: cause, Look: look, Status: e.Status, Flags: e.Flags, Ingress: k.ingress, Cluster: e.Cluster, First: e.Time})
			at[k] = i
		}
		c := &list[i]
		c.Count++
		c.Last, c.Clients, c.Endpoints, c.Envoys = e, with(c.Clients, e.Client), with(c.Endpoints, e.Upstream), with(c.Envoys, e.Envoy)
	}
	slices.SortStableFunc(list, func(a, b ErrorCause) int { return b.Last.Time.Compare(a.Last.Time) })
	return list
}

// ingressOf is the Ingress that the name of a route begins with; empty if it is nobody's.
func ingressOf(route string) string {
	first, _, _ := strings.Cut(route, " ")
	if !strings.Contains(first, "/") || strings.HasPrefix(first, "legation/") {
		return ""
	}
	return first
}

// with is a list with a text, in order; nothing is added twice.
func with(list []string, text string) []string {
	i, there := slices.BinarySearch(list, text)
	if there || text == "" {
		return list
	}
	return slices.Insert(list, i, text)
}

func causeOf(e RequestError) (cause, look string) {
	flags := strings.Split(e.Flags, ",")
	for _, c := range flagCauses {
		if c.flag != "" && !slices.Contains(flags, c.flag) || c.flag == "" && e.Flags != "" && c.details != "" {
			continue
		}
		said := e.Details + " " + e.Failure
		if c.flag == "" {
			said += " " + e.Route // of what Envoy answers itself; else its path may have any word
		}
		if strings.Contains(said, c.details) {
			return c.cause, c.look
		}
	}
	return "", "" // the last row fits all
}
