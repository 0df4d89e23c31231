package lifetest

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

// The test binary started again with a role is a program of its own.
const (
	roleVar   = "PHASED_LIFETEST_ROLE"
	familyVar = "PHASED_LIFETEST_FAMILY"
	dsnVar    = "PHASED_LIFETEST_DSN"
	directVar = "PHASED_LIFETEST_DIRECT" // empty: there is no pooler
	nameVar   = "PHASED_LIFETEST_NAME"   // by which the server knows the program
	doVar     = "PHASED_LIFETEST_CONTRACT"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		if err := program(role); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// migrationFile is what every program runs.
const migrationFile = "0001_rename"

func rename() *expand.Migration {
	return &expand.Migration{Name: migrationFile, Statements: []expand.Statement{{Change: expand.RenameColumn{Table: "items", From: "a", To: "b"}}}}
}

// open makes the pool of a program.
func open(f family, dsn, program string) (*sql.DB, error) {
	db, err := f.open(dsn, program)
	if err == nil {
		db.SetMaxOpenConns(6)
		db.SetMaxIdleConns(6)
	}
	return db, err
}

func migrator(db, direct *sql.DB, version string, lease time.Duration) (*expand.Migrator, error) {
	return expand.New(db, fstest.MapFS{}, expand.Config{App: "life", Version: version, Migrations: []*expand.Migration{rename()}, Direct: direct,
		Lease: lease, Heartbeat: 200 * time.Millisecond, LockTimeout: lockTimeout, LockPause: 20 * time.Millisecond, Logger: programLog()})
}

func programLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

// tooLong stands in what a program says that a rollback took.
const tooLong = "the rollback took too long"

// program is what a replica does: expand at its start, then carry on the backfill;
// or, with the role contract, what takes the old side away.
func program(role string) error {
	ctx := context.Background()
	f := familyOf(os.Getenv(familyVar))
	if f == nil {
		return fmt.Errorf("family %q is not known", os.Getenv(familyVar))
	}
	db, err := open(f, os.Getenv(dsnVar), os.Getenv(nameVar))
	if err != nil {
		return err
	}
	defer db.Close()
	var direct *sql.DB
	if dsn := os.Getenv(directVar); dsn != "" {
		if direct, err = open(f, dsn, os.Getenv(nameVar)); err != nil {
			return err
		}
		defer direct.Close()
	}
	switch role {
	case "replica", "expand":
		m, err := migrator(db, direct, "v1", lease)
		if err != nil {
			return err
		}
		if err := m.Up(ctx); err != nil {
			return err
		}
		defer m.Close(ctx)
		if role == "expand" {
			return nil
		}
		_, err = backfill.Run(ctx, db, backfill.Config{Direct: direct, Target: 5 * time.Millisecond, MaxRows: 50, Lease: lease, Poll: 100 * time.Millisecond, Logger: programLog()})
		return err
	case "starter":
		return starter(ctx, db, direct)
	case "create":
		m, err := expand.New(db, nil, expand.Config{App: "life", Migrations: []*expand.Migration{{Name: "0001_create", Statements: []expand.Statement{
			{Change: expand.CreateTable{Name: "items", SQL: "CREATE TABLE items (k1 bigint PRIMARY KEY, a text NOT NULL)"}}}}}})
		if err != nil {
			return err
		}
		if err := m.Up(ctx); err != nil {
			return err
		}
		return m.Close(ctx)
	case "contract":
		_, err := contract.Run(ctx, db, contract.Config{Migration: migrationFile, AssumeGone: "the test stopped old code", Half: contract.Half(os.Getenv(doVar)), Direct: direct,
			Lease: lease, LockTimeout: lockTimeout, LockPause: 20 * time.Millisecond, Logger: programLog()})
		return err
	case "rollback":
		report, err := expand.Rollback(ctx, db, migrationFile, expand.RollbackConfig{Force: "the test wants it", Direct: direct, LockTimeout: lockTimeout, Logger: programLog()})
		if err == nil && report.Took > 45*time.Second {
			err = fmt.Errorf("%s: %s", tooLong, report.Took)
		}
		return err
	}
	return fmt.Errorf("role %q is not known", role)
}

var started atomic.Int64

// child is a started program.
type child struct {
	name  string
	cmd   *exec.Cmd
	out   *strings.Builder
	ended chan struct{}
	err   error

	stopped atomic.Bool // by SIGSTOP
}

// start starts a program on a database. Its name is its role and a number.
func start(t testing.TB, f family, at address, role string, env ...string) *child {
	c := &child{name: fmt.Sprintf("%s_%d", role, started.Add(1)), cmd: exec.Command(os.Args[0]), out: &strings.Builder{}, ended: make(chan struct{})}
	c.cmd.Env = append(append(os.Environ(), roleVar+"="+role, familyVar+"="+f.name(), dsnVar+"="+at.dsn, nameVar+"="+c.name), env...)
	if at.direct != at.dsn {
		c.cmd.Env = append(c.cmd.Env, directVar+"="+at.direct)
	}
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("start a %s: %v", role, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) } // it may have ended by itself

func (c *child) kill() {
	c.signal(syscall.SIGKILL)
	<-c.ended
}

func (c *child) stop() {
	c.stopped.Store(true)
	c.signal(syscall.SIGSTOP)
}

func (c *child) resume() {
	c.signal(syscall.SIGCONT)
	c.stopped.Store(false)
}

// working: it has not ended and is not stopped.
func (c *child) working() bool { return c.running() && !c.stopped.Load() }

func (c *child) running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}
