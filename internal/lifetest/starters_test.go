package lifetest

import (
	"context"
	"database/sql"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
)

const starters = 50

// startFifty starts the processes at the same instant: each waits for its database's
// gate to open.
func startFifty(t *testing.T, db *scratch.Database) []*child {
	t.Helper()
	var out []*child
	for range starters {
		out = append(out, start(t, db.DSN, "starter"))
	}
	t.Cleanup(func() {
		for _, c := range out {
			if c.running() {
				c.kill()
			}
		}
	})
	deadline := time.Now().Add(60 * time.Second)
	for ready := 0; ready < starters; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d processes came to the gate", ready, starters)
		}
		if err := db.DB.QueryRow("SELECT count(*) FROM gate.arrived").Scan(&ready); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return out
}

// gate is a table that the processes write to when they are ready, and one whose
// lock holds them until all are.
func gate(t *testing.T, db *sql.DB) (open func()) {
	t.Helper()
	for _, stmt := range []string{"CREATE SCHEMA gate", "CREATE TABLE gate.arrived (n int)", "CREATE TABLE gate.closed (n int)"} {
		if _, err := db.Exec(stmt); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("LOCK TABLE gate.closed"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// starter is a process that starts and ends: Up at the same instant as the others.
func starter(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "INSERT INTO gate.arrived VALUES (1)"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "SELECT FROM gate.closed"); err != nil {
		return err
	}
	m, err := migrator(db, "v1")
	if err != nil {
		return err
	}
	if err := m.Up(ctx); err != nil {
		return err
	}
	return m.Close(ctx)
}

// waitAll waits for every process and wants them to end without error, but for those killed.
func waitAll(t *testing.T, all []*child, killed *child) {
	t.Helper()
	for i, c := range all {
		select {
		case <-c.ended:
		case <-time.After(60 * time.Second):
			t.Fatalf("process %d has not returned", i)
		}
		if c.err != nil && c != killed {
			t.Errorf("process %d: %v\n%s", i, c.err, c.out)
		}
	}
}

// assertOnce wants each step of the expand phase recorded once, and done.
func assertOnce(t *testing.T, db *sql.DB) {
	t.Helper()
	var steps, undone, twice int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM phased.step WHERE phase = 'expand'), (SELECT count(*) FROM phased.step WHERE phase = 'expand' AND NOT done),
		(SELECT count(*) FROM (SELECT FROM phased.event WHERE what = 'step' GROUP BY migration, detail HAVING count(*) > 1) s)`).Scan(&steps, &undone, &twice); err != nil {
		t.Fatal(err)
	}
	if steps == 0 || undone != 0 || twice != 0 {
		t.Errorf("%d expand steps, %d of them not done, %d recorded more than once", steps, undone, twice)
	}
	var begun int
	if err := db.QueryRow("SELECT count(*) FROM phased.event WHERE what = 'expanding'").Scan(&begun); err != nil || begun != 1 {
		t.Errorf("the migration was begun %d times (%v)", begun, err)
	}
}

func itemsTable(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, stmt := range []string{"CREATE TABLE items (k1 bigint PRIMARY KEY, a text NOT NULL)", "INSERT INTO items SELECT i, 'v' FROM generate_series(1, 1000) i"} {
		if _, err := db.Exec(stmt); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiftyStartersAtTheSameInstant(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t)
	open := gate(t, db.DB)
	itemsTable(t, db.DB)
	all := startFifty(t, db)
	m, err := migrator(db.DB, "v0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	open()
	waitAll(t, all, nil)
	assertOnce(t, db.DB)
}

var holderPID = regexp.MustCompile(`/(\d+)/[0-9a-f]{8}$`)

func TestFiftyStartersWhoseLeaderIsKilled(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t)
	open := gate(t, db.DB)
	itemsTable(t, db.DB)
	all := startFifty(t, db)
	m, err := migrator(db.DB, "v0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	// A reader in the way keeps the leader in its step until it has been killed.
	reader, err := db.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec("SELECT FROM items LIMIT 1"); err != nil {
		t.Fatal(err)
	}
	open()
	var killed *child
	for deadline := time.Now().Add(60 * time.Second); killed == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody took the lease and began")
		}
		var holder string
		var attempts int
		if err := db.DB.QueryRow("SELECT holder, (SELECT coalesce(sum(attempts), 0) FROM phased.step) FROM phased.lease").Scan(&holder, &attempts); err != nil {
			t.Fatal(err)
		}
		found := holderPID.FindStringSubmatch(holder)
		if attempts == 0 || found == nil {
			continue
		}
		pid, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.cmd.Process.Pid == pid {
				killed = c
				c.signal(syscall.SIGKILL)
			}
		}
	}
	<-killed.ended
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	waitAll(t, all, killed)
	assertOnce(t, db.DB)
}

// TestFiftyStartersOnAnEmptyDatabase: the state tables too are created by one of them.
func TestFiftyStartersOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t)
	all := make([]*child, starters)
	for i := range all {
		all[i] = start(t, db.DSN, "create")
	}
	waitAll(t, all, nil)
	var rows, created int
	if err := db.DB.QueryRow("SELECT (SELECT count(*) FROM phased.migration WHERE state = 'complete'), (SELECT count(*) FROM phased.event WHERE what = 'complete')").Scan(&rows, &created); err != nil {
		t.Fatal(err)
	}
	if rows != 1 || created != 1 {
		t.Errorf("%d migrations complete, recorded %d times, want 1 and 1", rows, created)
	}
}
