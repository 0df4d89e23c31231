package scratch

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	folderPrefix = "phased-scratch-"
	lockName     = "owner.lock"
)

// folder is the temporary folder of one server. As long as its owner lives, the owner holds a lock in it.
type folder struct {
	path  string
	owner account
	lock  *os.File
}

// newFolder makes a folder that the account which runs the server owns and can reach.
func newFolder(cfg Config) (*folder, error) {
	owner, err := serverAccount(cfg.product.traits())
	if err != nil {
		return nil, err
	}
	parent, err := parentFor(cfg, owner)
	if err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	f := &folder{path: path, owner: owner}
	if err := f.claim(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return f, nil
}

// claim takes the lock before the lock file has its name, so that nobody ever sees it free.
func (f *folder) claim() error {
	lock, err := os.OpenFile(f.file(lockName+".new"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	f.lock = lock
	if err := tryLock(lock); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if err := os.Rename(lock.Name(), f.file(lockName)); err != nil {
		return err
	}
	return f.owner.own(f.path)
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) remove() error {
	err := os.RemoveAll(f.path)
	if f.lock != nil {
		f.lock.Close()
	}
	return err
}

// parents are the places for folders, best first: what was asked for, then memory, then disk.
func parents(cfg Config) []string {
	var dirs []string
	switch {
	case cfg.Dir != "":
		if dir, err := filepath.Abs(cfg.Dir); err == nil {
			dirs = append(dirs, dir)
		}
	case os.Getenv("TMPDIR") == "":
		dirs = append(dirs, memoryDirs()...)
	}
	return append(dirs, os.TempDir(), "/tmp", "/var/tmp")
}

func parentFor(cfg Config, owner account) (string, error) {
	all := parents(cfg)
	for _, dir := range all {
		// A socket's path has at most 103 bytes on the strictest systems.
		if len(dir)+len("/"+folderPrefix+"0123456789/.s.PGSQL.65535") <= 103 && owner.canEnter(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("account %s can enter none of %s: set Config.Dir or TMPDIR", owner.name, strings.Join(all, ", "))
}

// sweep removes the folders of owners that died without removing them, and ends servers that are still running there.
// It does what it can: a folder that stays is tried again by the next process.
func sweep(cfg Config) {
	swept := append(parents(cfg), memoryDir)
	slices.Sort(swept)
	for _, parent := range slices.Compact(swept) {
		found, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
		for _, path := range found {
			if !abandoned(path) {
				continue
			}
			endServer(path)
			if err := os.RemoveAll(path); err != nil {
				cfg.Log.Warn("folder of a dead process stays", "folder", path, "error", err)
				continue
			}
			cfg.Log.Info("swept folder of a dead process", "folder", path)
		}
	}
}

// abandoned tells whether nobody holds the folder's lock. Other people's folders, which we may not read, are left alone.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDONLY|noFollow, 0)
	if errors.Is(err, os.ErrNotExist) { // its owner died before it had claimed it, or is about to
		return time.Since(info.ModTime()) > 10*time.Minute
	}
	if err != nil {
		return false
	}
	defer lock.Close()
	return tryLock(lock) == nil
}

// endServer ends a server, of whichever product, that still answers on a socket in the folder.
func endServer(path string) {
	for _, p := range products {
		t := p.traits()
		sockets, _ := filepath.Glob(filepath.Join(path, t.sockets))
		for _, socket := range sockets {
			conn, err := net.Dial("unix", socket)
			if err != nil {
				continue // nobody listens: the file with its process may name anybody by now
			}
			conn.Close()
			text, _ := os.ReadFile(filepath.Join(path, t.pidFile))
			line, _, _ := strings.Cut(string(text), "\n")
			if pid, err := strconv.Atoi(line); err == nil && pid > 1 {
				if p, err := os.FindProcess(pid); err == nil {
					p.Signal(t.quit)
					time.Sleep(200 * time.Millisecond)
				}
			}
		}
	}
}
