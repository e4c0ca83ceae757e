// Package rule is what a control plane has Envoy tell the authorization server of package
// authz with each request: who may come. It is all that the server knows, so that the
// server keeps nothing and a change of a route is a change of its rule.
//
// The package is pure.
package rule

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// Cluster is the name of Envoy's static cluster that the server is.
const Cluster = "legation-authz"

// Headers of a request to the server. Envoy drops those of clients that begin with
// HeaderPrefix.
const (
	HeaderPrefix = "x-legation-"
	Header       = HeaderPrefix + "rule"
	// UsersHeader are the lines of Rule.Users, joined by commas. They are apart from the
	// rule, so that views show the one without the other.
	UsersHeader  = HeaderPrefix + "users"
	ClientHeader = HeaderPrefix + "client" // its address
)

// Path is where the server is asked. What follows is the path of the client, as it is.
const Path = "/check?"

// Rule says who may come.
type Rule struct {
	// Basic: a name and a password are asked for, for this realm.
	Basic bool   `json:"basic,omitempty"`
	Realm string `json:"realm,omitempty"`
	// Users are lines of htpasswd.
	Users []string `json:"-"`
	// URL is a service that is asked, by Method; empty for none.
	URL    string `json:"url,omitempty"`
	Method string `json:"method,omitempty"`
	// SignIn is where it sends whom it does not know; empty for nowhere. The page that was
	// asked for is its parameter Back, unless it has that.
	SignIn string `json:"signin,omitempty"`
	Back   string `json:"back,omitempty"`
	// Headers are those of its answer that the backend is given, in place of the client's.
	Headers []string `json:"headers,omitempty"`
	// Redirect, if not empty, is what the service is told of where to send the client back.
	Redirect string `json:"redirect,omitempty"`
	// Set are headers that the service is told besides, "name: value".
	Set []string `json:"set,omitempty"`
	// Cookies: a client that the service refuses is given its cookies.
	Cookies bool `json:"cookies,omitempty"`
	// Any: a password or the service is enough; else it takes both.
	Any bool `json:"any,omitempty"`
}

// Text is the value of Header for r: JSON, without Users, which are in UsersHeader.
func (r Rule) Text() (string, error) {
	text, err := json.Marshal(r)
	return string(text), err
}

// Parse reads the headers of a rule.
func Parse(text, users string) (r Rule, err error) {
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Rule{}, errors.New("the rule is no JSON of a rule")
	}
	if users != "" {
		r.Users = strings.Split(users, ",")
	}
	if !r.Basic && r.URL == "" {
		return Rule{}, errors.New("the rule asks for nothing")
	}
	return r, nil
}

// The places of a URL that stand for a part of a request.
const (
	Host      = "{host}"
	Authority = "{authority}" // the host with its port, if the client said one
	Scheme    = "{scheme}"
	URI       = "{uri}"         // path and query
	Escaped   = "{uri-escaped}" // the same as a parameter
)

var place = regexp.MustCompile(`\{[^{}]*\}`)

// CheckText says what is wrong with a text that may have places such as {host}, which
// stand for parts of the request; nil if nothing is.
func CheckText(text string) error {
	unfit := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\<>^`+"`|", r) }
	if len(text) > 1024 || strings.ContainsFunc(text, unfit) {
		return errors.New("not printable ASCII without spaces and quotes, of at most 1024 bytes")
	}
	for _, p := range place.FindAllString(text, -1) {
		switch p {
		case Host, Authority, Scheme, URI, Escaped:
		default:
			return errors.New(p + " is not one of {host}, {authority}, {scheme}, {uri}, {uri-escaped}")
		}
	}
	return nil
}

// CheckURL says what is wrong with a URL that may have places. Of a request only its host
// may stand in the host of the URL; {uri}, which begins with a slash, ends it.
func CheckURL(text string) error {
	if err := CheckText(text); err != nil {
		return err
	}
	plain := place.ReplaceAllString(strings.Replace(text, Scheme+"://", "http://", 1), "x")
	u, err := url.Parse(plain)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(plain, "{}#") {
		return errors.New("not a URL that begins with http:// or https://")
	}
	_, rest, _ := strings.Cut(text, "://")
	authority, _, _ := strings.Cut(strings.ReplaceAll(rest, URI, "/"), "/")
	authority, _, _ = strings.Cut(authority, "?")
	if authority == "" || strings.Contains(authority, Escaped) || strings.Contains(authority, Scheme) {
		return errors.New("has no host before its path, or one of the path or scheme that a client asks for")
	}
	return nil
}

// hashes are how htpasswd and openssl write the hash of a password. One that does not end
// as it should would fit another password than its own, or take a minute to compare.
var hashes = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`\$(?:apr1|1)\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}`,
	`\{SHA\}[A-Za-z0-9+/]{27}=`,
	`\{SSHA\}[A-Za-z0-9+/]{32,64}={0,2}`,
	`\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}`,
	`\$5\$(?:rounds=[1-9][0-9]{3,5}\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{43}`,
	`\$6\$(?:rounds=[1-9][0-9]{3,5}\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}`,
}, "|") + `)$`)

// user names people; a comma would end it in a header.
var user = regexp.MustCompile(`^[!-+\--9;-~]{1,255}$`)

// Lines are those of a text of htpasswd by which somebody can come, without their
// comments, and how many there are by which nobody can.
func Lines(text string) (list []string, bad int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, ":")
		hash, _, _ := strings.Cut(rest, ":")
		if !user.MatchString(name) || !hashes.MatchString(hash) {
			bad++
			continue
		}
		list = append(list, name+":"+hash)
	}
	return list, bad
}
