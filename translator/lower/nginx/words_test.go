package nginx

import "testing"

// TestWords: what the units and words of ingress-nginx are in ours.
func TestWords(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"proxy-body-size", "8m", "8Mi"}, {"proxy-body-size", "0", "off"}, {"proxy-body-size", "512", "512"}, {"proxy-body-size", "1G", "1Gi"}, {"proxy-body-size", "8mb", "!"},
		{"proxy-read-timeout", "3600", "3600s"}, {"proxy-connect-timeout", "50s", "!"}, {"proxy-connect-timeout", "-1", "!"},
		{"proxy-next-upstream-tries", "3", "2"}, {"proxy-next-upstream-tries", "0", "10"}, {"proxy-next-upstream-tries", "99", "10"},
		{"proxy-next-upstream", "off", "0"}, {"proxy-next-upstream", "error timeout", ""}, {"proxy-next-upstream", "error http_502", "!"},
		{"ssl-redirect", "F", "false"}, {"ssl-redirect", "no", "!"},
		{"backend-protocol", "grpc", "h2c"}, {"backend-protocol", "HTTPS", "https"}, {"backend-protocol", "FCGI", "!"},
		{"load-balance", "ewma", "least-request"}, {"load-balance", "ip_hash", "!"},
		{"upstream-hash-by", "$request_uri", "path"}, {"upstream-hash-by", "$http_x_user", "header:x-user"}, {"upstream-hash-by", "${cookie_id}", "cookie:id"},
		{"upstream-hash-by", "$arg_q", "query:q"}, {"upstream-hash-by", "$arg_q$arg_r", "!"}, {"upstream-hash-by", "$host", "host"}, {"upstream-hash-by", "fixed", "!"},
		{"whitelist-source-range", "0.0.0.0/0", ""}, {"whitelist-source-range", "10.0.0.0/8", "10.0.0.0/8"},
		{"limit-rps", "0", ""}, {"limit-rps", "10", "10"}, {"limit-rps", "ten", "!"},
		{"upstream-vhost", "a.test", "a.test"}, {"upstream-vhost", "$host", "!"},
	} {
		got, err := words[c.name][0].Ours(c.text)
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%s: %q is %q (%v), want %q", c.name, c.text, got, err, c.want)
		}
	}
}
