package nginx

import (
	"errors"
	"regexp"
	"strings"

	"legation.dev/translator/policy"
)

// asIs is a text in which ours and theirs are written alike.
func asIs(text string) (string, error) { return text, nil }

// withNamespace is the name of a ConfigMap, which ingress-nginx does not find without its
// namespace: then it serves nothing of the object.
func withNamespace(text string) (string, error) {
	if !strings.Contains(text, "/") {
		return "", errors.New("not the name of a ConfigMap, as namespace/name")
	}
	return text, nil
}

// fromAnywhere is whose pages may use what is served, if only enable-cors is there.
func fromAnywhere(text string) (string, error) {
	if !isTrue(text) {
		return "", nil
	}
	return string(policy.AnyOrigin), nil
}

// originOf is what ingress-nginx takes for an origin; an empty one it takes, too.
var originOf = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://(\*\.)?[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$`)

// origins are those of a list that are some. If none is, nobody is allowed, for whoever
// names somebody does not mean everybody.
func origins(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var list, wrong []string
	for one := range strings.SplitSeq(text, ",") {
		switch one = strings.TrimSpace(one); {
		case one == string(policy.AnyOrigin):
			return one, nil
		case originOf.MatchString(one):
			list = append(list, one)
		case one != "":
			wrong = append(wrong, one)
		}
	}
	var err error
	if len(wrong) > 0 {
		err = policy.InPart{Err: errors.New("not an origin such as https://shop.example.com: " + strings.Join(wrong, ", "))}
	}
	if len(list) == 0 {
		return policy.NoOrigin, err
	}
	return strings.Join(list, ","), err
}
