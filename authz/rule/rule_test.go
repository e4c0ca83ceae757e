package rule

import "testing"

// TestCheckURL: a client cannot name the service that is asked by the path that it asks for.
func TestCheckURL(t *testing.T) {
	for text, good := range map[string]bool{
		"http://auth.shop.svc:8080/verify":                          true,
		"https://{host}/oauth2/start?rd={uri-escaped}":              true,
		"https://{authority}{uri}":                                  true,
		"{scheme}://{host}/start?rd={scheme}://{host}{uri-escaped}": true,
		"http://auth?to={uri-escaped}":                              true,
		"http://{uri-escaped}/x":                                    false,
		"http://auth.{uri-escaped}/x":                               false,
		"http://{uri}/x":                                            false,
		"http://{scheme}.auth/x":                                    false,
		"http:///x":                                                 false,
		"http://user@auth/x":                                        false,
		"http://auth/{path}":                                        false,
		"ftp://auth/x":                                              false,
	} {
		if err := CheckURL(text); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
