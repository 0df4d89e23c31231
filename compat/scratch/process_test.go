//go:build unix

package scratch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
)

// helperDir makes the test binary a process that starts a server below this folder, says where, and waits.
const (
	helperDir     = "PHASED_SCRATCH_TEST_HELPER"
	helperDialect = "PHASED_SCRATCH_TEST_DIALECT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		helper(dir, plan.Dialect(os.Getenv(helperDialect)))
	}
	code := m.Run()
	for _, s := range shared.of { // a container goes no other way where its reaper is switched off
		if s.server != nil {
			s.server.Close()
		}
	}
	os.Exit(code)
}

type report struct {
	Err              string
	Absent           bool // no server is at hand
	Folder, DSN      string
	Port             int
	Server, Watchdog int
}

func helper(dir string, d plan.Dialect) {
	s, err := Start(context.Background(), Config{Dialect: d, Source: SourceBinaries, Dir: dir})
	if err != nil {
		json.NewEncoder(os.Stdout).Encode(report{Err: err.Error(), Absent: errors.Is(err, ErrUnavailable)})
		os.Exit(1)
	}
	c := s.backend.(*cluster)
	r := report{Folder: c.folder.path, DSN: s.DSN(), Port: c.port, Server: c.process.pid, Watchdog: c.watchdog.done.pid}
	for range 3 { // nothing but the DSN is used from here on, which must not end the server
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	json.NewEncoder(os.Stdout).Encode(r)
	bufio.NewReader(os.Stdin).ReadString('\n') // until told to end
	os.Exit(0)
}

// startHelper returns a running helper and where its server is.
func startHelper(t *testing.T, d plan.Dialect, dir string) (*exec.Cmd, func(), report) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), helperDir+"="+dir, helperDialect+"="+string(d))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	var r report
	if err := json.NewDecoder(stdout).Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.Absent {
		giveUp(t, fmt.Errorf("%w: %s", ErrUnavailable, r.Err))
	}
	if r.Err != "" {
		t.Fatalf("helper: %s", r.Err)
	}
	if filepath.Dir(r.Folder) != dir {
		t.Fatalf("server is in %s, want it below %s", r.Folder, dir)
	}
	pool, err := products[d].open(r.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	if _, err := pool.Conn(t.Context()); err != nil { // a client that stays connected must not keep the server
		t.Fatal(err)
	}
	return cmd, func() { stdin.Close() }, r
}

// openDir is a folder that any account can enter, which t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "scratch-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func dead(r report) func() bool {
	return func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.Port))
		if err == nil {
			conn.Close()
		}
		return err != nil && ended(r.Server)
	}
}

func TestServerEndsWithProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		for _, how := range []string{"exit", "SIGKILL"} {
			t.Run(how, func(t *testing.T) {
				t.Parallel()
				dir := openDir(t)
				cmd, exit, r := startHelper(t, d, dir)
				if how == "exit" {
					exit()
				} else if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				cmd.Wait()
				eventually(t, "the server ended", dead(r))
				eventually(t, "its folder was removed", func() bool {
					_, err := os.Stat(r.Folder)
					return errors.Is(err, os.ErrNotExist)
				})
			})
		}
	})
}

func TestSweepRemovesWhatTheDeadLeft(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		dir := openDir(t)
		cmd, _, r := startHelper(t, d, dir)
		sweepDir := func() { sweep(Config{Dir: dir, Log: slog.New(slog.DiscardHandler)}) }
		sweepDir()
		if dead(r)() {
			t.Fatal("swept the server of a living process")
		}
		if err := syscall.Kill(r.Watchdog, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if bindsToParent {
			eventually(t, "the server ended without a watchdog", dead(r))
		}
		if _, err := os.Stat(r.Folder); err != nil {
			t.Fatalf("who removed the folder? %v", err)
		}
		sweepDir()
		eventually(t, "the server ended", dead(r))
		if _, err := os.Stat(r.Folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder is still there: %v", err)
		}
	})
}

// Where the system does not bind a server to its process, sweeping ends it by the file that names it.
func TestSweepEndsAServer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		c := own(t, d, nil).backend.(*cluster)
		pid := c.process.pid
		endServer(c.folder.path)
		eventually(t, "the server ended", func() bool { return ended(pid) })
	})
}

func TestCanEnter(t *testing.T) {
	t.Parallel()
	stranger := account{name: "stranger", uid: 54321, gid: 54321, other: true}
	closed := t.TempDir() // mode 0700 further up
	if stranger.canEnter(closed) {
		t.Errorf("a stranger can enter %s", closed)
	}
	if !stranger.canEnter("/") {
		t.Error("a stranger cannot enter /")
	}
	if stranger.canEnter(filepath.Join("/", "no", "such", "folder")) {
		t.Error("a stranger can enter what is not there")
	}
	if self := (account{}); !self.canEnter(closed) {
		t.Errorf("we cannot enter %s", closed)
	}
}

func ownedBy(info os.FileInfo, a account) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == a.uid
}
