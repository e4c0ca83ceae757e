package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// units of sizes, the largest first, as Kubernetes writes them.
var units = []struct {
	name  string
	bytes uint64
}{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}, {"", 1}}

// sizeOrOff is a number of bytes with a unit, or "off" or "0", which is zero.
func sizeOrOff(field func(*Values) *uint64, low, high uint64) Type {
	parse := func(text string) (uint64, error) {
		n, err := parseSize(text)
		if err == nil && n != 0 && (n < low || n > high) {
			err = fmt.Errorf("not between %s and %s", printSize(low), printSize(high))
		}
		return n, err
	}
	return orOff("size", printSize(low)+" to "+printSize(high)+" bytes", field, parse, printSize)
}

func parseSize(text string) (uint64, error) {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n > 1<<63/unit.bytes {
			break
		}
		return n * unit.bytes, nil
	}
	return 0, errors.New("not a number of bytes such as 512Ki, 8Mi or 1Gi")
}

// printSize writes n in the largest unit that gives a whole number.
func printSize(n uint64) string {
	for _, unit := range units {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatUint(n/unit.bytes, 10) + unit.name
		}
	}
	return "0"
}
