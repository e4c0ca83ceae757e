package badserver

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"
)

// knock is how long a connection is given that the kernel answers at once, unless
// the queue is full.
const knock = 200 * time.Millisecond

// Backlogged is an address of loopback where connections are not answered: its
// queue is full, and the kernel drops whoever knocks. Who calls it calls end.
func Backlogged() (address string, end func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return "", nil, err
	}
	queued := []func(){func() { syscall.Close(fd) }}
	end = func() {
		for _, close := range queued {
			close()
		}
	}
	if address, err = listenShort(fd); err != nil {
		end()
		return "", nil, err
	}
	for range 4 { // until one is not answered any more
		conn, err := net.DialTimeout("tcp", address, knock)
		if err != nil {
			return address, end, nil
		}
		queued = append(queued, func() { conn.Close() })
	}
	end()
	return "", nil, errors.New("the queue of listen(0) is never full here")
}

// listenShort listens with the shortest queue there is.
func listenShort(fd int) (address string, err error) {
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		return "", err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port)), nil
}
