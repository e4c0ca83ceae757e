package worlds

import (
	"strings"

	"legation.dev/object"
	"legation.dev/translator/input"
)

// Deletions are the Changes that remove the objects of a text, one on each line:
// "Ingress shop/checkout".
func Deletions(text string) (list []input.Change) {
	for line := range strings.Lines(text) {
		ref, _ := object.Parse(strings.TrimSpace(line))
		list = append(list, input.Delete(ref))
	}
	return list
}
