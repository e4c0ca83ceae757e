package route

import "testing"

// TestLiteral: nothing that a pattern matches begins otherwise.
func TestLiteral(t *testing.T) {
	for pattern, want := range map[string]string{
		"/admin(/|$)(.*)": "/admin", "/admin(?!/open)": "/admin", "/adm.n": "/adm", "/admins?": "/admin", "/admins*/x": "/admin",
		"/a{2}b": "/", "/v1\\.0/x": "/v1.", "/v1\\.?0": "/v1", "/a|/b": "/", "/(a|b)": "/", "/a b": "/a", "/\\d+": "/", "/a[bc]": "/a", "/a$": "/a",
		"/ä": "/", "/a%20b": "/a", "/": "/", "/a?b": "/", "/a(b": "/a", "/a\\|b": "/a",
	} {
		if got := literal(pattern); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}
