//go:build unix

package scratch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const noFollow = syscall.O_NOFOLLOW

// account is who runs the server. Root hands it to somebody else: PostgreSQL refuses to be run by root, and the others
// should not be.
type account struct {
	name     string
	uid, gid int
	other    bool // not the account of this process
}

func serverAccount(t traits) (account, error) {
	if uid := os.Getuid(); uid != 0 {
		return account{name: strconv.Itoa(uid), uid: uid, gid: os.Getgid()}, nil
	}
	for _, name := range t.accounts {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid != 0 {
			return account{name: name, uid: uid, gid: gid, other: true}, nil
		}
	}
	return account{}, fmt.Errorf("root may not run the server, and none of the accounts %s exists", strings.Join(t.accounts, ", "))
}

// apply makes the account run the command, in a session of its own: a Ctrl-C on the terminal is not for it.
func (a account) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a.other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
}

func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

func (a account) ownIn(root *os.Root, name string) error {
	if !a.other {
		return nil
	}
	return root.Lchown(name, a.uid, a.gid)
}

// canEnter tells whether the account may pass through every folder down to dir. Group rights are not looked at.
func (a account) canEnter(dir string) bool {
	if !a.other {
		return true
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		need := os.FileMode(0o001)
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == a.uid {
			need = 0o100
		}
		if info.Mode()&need == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// killFamily ends a server's process and its children with SIGKILL and returns when all are gone.
//
// The children are PostgreSQL's backends. Each leads a session of its own, so no process group holds them: they are
// found by their parent. All are stopped first: a stopped postmaster makes no more of them, and a stopped process is not
// in the middle of a write, which SIGKILL would tear in two (a page is 8 or 16 kB, the kernel writes 4 kB at a time)
// with full_page_writes off.
func killFamily(postmaster *process) error {
	if err := postmaster.signal(syscall.SIGSTOP); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	waitFor(func() bool { return halted(postmaster.pid) })
	family, err := children(postmaster.pid)
	if err != nil {
		postmaster.signal(syscall.SIGCONT)
		return fmt.Errorf("list backends: %w", err)
	}
	for _, pid := range family {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	for _, pid := range family {
		waitFor(func() bool { return halted(pid) })
	}
	postmaster.signal(syscall.SIGKILL)
	for _, pid := range family {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-postmaster.gone
	for _, pid := range family {
		if !waitFor(func() bool { return ended(pid) }) {
			return fmt.Errorf("backend %d does not end", pid)
		}
	}
	return nil
}

// waitFor waits up to five seconds.
func waitFor(ok func() bool) bool {
	for until := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}
