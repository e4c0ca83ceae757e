package dir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lease keeps writers away from a file until release is called, or fails with
// errWriting if there is one already: a read lease (fcntl(2), F_SETLEASE) is
// granted only on a file that no process has open for writing, and a process that opens it
// then waits. Where there are no leases, or the file is somebody else's, reading
// goes on without one.
func lease(f *os.File) (release func(), err error) {
	switch _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); {
	case errors.Is(err, unix.EAGAIN):
		return nil, errWriting
	case err != nil:
		return func() {}, nil
	}
	return func() { _, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK) }, nil
}
