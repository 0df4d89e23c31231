package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// abc is a table whose column was renamed twice, neither rename being filled. Row 1
// is in every unfilled state that rows can be in.
func abc(t *testing.T) *synced {
	t.Helper()
	s := newSynced(t, "CREATE TABLE t (id int PRIMARY KEY, a text, n int); INSERT INTO t VALUES (1, 'one', 0)", rename("t", "a", "b"), rename("t", "b", "c"))
	s.want("1", `SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal`)
	return s
}

// One composed sync for a → b → c: every write path leaves all three alike.
func TestSyncOfStackedRenames(t *testing.T) {
	t.Parallel()
	s := abc(t)
	for _, c := range []struct{ name, row, statement, want string }{
		{"a inserts", "", "INSERT INTO t (id, a) VALUES (2, 'x')", "x x x"},
		{"b inserts", "", "INSERT INTO t (id, b) VALUES (2, 'x')", "x x x"},
		{"c inserts", "", "INSERT INTO t (id, c) VALUES (2, 'x')", "x x x"},
		{"a and b insert", "", "INSERT INTO t (id, a, b) VALUES (2, 'x', 'y')", "y y y"},
		{"a and c insert", "", "INSERT INTO t (id, a, c) VALUES (2, 'x', 'y')", "y y y"},
		{"all insert", "", "INSERT INTO t (id, a, b, c) VALUES (2, 'x', 'y', 'z')", "z z z"},
		{"nobody inserts", "", "INSERT INTO t (id) VALUES (2)", "- - -"},
		{"a updates", "'o', 'o', 'o'", "UPDATE t SET a = 'x'", "x x x"},
		{"b updates", "'o', 'o', 'o'", "UPDATE t SET b = 'x'", "x x x"},
		{"c updates", "'o', 'o', 'o'", "UPDATE t SET c = 'x'", "x x x"},
		{"a updates to null", "'o', 'o', 'o'", "UPDATE t SET a = NULL", "- - -"},
		{"b updates to null", "'o', 'o', 'o'", "UPDATE t SET b = NULL", "- - -"},
		{"c updates to null", "'o', 'o', 'o'", "UPDATE t SET c = NULL", "- - -"},
		{"a and b update", "'o', 'o', 'o'", "UPDATE t SET a = 'x', b = 'y'", "y y y"},
		{"b and c update", "'o', 'o', 'o'", "UPDATE t SET b = 'x', c = 'y'", "y y y"},
		{"a and c update", "'o', 'o', 'o'", "UPDATE t SET a = 'x', c = 'y'", "y y y"},
		{"another column heals, nothing filled", "'o', NULL, NULL", "UPDATE t SET n = 1", "o o o"},
		{"another column heals, b filled", "'o', 'o', NULL", "UPDATE t SET n = 1", "o o o"},
		{"a writes, nothing filled", "'o', NULL, NULL", "UPDATE t SET a = 'x'", "x x x"},
		{"b writes, nothing filled", "'o', NULL, NULL", "UPDATE t SET b = 'x'", "x x x"},
		{"c writes, nothing filled", "'o', NULL, NULL", "UPDATE t SET c = 'x'", "x x x"},
		{"a writes, b filled", "'o', 'o', NULL", "UPDATE t SET a = 'x'", "x x x"},
		{"b writes, b filled", "'o', 'o', NULL", "UPDATE t SET b = 'x'", "x x x"},
		{"b writes null, b filled", "'o', 'o', NULL", "UPDATE t SET b = NULL", "- - -"},
		{"c writes, b filled", "'o', 'o', NULL", "UPDATE t SET c = 'x'", "x x x"},
		{"c writes what b has", "'o', 'o', NULL", "UPDATE t SET c = 'o'", "o o o"},
		{"c writes what a has, nothing filled", "'o', NULL, NULL", "UPDATE t SET c = 'o'", "o o o"},
		{"the older backfill fills both", "'o', NULL, NULL", "UPDATE t SET b = a WHERE b IS DISTINCT FROM a", "o o o"},
		{"the newer backfill comes first", "'o', NULL, NULL", "UPDATE t SET c = b WHERE c IS DISTINCT FROM b", "o - -"}, // nothing to do for it
	} {
		s.exec("DELETE FROM t")
		if c.row != "" {
			s.asIs("t", "INSERT INTO t (id, a, b, c) VALUES (1, "+c.row+")")
		}
		s.exec(c.statement)
		if got := s.text("SELECT a, b, c FROM t"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// The same with a default, which every column of the chain has.
func TestSyncOfStackedRenamesWithADefault(t *testing.T) {
	t.Parallel()
	s := newSynced(t, "CREATE TABLE t (id int PRIMARY KEY, a bigint NOT NULL DEFAULT 0)", rename("t", "a", "b"), rename("t", "b", "c"))
	for i, c := range []struct{ cols, values, want string }{
		{"", "", "0 0 0"},
		{", a", ", 1", "1 1 1"}, {", b", ", 1", "1 1 1"}, {", c", ", 1", "1 1 1"},
		{", a", ", 0", "0 0 0"}, {", c", ", 0", "0 0 0"},
		{", a, c", ", 1, 2", "2 2 2"}, {", a, b", ", 1, 2", "2 2 2"}, {", b, c", ", 1, 2", "2 2 2"},
		{", a, c", ", 1, 0", "1 1 1"}, // the side that differs from its default wrote
	} {
		s.exec(fmt.Sprintf("INSERT INTO t (id%s) VALUES (%d%s)", c.cols, i, c.values))
		s.want(c.want, "SELECT a, b, c FROM t WHERE id = $1", i)
	}
}

// The whole life of both, contracted in order and the newer one taken back.
func TestSyncGoesOnWhileStackedLinksComeAndGo(t *testing.T) {
	t.Parallel()
	s := abc(t)
	write := func(column, value, want string, columns string) {
		t.Helper()
		s.exec("UPDATE t SET " + ident(column) + " = " + literal(value))
		s.want(want, "SELECT "+columns+" FROM t")
	}
	s.run(s.plans[0], plan.PhaseHide)
	write("a~hidden", "1", "1 1 1", `"a~hidden", b, c`)
	write("b", "2", "2 2 2", `"a~hidden", b, c`)
	write("c", "3", "3 3 3", `"a~hidden", b, c`)
	for _, step := range s.plans[0].Of(plan.PhaseUndo)[:1] { // the way back from hidden
		for _, text := range s.compose(step) {
			s.exec(text)
		}
	}
	write("a", "4", "4 4 4", `a, b, c`)
	s.run(s.plans[0], plan.PhaseHide)
	s.run(s.plans[0], plan.PhaseDrop)
	write("b", "5", "5 5", `b, c`)
	write("c", "6", "6 6", `b, c`)
	s.exec("INSERT INTO t (id, b) VALUES (2, 'x'); INSERT INTO t (id, c) VALUES (3, 'y')")
	s.want("2 x x, 3 y y", "SELECT id, b, c FROM t WHERE id > 1 ORDER BY 1")
	for _, step := range s.plans[1].Of(plan.PhaseUndo)[1:] {
		for _, text := range s.compose(step) {
			s.exec(text)
		}
	}
	s.want("n, b, id", "SELECT string_agg(attname, ', ' ORDER BY attname = 'id', attname = 'b') FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped")
	s.want("", "SELECT proname FROM pg_proc WHERE pronamespace = 'phased'::regnamespace UNION SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass")
}

// Replacing the sync leaves no instant without it: writers that hammer the table
// while links come and go lose nothing, and none of their statements fails.
func TestSyncIsReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	s := newSynced(t, "CREATE TABLE t (id int PRIMARY KEY, a text, z text, n int); INSERT INTO t SELECT g, 'v', 'v', 0 FROM generate_series(0, 3) g", rename("t", "a", "b"))
	s.fill()
	second := s.resolve(rename("t", "z", "y"))

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	var written atomic.Int64
	wrote := make(chan struct{}) // somebody listens only between recompositions
	for w := range 4 {
		c := s.session()
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// Old code's and new code's writes take turns; each asks whether the other side shows them.
				col, other := "a", "b"
				if i%2 == 1 {
					col, other = "b", "a"
				}
				var ok bool
				v := fmt.Sprintf("%d-%d", w, i)
				err := c.QueryRowContext(ctx, fmt.Sprintf("UPDATE t SET %s = $1::text WHERE id = $2 RETURNING %s = $1::text", col, other), v, w).Scan(&ok)
				switch {
				case ctx.Err() != nil:
				case err != nil:
					t.Errorf("writer %d: %v", w, err)
					return
				case !ok:
					t.Errorf("writer %d: the write of %s to %s did not show on %s", w, v, col, other)
					return
				}
				written.Add(1)
				select {
				case wrote <- struct{}{}:
				default:
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for range 30 {
		s.run(second, plan.PhaseExpand)
		for _, step := range second.Of(plan.PhaseUndo)[1:] {
			for _, text := range s.compose(step) {
				s.exec(text)
			}
		}
		select {
		case <-wrote:
		case <-done:
			t.FailNow()
		}
	}
	stop()
	wg.Wait()
	if n := s.outside(); n != 0 {
		t.Errorf("%d rows out of step after %d writes", n, written.Load())
	}
	t.Logf("%d writes during 60 recompositions", written.Load())
}
