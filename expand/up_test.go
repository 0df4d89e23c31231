package expand_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/postgres"
)

// files makes a directory of migrations from name, text pairs.
func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func config() expand.Config {
	c := expand.Config{App: "test", Version: "v1", Parser: postgres.Parser(), LockRetry: 5 * time.Second}
	if os.Getenv("PHASED_TEST_LOG") != "" {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return c
}

// scratched are the databases behind the pools that database gave.
var scratched sync.Map

func database(t *testing.T) *sql.DB {
	t.Helper()
	d := scratch.Postgres(t)
	scratched.Store(d.DB, d)
	return d.DB
}

// direct is the way past the pooler that the tests may run behind.
func direct(db *sql.DB) *sql.DB {
	if d, ok := scratched.Load(db); ok {
		return d.(*scratch.Database).PastPooler()
	}
	return nil
}

func migrator(t *testing.T, db *sql.DB, cfg expand.Config, pairs ...string) *expand.Migrator {
	t.Helper()
	if cfg.Direct == nil {
		cfg.Direct = direct(db)
	}
	m, err := expand.New(db, files(pairs...), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func one[T any](t *testing.T, db *sql.DB, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRow(query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func state(t *testing.T, db *sql.DB, name string) string {
	t.Helper()
	return one[string](t, db, "SELECT state FROM phased.migration WHERE name = $1", name)
}

const usersTable = `CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, n int)`

const renameEmail = `ALTER TABLE users RENAME COLUMN email TO email_address;`

// users makes a database that other means migrated so far, with a baseline.
func users(t *testing.T, db *sql.DB, rows int) {
	t.Helper()
	exec(t, db, usersTable)
	if _, err := db.Exec("INSERT INTO users SELECT i, 'u' || i || '@example.org', i FROM generate_series(1, $1) i", rows); err != nil {
		t.Fatal(err)
	}
	m := migrator(t, db, config(), "0001_rename.sql", renameEmail)
	if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
}

func TestUpExpandsARenameAndRollbackTakesItBack(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 100)
	m := migrator(t, db, config(), "0001_rename.sql", renameEmail)
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(t, db, "0001_rename"); got != "expanded" {
		t.Fatalf("state is %s after Up, want expanded", got)
	}
	exec(t, db, "INSERT INTO users (id, email_address) VALUES (1000, 'new')", "UPDATE users SET email_address = 'changed' WHERE id = 1", "INSERT INTO users (id, email) VALUES (1001, 'old')")
	if got := one[string](t, db, "SELECT string_agg(email || '=' || email_address, ' ' ORDER BY id) FROM users WHERE id IN (1, 1000, 1001)"); got != "changed=changed new=new old=old" {
		t.Fatalf("rows are %s", got)
	}
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	var notReady *expand.NotReadyError
	if err := m.Check(t.Context()); !errors.As(err, &notReady) || !strings.Contains(err.Error(), "0001_rename is expanded") {
		t.Fatalf("ready before the backfill: %v", err)
	}
	report, err := m.Rollback(t.Context(), "0001_rename", expand.RollbackConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if report.From != expand.StateExpanded {
		t.Errorf("rolled back from %s", report.From)
	}
	if got := one[string](t, db, "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped"); got != "id,email,n" {
		t.Fatalf("columns after rollback are %s", got)
	}
	if got := one[string](t, db, "SELECT string_agg(email, ' ' ORDER BY id) FROM users WHERE id IN (1, 1000, 1001)"); got != "changed new old" {
		t.Fatalf("writes of new code were lost: %s", got)
	}
	if got := one[int](t, db, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'users'::regclass"); got != 0 {
		t.Fatalf("%d triggers left", got)
	}
	// Rolled back is a state: the next start does not expand again; resume does.
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(t, db, "0001_rename"); got != "rolled-back" {
		t.Fatalf("state is %s after Up of a rolled-back migration", got)
	}
	if err := m.Resume(t.Context(), "0001_rename"); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(t, db, "0001_rename"); got != "expanded" {
		t.Fatalf("state is %s after resume and Up", got)
	}
}

// While somebody has disabled the sync, what new code wrote may stand in the new
// column only: a rollback would lose it.
func TestRollbackIsRefusedWhileTheSyncIsDisabled(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	m := migrator(t, db, config(), "0001_rename.sql", renameEmail)
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "ALTER TABLE users DISABLE TRIGGER USER", "UPDATE users SET email_address = 'only here'")
	_, err := m.Rollback(t.Context(), "0001_rename", expand.RollbackConfig{})
	var used *expand.InUseError
	if !errors.As(err, &used) || !strings.Contains(err.Error(), "may be missing on the old side") {
		t.Fatalf("got %v, want an InUseError", err)
	}
	if got := one[string](t, db, "SELECT email_address FROM users"); got != "only here" {
		t.Errorf("new code's write is %q", got)
	}
	if _, err := m.Rollback(t.Context(), "0001_rename", expand.RollbackConfig{Force: "looked at by hand"}); err != nil {
		t.Fatal(err)
	}
}
