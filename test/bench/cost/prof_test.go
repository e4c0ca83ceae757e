package cost

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"

	"legation.dev/test/bench/world"
)

func TestProfile(t *testing.T) {
	runtime.MemProfileRate = 0
	w, err := world.New(world.Size{Services: 1000, Endpoints: 10})
	if err != nil {
		t.Fatal(err)
	}
	kinds := world.Kinds()
	only := os.Getenv("KIND")
	for _, kind := range kinds {
		if only != "" && kind != only {
			continue
		}
		var s state
		s.step(w.Objects())
		for i := range 5 {
			ch, _ := w.Change(kind, i*stride, i+1)
			s.step(ch)
		}
		var al, by []uint64
		if only != "" {
			runtime.MemProfileRate = 1
		}
		for i := range 21 {
			ch, err := w.Change(kind, (i+5)*stride, i+6)
			if err != nil {
				t.Fatal(err)
			}
			x := s.step(ch)
			al = append(al, x.allocs)
			by = append(by, x.allocated)
		}
		runtime.MemProfileRate = 0
		fmt.Println(kind, al[10], by[10], al[20], by[20])
		w, _ = world.New(world.Size{Services: 1000, Endpoints: 10})
	}
	if only != "" {
		runtime.GC()
		runtime.GC()
		f, _ := os.Create(os.Getenv("OUT"))
		pprof.Lookup("allocs").WriteTo(f, 0)
		f.Close()
	}
}
