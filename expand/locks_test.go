package expand_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand"
)

// A step that replaces the sync of a partitioned table locks the table before its
// partitions, as queries do. DROP TRIGGER by itself begins with the partitions: then
// it waits for a writer that waits for it, at every try.
func TestPartitionedTableIsLockedBeforeItsPartitions(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		t.Run(fmt.Sprint("partition ", order[0], " first"), func(t *testing.T) {
			t.Parallel()
			lockedBeforeItsPartitions(t, order[0], order[1])
		})
	}
}

func lockedBeforeItsPartitions(t *testing.T, first, second int) {
	db := database(t)
	exec(t, db, "CREATE TABLE items (id int, part int, a text, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
		"CREATE TABLE items_0 PARTITION OF items FOR VALUES IN (0)", "CREATE TABLE items_1 PARTITION OF items FOR VALUES IN (1)")
	m := migrator(t, db, config(), "0001_rename.sql", "ALTER TABLE items RENAME COLUMN a TO b;")
	if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	writer, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Exec(fmt.Sprintf("SET LOCAL lock_timeout = '400ms'; INSERT INTO items VALUES (1, %d, 'x')", first)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := m.Rollback(t.Context(), "0001_rename", expand.RollbackConfig{LockTimeout: 20 * time.Second})
		done <- err
	}()
	for waiting := false; !waiting; time.Sleep(5 * time.Millisecond) {
		waiting = one[bool](t, db, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	}
	if _, err := writer.Exec(fmt.Sprintf("INSERT INTO items VALUES (1, %d, 'x')", second)); err != nil {
		t.Errorf("a writer that was there first waits for the step that waits for it: %v", err)
	}
	if err := writer.Commit(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A step that cannot get its lock gives up after its time, says who holds it, and has
// changed nothing; between its tries the table is free for others.
func TestStepThatCannotGetItsLockSaysWhoHoldsIt(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	before := footprint(t, db)
	reader, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback() //nolint:errcheck // it only reads
	if _, err := reader.Exec("SET LOCAL application_name = 'long report'; SELECT FROM users"); err != nil {
		t.Fatal(err)
	}
	cfg := config()
	cfg.LockTimeout, cfg.LockRetry, cfg.LockPause = 50*time.Millisecond, 300*time.Millisecond, 10*time.Millisecond
	err = migrator(t, db, cfg, "0001_rename.sql", renameEmail).Up(t.Context())
	var locked *expand.LockedError
	if !errors.As(err, &locked) || len(locked.Holders) != 1 || locked.Tries < 2 {
		t.Fatalf("got %v, want a LockedError with its holder", err)
	}
	for _, want := range []string{"AccessExclusive", `"public"."users"`, "long report", "end that transaction, then run again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if footprint(t, db) != before {
		t.Error("something was changed")
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	up(t, db, "0001_rename.sql", renameEmail)
}
