package route

import "testing"

func TestSpelled(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/a/b": "/a/b", "/a/": "/a/", "/a.b/.c": "/a.b/.c", "/api/(.*)": "/api/(.*)", "/a;b=c,d@e:f+g": "/a;b=c,d@e:f+g",
		"/a|b": "/a%7Cb", "/c^d": "/c%5Ed", "/e{f}": "/e%7Bf%7D", "/g<h>": "/g%3Ch%3E", "/i\"j": "/i%22j", "/a b": "/a%20b",
		"/k%7El": "/k~l", "/%6Dn": "/mn", "/café": "/caf%C3%A9", "/o%c3%a8": "/o%C3%A8", "/größe": "/gr%C3%B6%C3%9Fe",
		"/q//r": "/q/r", "/s/../t": "/t", "/s/./t": "/s/t", "/u%2Fv": "/u/v", `/w\x`: "/w/x", "/w%5cx": "/w/x", "/a/..": "/", "/a/b/..": "/a/", "/a/.": "/a/", "//": "/",
		"/50%": "/50%25", "/%zz": "/%25zz", "/%3a": "/:", "/a%28b": "/a(b", "/a%20b": "/a%20b",
	} {
		if got := Spelled(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if again := Spelled(Spelled(path)); again != Spelled(path) {
			t.Errorf("%s: %s the second time", path, again)
		}
	}
}
