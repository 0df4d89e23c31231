package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// carried is a table t with a column o and a link to a column w of another type,
// as a change of type would make it.
func carried(t testing.TB, setup string, l plan.Link) *synced {
	t.Helper()
	s := newSynced(t, setup)
	l.ID, l.Migration, l.Schema, l.Table = "0042_prices/1", "0042_prices", "public", "t"
	if l.Old == "" {
		l.Old, l.New = "o", "w"
	}
	l.Hidden, l.Evidence = l.Old+"~hidden", `"phased"."old writes 0042_prices/1"`
	s.links = []plan.Link{l}
	s.exec("CREATE SEQUENCE " + l.Evidence + "; GRANT USAGE ON SEQUENCE " + l.Evidence + " TO PUBLIC")
	s.exec(strings.Join(carryFunctions(l), ";\n"))
	s.exec(fmt.Sprintf("ALTER TABLE t ADD COLUMN %s %s", ident(l.New), l.Type))
	s.exec(strings.Join(s.Compose("public", "t", s.links), ";\n"))
	return s
}

func (s *synced) inStep(want int) {
	s.t.Helper()
	if n := s.outside(); n != want {
		s.t.Errorf("%d rows are out of step, want %d", n, want)
	}
}

// Nobody's statement fails because up does: the row stays out of step and is found.
func TestHealingNeverRaises(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+`
		CREATE FUNCTION public.strict(text) RETURNS text IMMUTABLE STRICT LANGUAGE plpgsql AS 'BEGIN ASSERT $1 <> ''assert'', ''no''; RETURN (10 / length($1) * 0)::text || lower($1); END';
		INSERT INTO users VALUES (1, ''), (2, 'assert'), (3, 'OK'), (4, NULL)`)
	s.expand(plan.RenameColumn{Table: "users", From: "email", To: "email_address", Up: "public.strict(email)", Down: "substr(email_address, 2)"}, "up-fails")
	s.inStep(3)
	s.exec("UPDATE users SET n = 1")
	s.want("1  -, 2 assert -, 3 OK 0ok, 4 - -", "SELECT id, email, email_address FROM users ORDER BY 1")
	s.inStep(2)
	s.exec("INSERT INTO users (id, email) VALUES (5, ''), (6, 'assert') ON CONFLICT (id) DO NOTHING; UPDATE users SET email = '' WHERE id = 3; UPDATE users SET email = 'assert' WHERE id = 4")
	s.want("1  -, 2 assert -, 3  0ok, 4 assert -, 5  -, 6 assert -", "SELECT id, email, email_address FROM users ORDER BY 1")
	s.inStep(6)
	if got := s.evidence(s.links[0]); got != "4" {
		t.Errorf("%s writes of old code were counted, want 4: they count also where up raises", got)
	}

	s.fails("22012", "UPDATE users AS t SET email_address = "+fillValue(s.links[0], "t")+" WHERE id = 1")
	s.exec("UPDATE users SET email = 'Mended' WHERE id IN (1, 2)")
	s.exec("UPDATE users SET email_address = '0new' WHERE id IN (3, 4)") // new code mends a row that old code broke
	s.exec("DELETE FROM users WHERE id > 4")
	s.want("1 Mended 0mended, 2 Mended 0mended, 3 new 0new, 4 new 0new", "SELECT id, email, email_address FROM users ORDER BY 1")
	s.inStep(0)
}

// New code is refused, with the migration's name, when old code could not read what
// it wrote. Old code is not.
func TestNewCodeIsRefusedWhereOldCodeCouldNotRead(t *testing.T) {
	t.Parallel()
	s := carried(t, "CREATE TABLE t (id int PRIMARY KEY, o int, n int); INSERT INTO t VALUES (1, 10), (2, 20)", plan.Link{OldType: "integer", Type: "text", Up: "o::text", Down: "w::int"})
	s.fill()
	for _, statement := range []string{
		"UPDATE t SET w = 'ten' WHERE id = 1", "UPDATE t SET w = '99999999999'", "INSERT INTO t (id, w) VALUES (3, 'three')",
		"INSERT INTO t (id, o, w) VALUES (3, 3, 'three')", "INSERT INTO t (id, w) VALUES (1, 'x') ON CONFLICT (id) DO NOTHING",
		"INSERT INTO t (id, w) VALUES (3, '3'), (4, 'four')", "UPDATE t SET o = 1, w = 'one'",
	} {
		if text := s.fails(codeRefusedNew, statement); !strings.Contains(text, "migration 0042_prices: the value written to w cannot be carried to o") {
			t.Errorf("%s: %s", statement, text)
		}
	}
	s.exec(hostile)
	s.fails(codeRefusedNew, "SET LOCAL search_path = evil, pg_catalog, public; UPDATE t SET w = 'ten'")
	s.want("1 10 10, 2 20 20", "SELECT id, o, w FROM t ORDER BY 1")
	s.exec("UPDATE t SET w = '007' WHERE id = 1; UPDATE t SET o = 8 WHERE id = 2; UPDATE t SET n = 1; INSERT INTO t (id, w) VALUES (3, NULL)")
	s.want("1 7 007, 2 8 8, 3 - -", "SELECT id, o, w FROM t ORDER BY 1")

	// What came in behind the sync's back can be read by nobody; old code still writes.
	s.asIs("t", "UPDATE t SET w = 'behind' WHERE id = 1")
	s.inStep(1)
	s.exec("UPDATE t SET n = 2")
	s.want("1 7 7", "SELECT id, o, w FROM t WHERE id = 1")
	s.inStep(0)
}

// Old int 10 and new 10.49 are in step: nobody takes the richer value away.
func TestARicherValueIsNotOverwritten(t *testing.T) {
	t.Parallel()
	s := carried(t, "CREATE TABLE t (id int PRIMARY KEY, o int, n int); INSERT INTO t VALUES (1, 1), (2, 2)", plan.Link{OldType: "integer", Type: "numeric(10,2)", Up: "o::numeric", Down: "round(w)::int"})
	s.fill()
	s.want("1 1.00, 2 2.00", "SELECT o, w FROM t ORDER BY id")
	s.exec("UPDATE t SET w = 10.49 WHERE id = 1")
	s.want("10 10.49", "SELECT o, w FROM t WHERE id = 1")
	for _, statement := range []string{"UPDATE t SET n = 1", "UPDATE t SET o = 10 WHERE id = 1", "UPDATE t SET o = o", "UPDATE t SET id = id + 0"} {
		s.exec(statement)
		s.fill()
		s.inStep(0)
		s.want("10 10.49", "SELECT o, w FROM t WHERE id = 1")
	}
	s.exec("UPDATE t SET o = 11 WHERE id = 1")
	s.want("11 11.00", "SELECT o, w FROM t WHERE id = 1")
	s.exec("UPDATE t SET o = 3, w = 10.51 WHERE id = 1; INSERT INTO t (id, w) VALUES (3, 0.5); INSERT INTO t (id, o) VALUES (4, 5)")
	s.want("11 10.51, 2 2.00, 1 0.50, 5 5.00", "SELECT o, w FROM t ORDER BY id") // round(0.5) is 1
	s.inStep(0)
}

// A null new side counts only where up(old) is null: else the row is not filled.
func TestANullCountsOnlyWhereUpIsNull(t *testing.T) {
	t.Parallel()
	s := carried(t, "CREATE TABLE t (id int PRIMARY KEY, o int, n int)", plan.Link{OldType: "integer", Type: "integer", Up: "coalesce(o, -1)", Down: "nullif(w, -1)"})
	s.asIs("t", "INSERT INTO t (id, o, w) VALUES (1, NULL, NULL), (2, 5, NULL), (3, NULL, -1)")
	s.inStep(2)
	s.exec("UPDATE t SET n = 1")
	s.want("1 - -1, 2 5 5, 3 - -1", "SELECT id, o, w FROM t ORDER BY 1")
	s.inStep(0)
	s = carried(t, "CREATE TABLE t (id int PRIMARY KEY, o text, n int)", plan.Link{OldType: "text", Type: "text", Up: "nullif(o, '')", Down: "w"})
	s.asIs("t", "INSERT INTO t (id, o, w) VALUES (1, '', NULL), (2, 'a', NULL), (3, NULL, NULL)")
	s.inStep(1) // up('') is null
	s.exec("UPDATE t SET n = 1")
	s.want("1  -, 2 a a, 3 - -", "SELECT id, o, w FROM t ORDER BY 1")
}

// An expression over both directions and a plain link, stacked.
func TestSyncOfAStackWithExpressions(t *testing.T) {
	t.Parallel()
	s := newSynced(t, "CREATE TABLE t (id int PRIMARY KEY, a text, n int); INSERT INTO t VALUES (1, 'X')", plan.RenameColumn{Table: "t", From: "a", To: "b", Up: "lower(a)", Down: "upper(b)"}, rename("t", "b", "c"))
	for _, c := range []struct{ statement, want string }{
		{"UPDATE t SET n = 1", "X x x"},
		{"UPDATE t SET c = 'c'", "C c c"},
		{"UPDATE t SET b = 'b'", "B b b"},
		{"UPDATE t SET a = 'A'", "A a a"},
		{"UPDATE t SET a = 'q', b = 'b', c = 'c'", "C c c"},
		{"UPDATE t SET a = 'mixEd'", "mixEd mixed mixed"},
		{"UPDATE t SET n = 2", "mixEd mixed mixed"},
		{"UPDATE t SET c = NULL", "- - -"},
		{"DELETE FROM t; INSERT INTO t (id, c) VALUES (1, 'new')", "NEW new new"},
		{"DELETE FROM t; INSERT INTO t (id, a) VALUES (1, 'Old')", "Old old old"},
	} {
		s.exec(c.statement)
		if got := s.text("SELECT a, b, c FROM t"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.statement, got, c.want)
		}
	}
	s.inStep(0)
}

// Names that mean something to PL/pgSQL.
func TestExpressionsOverColumnsWithNamesOfPLpgSQL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to string }{{"found", "new"}, {"old", "tg_op"}, {"sqlerrm", "found"}, {`q"uo'te$phased$`, "Mixed Case"}, {"ünï", "select"}, {"phased", "phased2"}} {
		s := newSynced(t, fmt.Sprintf("CREATE TABLE t (id int PRIMARY KEY, %s text, n int); INSERT INTO t VALUES (1, 'X')", ident(c.from)))
		s.expand(plan.RenameColumn{Table: "t", From: c.from, To: c.to, Up: "lower(" + ident(c.from) + ")", Down: "upper(" + ident(c.to) + ")"})
		s.exec("UPDATE t SET n = 1; INSERT INTO t (id, " + ident(c.from) + ") VALUES (2, 'Y'); INSERT INTO t (id, " + ident(c.to) + ") VALUES (3, 'z')")
		s.want("1 X x, 2 Y y, 3 Z z", fmt.Sprintf("SELECT id, %s, %s FROM t ORDER BY 1", ident(c.from), ident(c.to)))
		s.run(s.plans[0], plan.PhaseHide)
		s.exec("UPDATE t SET " + ident(c.to) + " = 'hidden' WHERE id = 1")
		s.want("HIDDEN hidden", fmt.Sprintf("SELECT %s, %s FROM t WHERE id = 1", ident(s.links[0].Old), ident(c.to)))
		s.run(s.plans[0], plan.PhaseDrop)
		s.want("", "SELECT proname FROM pg_proc WHERE pronamespace = 'phased'::regnamespace")
	}
}
