package main

import (
	"testing"
	"testing/fstest"
)

// TestMemoryLimit: what is written, and what a cgroup says in either version.
func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		text, file, says string
		want             uint64
		wrong            bool
	}{
		{text: "512Mi", want: 512 << 20},
		{text: "1073741824", want: 1 << 30},
		{text: "off", file: "memory.max", says: "1"},
		{text: "auto"},
		{text: "auto", file: "memory.max", says: "max\n"},
		{text: "auto", file: "memory.max", says: "536870912\n", want: 512 << 20},
		{text: "auto", file: "memory/memory.limit_in_bytes", says: "9223372036854771712\n"},
		{text: "auto", file: "memory/memory.limit_in_bytes", says: "536870912\n", want: 512 << 20},
		{text: "auto", file: "memory.max", says: "much", wrong: true},
		{text: "much", wrong: true},
		{text: "0", wrong: true},
		{text: "-1Mi", wrong: true},
	} {
		cgroup := fstest.MapFS{}
		if c.file != "" {
			cgroup[c.file] = &fstest.MapFile{Data: []byte(c.says)}
		}
		if got, err := memoryLimit(c.text, cgroup); got != c.want || (err != nil) != c.wrong {
			t.Errorf("%s, %s says %q: %d, %v; want %d", c.text, c.file, c.says, got, err, c.want)
		}
	}
}
