package lifetest

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/phasedb/phased/expand"
)

const starters = 50

// starterLease is longer: fifty processes may keep a machine so busy that one of them
// cannot renew a lease of a second in time.
const starterLease = 5 * time.Second

// startFifty starts the processes at the same instant: each waits for its database's
// gate to open.
func startFifty(t *testing.T, f family, at address, db *sql.DB) []*child {
	t.Helper()
	var out []*child
	for range starters {
		out = append(out, start(t, f, at, "starter"))
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
		if err := db.QueryRow("SELECT count(*) FROM gate_arrived").Scan(&ready); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return out
}

// gate is a table that the processes write to when they are ready, and one whose
// lock holds them until all are.
func gate(t *testing.T, f family, db *sql.DB) (open func()) {
	t.Helper()
	for _, stmt := range []string{"CREATE TABLE gate_arrived (n int)", "CREATE TABLE gate_closed (n int)"} {
		if _, err := db.Exec(stmt); err != nil {
			t.Fatal(err)
		}
	}
	return held(t, f, db, lock{kind: lockTable, table: "gate_closed"})
}

// held is a lock for a test, until the function that it returns is called.
func held(t *testing.T, f family, db *sql.DB, l lock) (release func()) {
	t.Helper()
	let, err := f.hold(t.Context(), db, l)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := let(); err != nil {
			t.Fatal(err)
		}
	}
}

// emptyDatabase is a database for a test, on the server that all share.
func emptyDatabase(t *testing.T, f family) (address, *sql.DB) {
	t.Helper()
	at, drop, err := f.server(t).database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	db, err := f.open(at.direct, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return at, db
}

// starter is a process that starts and ends: Up at the same instant as the others.
func starter(ctx context.Context, db, direct *sql.DB) error {
	if _, err := db.ExecContext(ctx, "INSERT INTO gate_arrived VALUES (1)"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "SELECT n FROM gate_closed"); err != nil {
		return err
	}
	m, err := migrator(db, direct, "v1", starterLease)
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
func assertOnce(t *testing.T, f family, db *sql.DB) {
	t.Helper()
	var steps, undone, twice, begun int
	for query, to := range map[string]*int{
		"SELECT count(*) FROM " + f.state("step") + " WHERE phase = 'expand'":                                                                     &steps,
		"SELECT count(*) FROM " + f.state("step") + " WHERE phase = 'expand' AND NOT done":                                                        &undone,
		"SELECT count(*) FROM (SELECT detail FROM " + f.state("event") + " WHERE what = 'step' GROUP BY migration, detail HAVING count(*) > 1) s": &twice,
		"SELECT count(*) FROM " + f.state("event") + " WHERE what = 'expanding'":                                                                  &begun,
	} {
		if err := db.QueryRow(query).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	if steps == 0 || undone != 0 || twice != 0 {
		t.Errorf("%d expand steps, %d of them not done, %d recorded more than once", steps, undone, twice)
	}
	if begun != 1 {
		t.Errorf("the migration was begun %d times", begun)
	}
}

// itemsTable is a small table for the starters' migration.
func itemsTable(t *testing.T, f family, db *sql.DB) {
	t.Helper()
	s := scenario{Shape: shape{Type: "text", Values: []string{"v"}, NotNull: true, Key: "bigint"}, Rows: 1000}
	for _, stmt := range append(f.ddl(s.Shape, "items"), s.fill(f)) {
		if _, err := db.Exec(stmt); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiftyStartersAtTheSameInstant(t *testing.T) {
	t.Parallel()
	eachFamily(t, fiftyStartersAtTheSameInstant)
}

func fiftyStartersAtTheSameInstant(t *testing.T, f family) {
	at, db := emptyDatabase(t, f)
	open := gate(t, f, db)
	itemsTable(t, f, db)
	all := startFifty(t, f, at, db)
	m, err := migrator(db, nil, "v0", starterLease)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	open()
	waitAll(t, all, nil)
	assertOnce(t, f, db)
}

var holderPID = regexp.MustCompile(`/(\d+)/[0-9a-f]{8}$`)

func TestFiftyStartersWhoseLeaderIsKilled(t *testing.T) {
	t.Parallel()
	eachFamily(t, fiftyStartersWhoseLeaderIsKilled)
}

func fiftyStartersWhoseLeaderIsKilled(t *testing.T, f family) {
	at, db := emptyDatabase(t, f)
	open := gate(t, f, db)
	itemsTable(t, f, db)
	all := startFifty(t, f, at, db)
	m, err := migrator(db, nil, "v0", starterLease)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	// A reader in the way keeps the leader in its step until it has been killed.
	release := held(t, f, db, lock{kind: lockReader, table: "items"})
	open()
	var killed *child
	for deadline := time.Now().Add(60 * time.Second); killed == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody took the lease and began")
		}
		var holder string
		var attempts int
		if err := db.QueryRow(fmt.Sprintf("SELECT holder, (SELECT coalesce(sum(attempts), 0) FROM %s) FROM %s", f.state("step"), f.state("lease"))).Scan(&holder, &attempts); err != nil {
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
	release()
	waitAll(t, all, killed)
	assertOnce(t, f, db)
}

// TestFiftyStartersOnAnEmptyDatabase: the state tables too are created by one of them.
func TestFiftyStartersOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	eachFamily(t, fiftyStartersOnAnEmptyDatabase)
}

func fiftyStartersOnAnEmptyDatabase(t *testing.T, f family) {
	at, db := emptyDatabase(t, f)
	all := make([]*child, starters)
	for i := range all {
		all[i] = start(t, f, at, "create")
	}
	waitAll(t, all, nil)
	var rows, created int
	if err := db.QueryRow(fmt.Sprintf("SELECT (SELECT count(*) FROM %s WHERE state = 'complete'), (SELECT count(*) FROM %s WHERE what = 'complete')", f.state("migration"), f.state("event"))).Scan(&rows, &created); err != nil {
		t.Fatal(err)
	}
	if rows != 1 || created != 1 {
		t.Errorf("%d migrations complete, recorded %d times, want 1 and 1", rows, created)
	}
}
