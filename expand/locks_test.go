package expand_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
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
	db := scratch.Postgres(t).DB
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
