//go:build real

package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// containerSpec is, in the environment, the file of the spec of the container that
// this process is to become.
const containerSpec = "LEGATION_TEST_CONTAINER"

// container is what a container runtime is told: a root file system with the
// programs of an image and nothing of ours, volumes, a user, and a command.
type container struct {
	Root       string            // empty directory, for the mount point of the root
	Image      string            // folder with all files of the image; empty: Programs, and the C library of this machine
	Programs   map[string]string // of the image, by name: their files here
	Mounts     []mount
	Args       []string
	Env        []string
	WorkingDir string
	UID, GID   int
	Groups     []int // besides GID
	ReadOnly   bool  // the root file system
}

// mount is a file or directory of this machine that the container has, too.
type mount struct {
	Source, Target string
	ReadOnly       bool
}

// programsPath is where the programs of an image are.
const programsPath = "/usr/local/bin"

// command makes the process of a container, in the network namespace of the process
// net. It is process 1 of namespaces of its own.
func (c *container) command(net int, spec string, output io.Writer) (*exec.Cmd, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(spec, text, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(net), "--net", "/proc/self/exe")
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd.Args[len(cmd.Args)-1] = self
	cmd.Env = append(os.Environ(), containerSpec+"="+spec)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// become makes this process the container of a spec. It returns only an error.
func become(spec string) error {
	runtime.LockOSThread() // what belongs to a thread must be that of exec
	text, err := os.ReadFile(spec)
	if err != nil {
		return err
	}
	var c container
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	if err := c.furnish(); err != nil {
		return err
	}
	program, err := c.program()
	if err != nil {
		return err
	}
	if err := c.drop(); err != nil {
		return fmt.Errorf("becoming user %d: %w", c.UID, err)
	}
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, c.Args, c.Env))
}

// furnish mounts the root and goes there.
func (c *container) furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", c.Root, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting the root: %w", err)
	}
	if err := c.files(); err != nil {
		return err
	}
	c.Mounts = append(c.Mounts, mount{"/etc/hosts", "/etc/hosts", true})
	for _, m := range c.Mounts {
		if err := c.bind(m); err != nil {
			return fmt.Errorf("mounting %s at %s: %w", m.Source, m.Target, err)
		}
	}
	if err := c.folders(); err != nil {
		return err
	}
	if c.ReadOnly {
		if err := syscall.Mount("", c.Root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("making the root read only: %w", err)
		}
	}
	return errors.Join(syscall.Chroot(c.Root), syscall.Chdir(c.WorkingDir))
}

// files are those of the image: all of them, below a layer of the container's own, or
// programs with the C library of this machine.
func (c *container) files() error {
	if c.Image != "" {
		return c.overlay()
	}
	for _, dir := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64"} {
		if err := c.share(dir); err != nil {
			return err
		}
	}
	for name, file := range c.Programs {
		c.Mounts = append(c.Mounts, mount{file, filepath.Join(programsPath, name), true})
	}
	tmp := filepath.Join(c.Root, "tmp")
	return errors.Join(os.MkdirAll(tmp, 0o777), os.Chmod(tmp, 0o777|os.ModeSticky))
}

// overlay makes the files of the image the root.
func (c *container) overlay() error {
	upper, work, root := filepath.Join(c.Root, "upper"), filepath.Join(c.Root, "work"), filepath.Join(c.Root, "root")
	for _, dir := range []string{upper, work, root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	c.Root = root
	if err := syscall.Mount("overlay", root, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", c.Image, upper, work)); err != nil {
		return fmt.Errorf("mounting the image: %w", err)
	}
	return nil
}

// folders are those that every container has.
func (c *container) folders() error {
	proc := filepath.Join(c.Root, "proc")
	if err := os.MkdirAll(proc, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("proc", proc, "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := c.bind(mount{filepath.Join("/dev", name), filepath.Join("/dev", name), false}); err != nil {
			return fmt.Errorf("mounting /dev/%s: %w", name, err)
		}
	}
	for name, to := range map[string]string{"fd": "", "stdin": "0", "stdout": "1", "stderr": "2"} {
		if err := os.Symlink(filepath.Join("/proc/self/fd", to), filepath.Join(c.Root, "dev", name)); err != nil {
			return err
		}
	}
	return nil
}

// share gives the container a directory of this machine, or the link that it is.
func (c *container) share(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink == 0 {
		return c.bind(mount{dir, dir, true})
	}
	to, err := os.Readlink(dir)
	if err != nil {
		return err
	}
	return os.Symlink(to, filepath.Join(c.Root, dir))
}

func (c *container) bind(m mount) error {
	target := filepath.Join(c.Root, m.Target)
	info, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil && !exists(target) {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := syscall.Mount(m.Source, target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil || !m.ReadOnly {
		return err
	}
	return syscall.Mount("", target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// program is the file of the command.
func (c *container) program() (string, error) {
	if filepath.IsAbs(c.Args[0]) {
		return c.Args[0], nil
	}
	path := filepath.Join(programsPath, c.Args[0])
	if !exists(path) {
		return "", fmt.Errorf("the image has no %s", c.Args[0])
	}
	return path, nil
}

// drop leaves all rights, and those of programs that would give some.
func (c *container) drop() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return errors.Join(syscall.Setgroups(append([]int{c.GID}, c.Groups...)), syscall.Setgid(c.GID), syscall.Setuid(c.UID))
}
