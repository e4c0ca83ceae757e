package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// longestKeepAlive is below what Linux takes for TCP_KEEPIDLE, 32,767 s. With more, a listener
// is rejected, and no connection to an endpoint is made.
const longestKeepAlive = 9 * time.Hour

// typeOf makes a Type of how one Go type is read and printed.
func typeOf[T any](name, bounds string, field func(*Values) *T, parse func(string) (T, error), print func(T) string) Type {
	return Type{Name: name, Bounds: bounds,
		parse: func(text string) (given, error) {
			value, err := parse(text)
			if err != nil {
				return given{}, err
			}
			return given{func(v *Values) { *field(v) = value }, print(value)}, nil
		},
		print: func(v *Values) string { return print(*field(v)) },
	}
}

// duration from low to high, as Go writes it: "1.5s".
func duration(field func(*Values) *time.Duration, low, high time.Duration) Type {
	return typeOf("duration", fmt.Sprintf("%v to %v", low, high), field, parseDuration(low, high), time.Duration.String)
}

// durationOrOff is a duration, or "off", which is zero.
func durationOrOff(field func(*Values) *time.Duration, low, high time.Duration) Type {
	return orOff("duration", fmt.Sprintf("%v to %v", low, high), field, parseDuration(low, high), time.Duration.String)
}

func parseDuration(low, high time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil && isNumber(text):
			return 0, fmt.Errorf("missing unit: write %ss, for example", text)
		case err != nil:
			return 0, errors.New("not a duration such as 1.5s")
		case d < low || d > high:
			return 0, fmt.Errorf("not between %v and %v", low, high)
		}
		return d, nil
	}
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// whole is a number from low to high, of what unit says.
func whole(field func(*Values) *uint32, unit string, low, high uint32) Type {
	return typeOf("number of "+unit, fmt.Sprintf("%d to %d", low, high), field, parseWhole(low, high), printWhole)
}

// wholeOrOff is a number, or "off", which is zero.
func wholeOrOff(field func(*Values) *uint32, unit string, low, high uint32) Type {
	return orOff("number of "+unit, fmt.Sprintf("%d to %d", low, high), field, parseWhole(low, high), printWhole)
}

func parseWhole(low, high uint32) func(string) (uint32, error) {
	return func(text string) (uint32, error) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return 0, errors.New("not a whole number")
		}
		if uint32(n) < low || uint32(n) > high {
			return 0, fmt.Errorf("not between %d and %d", low, high)
		}
		return uint32(n), nil
	}
}

func printWhole(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// off is how no limit is written.
const off = "off"

// orOff is a type that takes "off", too, as the zero value.
func orOff[T comparable](name, bounds string, field func(*Values) *T, parse func(string) (T, error), print func(T) string) Type {
	return orWord(off, name, bounds, field, parse, print)
}

// orWord is a type that takes a word, too, as the zero value.
func orWord[T comparable](word, name, bounds string, field func(*Values) *T, parse func(string) (T, error), print func(T) string) Type {
	var none T
	return typeOf(name, bounds+", or "+word, field,
		func(text string) (T, error) {
			if text == word {
				return none, nil
			}
			return parse(text)
		},
		func(value T) string {
			if value == none {
				return word
			}
			return print(value)
		})
}

// yesNo is "true" or "false".
func yesNo(field func(*Values) *bool) Type {
	parse := func(text string) (bool, error) {
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, errors.New("neither true nor false")
	}
	return typeOf("true or false", "", field, parse, strconv.FormatBool)
}

// oneOf is one of a few words.
func oneOf[T ~string](field func(*Values) *T, words ...T) Type {
	var names []string
	for _, w := range words {
		names = append(names, string(w))
	}
	parse := func(text string) (T, error) {
		if !slices.Contains(names, text) {
			return "", fmt.Errorf("not one of %s", strings.Join(names, ", "))
		}
		return T(text), nil
	}
	return typeOf("one of", strings.Join(names, ", "), field, parse, func(w T) string { return string(w) })
}

// items reads a list separated by commas, without its repetitions; what is an item, for
// people.
func items[T comparable](text, what string, parse func(string) (T, error)) ([]T, error) {
	var list []T
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		item, err := parse(one)
		if err != nil {
			return nil, fmt.Errorf("%q is not %s", one, what)
		}
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list, nil
}

func printItems[T fmt.Stringer](list []T) string {
	var texts []string
	for _, one := range list {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, ",")
}

// checkPath is the path of a health check, or "off".
func checkPath(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		unfit := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }
		if text != off && (!strings.HasPrefix(text, "/") || len(text) > longestPath || strings.ContainsFunc(text, unfit)) {
			return "", errors.New("neither off nor a path such as /healthz")
		}
		return text, nil
	}
	return typeOf("path", "printable ASCII, or off", field, parse, func(s string) string { return s })
}

// longestPath of a health check, in bytes.
const longestPath = 1024
