package peer

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profile is a running CPU profile.
type profile struct {
	path string
	file *os.File
}

// Profile writes the CPU profile from now on to path.cpu, until the next call,
// and what was allocated up to now and up to then to path.allocs.base and
// path.allocs (go tool pprof -base). An empty path ends it.
func (s *Server) Profile(path string, _ *struct{}) error {
	if err := s.profile.end(); err != nil {
		return fmt.Errorf("writing a profile: %w", err)
	}
	s.profile = profile{}
	if path == "" {
		return nil
	}
	var err error
	if s.profile, err = begin(path); err != nil {
		return fmt.Errorf("writing a profile: %w", err)
	}
	return nil
}

func begin(path string) (profile, error) {
	if err := writeAllocs(path + ".allocs.base"); err != nil {
		return profile{}, err
	}
	f, err := os.Create(path + ".cpu")
	if err != nil {
		return profile{}, err
	}
	return profile{path, f}, pprof.StartCPUProfile(f)
}

func (p profile) end() error {
	if p.file == nil {
		return nil
	}
	pprof.StopCPUProfile()
	if err := p.file.Close(); err != nil {
		return err
	}
	return writeAllocs(p.path + ".allocs")
}

func writeAllocs(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
