package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// racer is a key whose rows are inserted, deleted and moved while the table is walked.
type racer struct {
	name, columns, index string // a column a line: "k0", "k1", …
	key                  func(r *rand.Rand) []string
}

var racers = []racer{
	{name: "bigint", columns: "k0 bigint NOT NULL", index: "k0", key: func(r *rand.Rand) []string { return []string{fmt.Sprint(r.IntN(1500) - 500)} }},
	{name: "text without case beside a number that descends", columns: "k0 varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, k1 int unsigned NOT NULL", index: "k0, k1 DESC",
		key: func(r *rand.Rand) []string { return []string{randomCase(r), fmt.Sprint(r.IntN(200))} }},
	{name: "three columns", columns: "k0 enum('c','b','a') NOT NULL, k1 datetime(6) NOT NULL, k2 varbinary(10) NOT NULL", index: "k0, k1, k2",
		key: func(r *rand.Rand) []string {
			return []string{literal([]string{"a", "b", "c"}[r.IntN(3)]), fmt.Sprintf("'2024-03-31 01:%02d:00.%06d'", r.IntN(20), r.IntN(3)), fmt.Sprintf("X'%04X'", r.IntN(40))}
		}},
	{name: "double", columns: "k0 double NOT NULL", index: "k0", key: func(r *rand.Rand) []string { return []string{fmt.Sprintf("%d/7e0", r.IntN(1500)-700)} }},
}

func randomCase(r *rand.Rand) string {
	word := []byte([]string{"ann", "bob", "bo b", "cid "}[r.IntN(4)])
	for i := range word {
		if r.IntN(2) == 0 {
			word[i] = strings.ToUpper(string(word[i]))[0]
		}
	}
	return literal(string(word))
}

// Whatever others do meanwhile, every row is in step afterwards, and none was filled
// twice.
func TestWalkAmongWriters(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newDatabase(t, d)
		seed := uint64(time.Now().UnixNano())
		for i, c := range racers {
			t.Run(c.name, func(t *testing.T) {
				g := *f
				g.t = t
				g.race(c, seed+uint64(i))
			})
		}
	})
}

func (f *filling) race(c racer, seed uint64) {
	t := f.t
	random := rand.New(rand.NewPCG(seed, 1))
	rows := []string{"(" + strings.Join(c.key(random), ", ") + ", 'v')"}
	for range 600 {
		rows = append(rows, "("+strings.Join(c.key(random), ", ")+", "+literal(fmt.Sprint("v", random.IntN(50)))+")")
	}
	n := strings.Count(c.columns, " NOT NULL")
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("k", i))
	}
	list := strings.Join(names, ", ")
	f.exec("DROP TABLE IF EXISTS filled")
	f.expand([]string{"CREATE TABLE filled (id bigint NOT NULL PRIMARY KEY)",
		"CREATE TABLE t (" + c.columns + ", id bigint NOT NULL AUTO_INCREMENT UNIQUE, touched int NOT NULL DEFAULT 0, old varchar(100), PRIMARY KEY (" + c.index + "))",
		"INSERT IGNORE INTO t (" + list + ", old) VALUES " + strings.Join(rows, ", ")}, names, nil)
	// Who writes bumps touched, the backfill does not: a row that it fills a second time is a duplicate.
	f.exec("CREATE TRIGGER noted AFTER UPDATE ON t FOR EACH ROW BEGIN IF NEW.touched = OLD.touched THEN INSERT INTO filled VALUES (NEW.id); END IF; END")
	fill, token := f.start("w")

	writing, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	for w := range 3 {
		r := rand.New(rand.NewPCG(seed, uint64(w+2)))
		writers.Go(func() { f.write(writing, r, c, list) })
	}
	for {
		r, err := f.Next(t.Context(), fill, fill.Cursor, 1+random.IntN(40))
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			break
		}
		_, err = f.Write(t.Context(), fill, token, *r, time.Minute)
		if f.Retryable(err) {
			continue
		}
		if err != nil {
			t.Fatalf("%v (seed %d)", err, seed)
		}
		if r.Last {
			break
		}
	}
	stop()
	writers.Wait()
	if n := f.outOfStep(); n != 0 {
		t.Errorf("%d rows out of step (seed %d)", n, seed)
	}
	if n := ask[int64](f, "SELECT COUNT(*) FROM filled"); n != fill.Filled || n == 0 {
		t.Errorf("%d rows were filled, %d are recorded (seed %d)", n, fill.Filled, seed)
	}
	t.Logf("%d rows filled in %d chunks, %d rows written by others", fill.Filled, fill.Chunks, ask[int64](f, "SELECT COUNT(*) FROM t WHERE touched > 0"))
}

// write inserts, changes, moves and deletes rows until ctx is done.
func (f *filling) write(ctx context.Context, r *rand.Rand, c racer, list string) {
	for ctx.Err() == nil {
		key, where := c.key(r), fmt.Sprint("id = ", 1+r.IntN(900))
		var set []string
		for i := range key {
			set = append(set, fmt.Sprintf("k%d = %s", i, key[i]))
		}
		statement := []string{
			"INSERT INTO t (" + list + ", touched, old) VALUES (" + strings.Join(key, ", ") + ", 1, 'inserted')",
			"UPDATE t SET touched = touched + 1, " + strings.Join(set, ", ") + " WHERE " + where,
			"UPDATE t SET touched = touched + 1, old = " + literal(fmt.Sprint("w", r.IntN(9))) + " WHERE " + where,
			"UPDATE t SET touched = touched + 1, new = " + literal(fmt.Sprint("n", r.IntN(9))) + " WHERE " + where,
			"DELETE FROM t WHERE " + where,
		}[r.IntN(5)]
		_, err := f.db.ExecContext(ctx, statement)
		if err != nil && number(err) != errDuplicateEntry && !f.Retryable(err) && !errors.Is(err, context.Canceled) {
			f.t.Errorf("%v\n%s", err, statement)
			return
		}
		time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond)
	}
}

// A rollback and a chunk lock the same rows, in the same order.
func TestRollbackAmongChunks(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		x := f.stopping("SELECT CONNECTION_ID(), token") // it has locked the migration's row, and not yet the fill's
		done := f.later(x.Engine, fill, token, *f.next(fill, 5), time.Minute)
		x.reached()
		marked := make(chan error, 1)
		go func() {
			marked <- f.transaction(t.Context(), pinned{rowWait: time.Minute}, func(c *sql.Conn) error {
				return mark(t.Context(), c, "m", engine.StateRollingBack, "")
			})
		}()
		f.until("SELECT EXISTS (" + waits + ")")
		x.release()
		if err := <-done; err != nil {
			t.Errorf("the chunk in flight: %v", err)
		}
		if err := <-marked; err != nil {
			t.Errorf("the rollback: %v", err)
		}
		if _, err := f.Write(t.Context(), fill, token, *f.next(fill, 5), time.Minute); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("a chunk after the rollback: %v, want ErrLeaseLost", err)
		}
	})
}
