package ui

import (
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

// secrets are what may be in no page.
type secrets struct {
	key   []byte // PEM
	line  string // of htpasswd
	parts []string
}

func drawSecrets(t *rapid.T) secrets {
	raw := rapid.SliceOfN(rapid.Byte(), 40, 120).Draw(t, "key")
	kind := rapid.SampledFrom([]string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"}).Draw(t, "kind")
	hash := rapid.SampledFrom([]string{"{SHA}", "$apr1$", "$2y$05$", "$6$"}).Draw(t, "scheme") + rapid.StringMatching(`[A-Za-z0-9./]{22,30}`).Draw(t, "hash")
	s := secrets{key: pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), line: "alice:" + hash}
	text := base64.StdEncoding.EncodeToString(raw)
	s.parts = []string{text[:24], text[len(text)-16:], hash}
	return s
}

// places puts secrets wherever people or Envoys may: where they belong, and where they do not.
func (s secrets) places(t *rapid.T) []input.Change {
	name := worlds.Class
	w := worlds.New(rapid.Uint64().Draw(t, "seed"), worlds.Size{Services: 3, Endpoints: 1, Ingresses: 4, TLS: 0.5, Traced: true})
	list := w.All()
	for range 10 {
		list = append(list, w.Random())
	}
	wrong := &input.Ingress{Meta: input.Meta{Namespace: worlds.Namespace, Name: "leak", Annotations: map[string]string{}}, ClassName: &name,
		TLS:   []input.TLS{{Hosts: []string{"leak.example.com"}, Secret: "leak"}},
		Rules: []input.Rule{{Host: "leak.example.com", Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: input.Backend{Service: worlds.ServiceName(0), Port: 80}}}}}}
	for _, key := range []string{"legation.dev/retries", "legation.dev/request-timeout", "legation.dev/no-such-setting"} {
		wrong.Annotations[key] = rapid.SampledFrom([]string{s.line, string(s.key), "see " + s.line + ", and " + string(s.key)}).Draw(t, key)
	}
	return append(list, lower.Put(input.Seal(wrong)),
		lower.Put(input.Seal(&input.Secret{Meta: input.Meta{Namespace: worlds.Namespace, Name: "leak"}, Certificate: s.key, Key: s.key, Passwords: []byte(s.line + "\n")})))
}

// TestRedacted: whatever holds a key or a line of htpasswd, no page shows it; not even where
// an Envoy quotes it, or somebody asks for it.
func TestRedacted(t *testing.T) {
	shown := false // that anything of the objects is shown at all
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSecrets(rt)
		st := newStage(t, s.places(rt)...)
		quoted := strings.ReplaceAll(string(s.key), "\n", rapid.SampledFrom([]string{"\n", `\n`}).Draw(rt, "end of line"))
		session := st.Fleets.Join(fleet.Node{ID: "e1", Fleet: worlds.Class}, time.Now())
		defer session.Leave(time.Now())
		session.Serve(func() (status delta.Status) {
			status.Types[snapshot.Secret].Rejected = []delta.Rejection{{Name: "leak.example.com", Message: `bad: private_key { inline_bytes: "` + quoted + `" } of ` + s.line}}
			return status
		})
		paths := []string{"/", "/problems", "/search?q=leak.example.com", "/search?q=" + url.QueryEscape("https://leak.example.com/"), "/timeline", "/diff?fleet=" + worlds.Class,
			"/certificates", "/holds", "/drains", "/search?q=" + url.QueryEscape(s.line), "/problems?code=" + url.QueryEscape(string(s.key))}
		for _, path := range paths {
			_, body := st.get(path)
			shown = shown || strings.Contains(body, "leak.example.com")
			for _, part := range s.parts {
				if strings.Contains(body, part) || strings.Contains(body, strings.NewReplacer("+", "&#43;").Replace(part)) {
					rt.Fatalf("%s shows %q:\n%s", path, part, body)
				}
			}
		}
	})
	if !shown {
		t.Error("the pages show nothing of these objects")
	}
}
