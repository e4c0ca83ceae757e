// Package snippet reads pieces of nginx's configuration, as annotations have them, into Go
// types: a part of its directives, and of each what can be said without nginx. Nothing of
// such a text ever becomes configuration: what is not understood is named.
//
// Start reading at Location and Server.
package snippet

import (
	"slices"
	"strings"
)

// harmless are directives without which nobody gets at more; a star at the end is any
// text. Those that change headers of requests are not among them: they may remove what a
// client forged.
var harmless = []string{
	"access_log", "add_header", "brotli*", "charset*", "chunked_transfer_encoding", "client_body_buffer_size", "client_body_timeout",
	"client_max_body_size", "default_type", "error_log", "etag", "expires", "gzip*", "keepalive_*", "log_not_found", "log_subrequest",
	"more_clear_headers", "more_set_headers", "output_buffers", "port_in_redirect", "postpone_output", "proxy_buffer*", "proxy_busy_buffers_size",
	"proxy_connect_timeout", "proxy_cookie_*", "proxy_force_ranges", "proxy_hide_header", "proxy_http_version", "proxy_ignore_client_abort",
	"proxy_max_temp_file_size", "proxy_next_upstream*", "proxy_pass_header", "proxy_read_timeout", "proxy_redirect", "proxy_request_buffering",
	"proxy_send_timeout", "proxy_socket_keepalive", "proxy_temp_*", "reset_timedout_connection", "send_lowat", "send_timeout", "sendfile*",
	"server_tokens", "tcp_nodelay", "tcp_nopush", "types_hash_*",
}

// isHarmless reports whether a directive is in the list.
func (d directive) isHarmless() bool {
	return !d.blocked && slices.ContainsFunc(harmless, func(name string) bool {
		prefix, star := strings.CutSuffix(name, "*")
		return d.name == name || star && strings.HasPrefix(d.name, prefix)
	})
}

// Harmless reports whether each directive of a text is one without which nobody gets at
// more. A text that is none of nginx's is not.
func Harmless(text string) bool {
	list, err := parse(text)
	return err == nil && !slices.ContainsFunc(list, func(d directive) bool { return !d.isHarmless() })
}
