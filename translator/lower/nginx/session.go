package nginx

import "errors"

// affinity is by what a client stays at one endpoint.
func affinity(text string) (string, error) {
	switch text {
	case "cookie":
		return text, nil
	case "":
		return "", nil
	}
	return "", errors.New("not cookie")
}

// canaryBehavior is whether a session stays with a canary, or beside it.
func canaryBehavior(text string) (string, error) {
	switch text {
	case "legacy":
		return "false", nil
	case "sticky":
		return "true", nil
	}
	return "", errors.New("neither sticky nor legacy")
}

// age is a duration in seconds, of which 0 and less is none.
func age(text string) (string, error) {
	if n, err := whole(text); err != nil || n > 0 {
		return seconds(text)
	}
	return "off", nil
}
