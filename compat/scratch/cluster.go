package scratch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cluster is a server of our own: a folder with its data, and the processes that run on it.
type cluster struct {
	bin    string // where the server's programs are, as the product's find said
	folder *folder
	port   int
	cfg    Config
	traits traits

	process  *process // nil while the server is down
	watchdog *watchdog
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
	t := cfg.product.traits()
	c := &cluster{bin: bin, folder: folder, cfg: cfg, traits: t, watchdog: newWatchdog(folder, t)}
	living.Store(c, true)
	if err := c.create(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cluster) create(ctx context.Context) error {
	begun := time.Now()
	if err := c.cfg.product.initialize(ctx, c); err != nil {
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
	c.cfg.Log.Info("server started", "server", c.traits.name, "bin", c.bin, "folder", c.folder.path, "port", c.port,
		"initialize", made.Sub(begun), "start", time.Since(made))
	return nil
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
	cmd := c.cfg.product.command(c)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd, c.traits.quit)
	if err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	c.watchdog.guard(p.pid)
	for !c.cfg.product.accepts(ctx, c, p.pid) {
		select {
		case <-p.gone:
			c.watchdog.guard(0)
			said := make([]byte, 16<<10)
			n, _ := log.ReadAt(said, before)
			err := fmt.Errorf("start server: %w: %s", p.err, tail(said[:n]))
			if strings.Contains(string(said[:n]), c.traits.portTaken) {
				err = fmt.Errorf("%w: %w", errPortTaken, err)
			}
			return err
		case <-ctx.Done():
			p.signal(c.traits.quit)
			<-p.gone
			c.watchdog.guard(0)
			return fmt.Errorf("start server: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	c.process = p
	return nil
}

// stop ends the server by one of the two signals that the product has for it.
func (c *cluster) stop(ctx context.Context, s syscall.Signal) error {
	if c.process == nil {
		return nil
	}
	c.process.signal(s)
	select {
	case <-c.process.gone:
	case <-ctx.Done():
		return fmt.Errorf("stop server: %w", ctx.Err())
	}
	c.process = nil
	c.watchdog.guard(0)
	return nil
}

func (c *cluster) kill() error {
	if c.process == nil {
		return nil
	}
	if err := killFamily(c.process); err != nil {
		return err
	}
	c.process = nil
	c.watchdog.guard(0)
	return nil
}

// restart keeps the port. Somebody may sit on it for a moment, so that is tried for a while.
func (c *cluster) restart(ctx context.Context) error {
	if err := c.stop(ctx, c.traits.stop); err != nil {
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
	err := c.stop(ctx, c.traits.quit)
	if err != nil {
		err = c.kill()
	}
	if err == nil {
		c.watchdog.dismiss()
	}
	living.Delete(c)
	return errors.Join(err, c.folder.remove())
}

func (c *cluster) data() string { return c.folder.file("data") }

// run is one of the server's programs, to be run by the folder's owner with nothing of our environment that could lead
// it elsewhere.
func (c *cluster) run(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = c.folder.path
	cmd.WaitDelay = 10 * time.Second // a script's own children may hold its output
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")}
	if v := os.Getenv("LD_LIBRARY_PATH"); v != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+v)
	}
	c.folder.owner.apply(cmd)
	return cmd
}

// output runs a program to its end and returns what it wrote.
func (c *cluster) output(cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := startProcess(cmd, c.traits.quit)
	if err != nil {
		return nil, err
	}
	<-p.gone
	return out.Bytes(), p.err
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
