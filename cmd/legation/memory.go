package main

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Values of --memory-limit besides a quantity.
const (
	auto = "auto"
	on   = "on"
	off  = "off"
)

// memoryLimit is the bytes that text means; 0 is no limit. cgroup is
// /sys/fs/cgroup.
func memoryLimit(text string, cgroup fs.FS) (uint64, error) {
	switch text {
	case auto:
		return cgroupMemory(cgroup)
	case off:
		return 0, nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() <= 0 {
		return 0, fmt.Errorf("%q: want auto, off, or an amount of memory such as 512Mi", text)
	}
	return uint64(q.Value()), nil
}

// unlimited is near what version 1 says of a cgroup without a limit: the largest
// multiple of a page.
const unlimited = math.MaxInt64 / 2

// cgroupMemory is the limit of the cgroup that this process sees as its root, as a
// container does: by version 2, else by version 1; 0 if there is none.
func cgroupMemory(cgroup fs.FS) (uint64, error) {
	for _, file := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		text, err := fs.ReadFile(cgroup, file)
		if err != nil {
			continue // the other version, or no cgroup at all
		}
		word := strings.TrimSpace(string(text))
		if word == "max" {
			return 0, nil
		}
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s says %q, which is no number of bytes", file, word)
		}
		if n > unlimited {
			return 0, nil
		}
		return n, nil
	}
	return 0, nil
}
