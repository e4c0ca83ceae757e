//go:build real

package clock

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Variable tells a binary of Build where its Wall is.
const Variable = "LEGATION_TEST_CLOCK"

// Wall sets the wall clock of every process of a binary of Build that has it in
// Variable: it holds the seconds that are added.
type Wall struct{ Path string }

// NewWall makes one in a folder, that adds nothing.
func NewWall(dir string) (Wall, error) {
	w := Wall{filepath.Join(dir, "clock")}
	return w, os.WriteFile(w.Path, make([]byte, 8), 0o600)
}

// Set sets the clock by d, in whole seconds, from what it would be.
func (w Wall) Set(d time.Duration) error {
	f, err := os.OpenFile(w.Path, os.O_WRONLY, 0) // the file must stay: it is mapped
	if err != nil {
		return err
	}
	_, err = f.Write(binary.NativeEndian.AppendUint64(nil, uint64(int64(d/time.Second))))
	return errors.Join(err, f.Close())
}

// Build builds a program of ours with a wall clock that can be set, which no Linux
// namespace has. Only time.Now is another one: its wall reading gets what a Wall holds
// added, its monotonic reading is that of the machine. All packages are compiled anew,
// which takes some minutes, once.
func Build(ctx context.Context, program, to string) error {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	src := filepath.Join(string(bytes.TrimSpace(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(src, "time.go"))
	if err != nil {
		return err
	}
	const reads = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if !bytes.Contains(text, []byte(reads)) {
		return fmt.Errorf("time.Now of this Go begins otherwise than with %q", reads)
	}
	dir := filepath.Dir(to)
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range map[string][]byte{
		"time.go": bytes.Replace(text, []byte(reads), []byte(reads+"\tsec += set()\n"), 1),
		"set.go":  []byte(wallSource)} {
		overlay.Replace[filepath.Join(src, name)] = filepath.Join(dir, name+".txt") // go vet must not take them for ours
		if err := os.WriteFile(filepath.Join(dir, name+".txt"), text, 0o600); err != nil {
			return err
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "nice", "go", "build", "-overlay", file, "-o", to, program).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s: %w: %s", program, err, out)
	}
	return nil
}

// wallSource is added to package time.
const wallSource = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var page *int64

func init() {
	path, ok := syscall.Getenv("` + Variable + `")
	if !ok {
		return
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		panic(err)
	}
	b, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	page = (*int64)(unsafe.Pointer(&b[0]))
}

func set() int64 {
	if page == nil {
		return 0
	}
	return atomic.LoadInt64(page)
}
`
