package inspect

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestErrors: failed requests of a host are told by cause, the last one in front, without
// queries; other hosts, earlier times, good answers and other lines are passed over.
func TestErrors(t *testing.T) {
	const log = `{"time":"2026-11-28T14:00:00.000Z","host":"a.test","path":"/x?token=hidden","status":503,"flags":"UH","details":"no_healthy_upstream","cluster":"shop/web/80","method":"GET","client":"192.0.2.2","route":"shop/front Prefix /"}
{"time":"2026-11-28T14:00:01.000Z","host":"A.test:443","path":"/y","status":503,"flags":"UH","details":"no_healthy_upstream","cluster":"shop/web/80","client":"192.0.2.1","route":"shop/front Prefix /"}
{"time":"2026-11-28T14:00:02.000Z","host":"a.test","path":"/z","status":503,"flags":"UF,URX","details":"upstream_reset_before_response_started{connection_timeout}","cluster":"shop/web/80","upstream":"10.0.0.1:80"}
{"time":"2026-11-28T14:00:02.500Z","host":"a.test","path":"/z","status":500,"flags":"-","details":"via_upstream","cluster":"shop/web/80","upstream":"10.0.0.2:80"}
{"time":"2026-11-28T14:00:03.000Z","host":"a.test","path":"/z","status":0,"flags":"DC","details":"downstream_remote_disconnect"}
{"time":"2026-11-28T14:00:03.000Z","host":"a.test","status":200}
{"time":"2026-11-28T14:00:03.000Z","host":"a.test","status":101,"flags":"-"}
{"time":"2026-11-28T14:00:03.000Z","status":0,"flags":"DPE","details":"http1.headers_too_large"}
{"time":"2026-11-28T14:00:03.000Z","host":"b.test","status":503,"flags":"UH"}
{"time":"2026-11-28T13:00:03.000Z","host":"a.test","status":503,"flags":"UO"}
[2026-11-28 14:00:00.000][1][info] not one of these
{"level":"INFO","msg":"nor this","time":"2026-11-28T14:00:00.000Z"}
`
	l := &ErrorLog{Host: "a.test", Least: 500, Since: time.Date(2026, 11, 28, 13, 30, 0, 0, time.UTC)}
	if err := l.Read("one", strings.NewReader(log)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range l.Causes() {
		got = append(got, fmt.Sprintf("%d %d %s at %s by %v: %s, last %s", c.Count, c.Status, c.Flags, c.Cluster, c.Endpoints, c.Cause, c.Last.Path))
	}
	want := []string{"1 0 DC at  by []: the client left before the answer, last /z",
		"1 500  at shop/web/80 by [10.0.0.2:80]: the endpoint answered this itself, last /z",
		"1 503 UF,URX at shop/web/80 by [10.0.0.1:80]: no connection to the endpoint came about in time, last /z",
		"2 503 UH at shop/web/80 by []: the Service has no endpoint that is ready, or an external name without an address, last /y"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || l.Lines != 10 {
		t.Errorf("of %d lines:\n%s\nwant\n%s", l.Lines, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c := l.Causes()[3]; c.Ingress != "shop/front" || strings.Join(c.Clients, " ") != "192.0.2.1 192.0.2.2" {
		t.Errorf("%+v", c)
	}
	if l.Unnamed != 1 {
		t.Errorf("%d lines of no host, want 1", l.Unnamed)
	}
	if below := (&ErrorLog{Host: "*.test"}); !below.of("a.test") || below.of("test") || below.of(".test") {
		t.Error("a wildcard is for names below it")
	}
}

// TestErrorsOfGuards: what a guard answered has its cause, by what Envoy 1.40 writes of it.
func TestErrorsOfGuards(t *testing.T) {
	for line, want := range map[string]string{
		`"details":"rbac_access_denied_matched_policy[none]","route":"shop/web Prefix /","status":403`:                    "the address of the client may not come",
		`"details":"rbac_access_denied_matched_policy[misdirected]","route":"clients without a certificate","status":421`: "the client sent it by its connection to another host, and this one asks for client certificates",
		`"details":"direct_response","route":"clients without a certificate","status":400`:                                "the client showed no certificate, or none of the host's authorities",
		`"details":"request_payload_too_large","route":"shop/web Prefix /","status":413`:                                  "the body is larger than it may be",
		`"details":"via_upstream","route":"shop/web Prefix /","status":403`:                                               "the endpoint answered this itself",
		`"details":"direct_response","route":"legation/not-found default","status":404`:                                   "no rule has this host and path",
		`"details":"direct_response","route":"shop/web Exact /old","status":410`:                                          "Envoy answers this by its configuration",
		`"flags":"UAEX","details":"ext_authz_error","route":"shop/web Prefix /","status":500`:                             "nobody could say whether the client may come: the service of auth-url did not answer, or with neither yes nor no",
		`"flags":"UAEX","details":"ext_authz_denied","route":"shop/web Prefix /","status":403`:                            "the password is wrong, or the service of auth-url refused it",
		`"flags":"DPE","details":"http1.headers_too_large","status":431`:                                                  "its headers are larger than they may be",
		`"flags":"SI","details":"stream_idle_timeout","route":"shop/web Prefix /","status":101`:                           "nothing came for too long",
	} {
		l := &ErrorLog{Host: "a.test", Least: 400}
		if err := l.Read("one", strings.NewReader(`{"time":"2026-11-29T14:59:24.805Z","host":"a.test","flags":"-",`+line+"}\n")); err != nil {
			t.Fatal(err)
		}
		if causes := l.Causes(); len(causes) != 1 || causes[0].Cause != want || causes[0].Look == "" {
			t.Errorf("%s: %+v, want %q", line, causes, want)
		}
	}
}

// TestFailedTLS: what Envoy 1.40 wrote of connections to endpoints whose TLS came to nothing says
// whose fault it is.
func TestFailedTLS(t *testing.T) {
	for failure, want := range map[string]string{
		"TLS_error:_Secret_is_not_supplied_by_SDS":                                                       "this Envoy lacks the certificate that the endpoint is to be shown: it never spoke to it",
		"TLS_error:|268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end": "the endpoint refuses the certificate that it is shown, or that it is shown none",
		"TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end":        "the endpoint refuses the certificate that it is shown, or that it is shown none",
		"TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end":          "the endpoint does not speak TLS",
		"TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_self_signed_certificate:TLS_error_end": "the endpoint's certificate is not accepted",
		"TLS_error:|268435612:SSL_routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end":                                                                                                                       "the endpoint's TLS is not accepted",
	} {
		details := "upstream_reset_before_response_started{remote_connection_failure|" + failure + "}"
		if got, _ := causeOf(RequestError{Status: 503, Flags: "UF", Details: details, Failure: failure}); got != want {
			t.Errorf("%s: %s, want: %s", failure, got, want)
		}
	}
}
