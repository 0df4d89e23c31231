package scratch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cluster is a server of our own: a folder with its data, and the processes that run on it.
type cluster struct {
	bin    string
	folder *folder
	port   int
	cfg    Config

	postmaster *process // nil while the server is down
	watchdog   *watchdog
}

// living holds every cluster until it is closed. One that only its DSN is left of would otherwise be collected as
// garbage, and with it the files that tell the watchdog and other processes that its owner lives.
var living sync.Map

// newCluster makes the data folder and starts the server on it.
func newCluster(ctx context.Context, cfg Config, bin string) (*cluster, error) {
	sweep(cfg)
	folder, err := newFolder(cfg)
	if err != nil {
		return nil, err
	}
	c := &cluster{bin: bin, folder: folder, cfg: cfg, watchdog: newWatchdog(folder)}
	living.Store(c, true)
	if err := c.create(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cluster) create(ctx context.Context) error {
	begun := time.Now()
	if err := c.initdb(ctx); err != nil {
		return err
	}
	settings := c.cfg.settings()
	if _, set := settings["shared_preload_libraries"]; !set && hasLibrary(ctx, c.bin, "pg_stat_statements") {
		settings["shared_preload_libraries"] = "pg_stat_statements"
	}
	settings["listen_addresses"] = "127.0.0.1"
	settings["unix_socket_directories"] = c.folder.path
	if err := c.configure(settings); err != nil {
		return err
	}
	made := time.Now()
	// The port is free when it is picked, and may be taken when the server wants it.
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.port = port
		err = c.start(ctx)
		if err == nil {
			break
		}
		if try == 5 || !errors.Is(err, errPortTaken) {
			return err
		}
	}
	c.cfg.Log.Info("server started", "bin", c.bin, "folder", c.folder.path, "port", c.port,
		"initdb", made.Sub(begun), "start", time.Since(made))
	return nil
}

// initdb makes the data folder. C.UTF-8 sorts by code point everywhere, but not every libc knows it.
func (c *cluster) initdb(ctx context.Context) error {
	var err error
	for _, locale := range []string{"C.UTF-8", "C"} {
		var out []byte
		cmd := c.command(ctx, "initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale="+locale)
		if out, err = runProcess(cmd); err == nil {
			return nil
		}
		err = fmt.Errorf("initdb: %w: %s", err, tail(out))
		if ctx.Err() != nil || !strings.Contains(string(out), "locale") {
			return err
		}
		if err := os.RemoveAll(c.data()); err != nil {
			return err
		}
	}
	return err
}

func (c *cluster) configure(settings map[string]string) error {
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(settings[name])
		if _, err := fmt.Fprintf(f, "%s = '%s'\n", name, value); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// errPortTaken is a start that can be tried again.
var errPortTaken = errors.New("port is taken")

// start starts the server on c.port and returns when it accepts connections.
func (c *cluster) start(ctx context.Context) error {
	log, err := os.OpenFile(c.folder.file("log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	before, err := log.Seek(0, 2)
	if err != nil {
		return err
	}
	// The server outlives ctx, so it is not the command's context.
	cmd := c.command(context.Background(), "postgres", "-D", c.data(), "-p", strconv.Itoa(c.port))
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	c.watchdog.guard(p.pid)
	for !c.accepts(p.pid) {
		select {
		case <-p.gone:
			c.watchdog.guard(0)
			said := make([]byte, 16<<10)
			n, _ := log.ReadAt(said, before)
			err := fmt.Errorf("start postgres: %w: %s", p.err, tail(said[:n]))
			if strings.Contains(string(said[:n]), "could not create any TCP/IP sockets") {
				err = fmt.Errorf("%w: %w", errPortTaken, err)
			}
			return err
		case <-ctx.Done():
			p.signal(syscall.SIGQUIT)
			<-p.gone
			c.watchdog.guard(0)
			return fmt.Errorf("start postgres: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	c.postmaster = p
	return nil
}

// accepts reads postmaster.pid: first line the process, eighth line its state (since PostgreSQL 10).
func (c *cluster) accepts(pid int) bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// stop ends the server by signal: SIGINT in order, SIGQUIT at once.
func (c *cluster) stop(ctx context.Context, s syscall.Signal) error {
	if c.postmaster == nil {
		return nil
	}
	c.postmaster.signal(s)
	select {
	case <-c.postmaster.gone:
	case <-ctx.Done():
		return fmt.Errorf("stop postgres: %w", ctx.Err())
	}
	c.postmaster = nil
	c.watchdog.guard(0)
	return nil
}

func (c *cluster) kill() error {
	if c.postmaster == nil {
		return nil
	}
	if err := killFamily(c.postmaster); err != nil {
		return err
	}
	c.postmaster = nil
	c.watchdog.guard(0)
	return nil
}

// restart keeps the port. Somebody may sit on it for a moment, so that is tried for a while.
func (c *cluster) restart(ctx context.Context) error {
	if err := c.stop(ctx, syscall.SIGINT); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := c.start(ctx)
		if err == nil || !errors.Is(err, errPortTaken) || try == 50 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *cluster) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := c.stop(ctx, syscall.SIGQUIT)
	if err != nil {
		err = c.kill()
	}
	if err == nil {
		c.watchdog.dismiss()
	}
	living.Delete(c)
	return errors.Join(err, c.folder.remove())
}

func (c *cluster) dsn() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.port)
}

func (c *cluster) data() string { return c.folder.file("data") }

// command is one of the server's programs, to be run by the folder's owner with nothing of our environment that
// could lead it elsewhere.
func (c *cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir = c.folder.path
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + c.bin + string(os.PathListSeparator) + os.Getenv("PATH")}
	if v := os.Getenv("LD_LIBRARY_PATH"); v != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+v)
	}
	c.folder.owner.apply(cmd)
	return cmd
}

// freePort picks a port below the range from which systems take ports for outgoing connections, so that nobody
// takes it by chance while the server is down between a kill and a restart.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		var l net.Listener
		if l, err = net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find free port: %w", err)
}

// tail is the end of a program's output, for an error.
func tail(out []byte) string {
	s := strings.TrimSpace(string(out))
	if len(s) > 1500 {
		s = "…" + s[len(s)-1500:]
	}
	return s
}
