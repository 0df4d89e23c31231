package postgres

import (
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// I3: in step → nothing is done, and this is asked before the function is called.
func TestSyncAsksFirstWhetherARowIsInStep(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+"INSERT INTO users SELECT g, 'u' || g FROM generate_series(1, 100) g", rename("users", "email", "email_address"))
	s.exec("UPDATE users SET n = 1 WHERE id <= 50")
	s.fill()
	for _, c := range []struct {
		statement string
		calls     int
	}{
		{"UPDATE users SET n = n + 1", 0},
		{"UPDATE users SET email = email, email_address = email_address", 0},
		{"UPDATE users SET email = 'x', email_address = 'x'", 0},
		{"INSERT INTO users (id, email, email_address) VALUES (1000, 'x', 'x')", 0},
		{"INSERT INTO users (id) VALUES (1000)", 0},
		{"UPDATE users SET email = 'x' WHERE id <= 7", 7},
		{"UPDATE users SET email_address = 'x' WHERE id <= 7", 7},
		{"INSERT INTO users (id, email) VALUES (1000, 'x')", 1},
	} {
		tx, err := s.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		on(t, tx, "SET LOCAL track_functions = 'all'")
		calls := func() (n int) {
			// Counts that the session has not reported yet are there from one transaction to the next.
			if err := tx.QueryRowContext(t.Context(), "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_xact_user_functions").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := calls()
		on(t, tx, c.statement)
		if got := calls() - before; got != c.calls {
			t.Errorf("%s: the function was called %d times, want %d", c.statement, got, c.calls)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// The evidence counts what old code wrote, also what was rolled back, and nothing else.
func TestSyncCountsWritesOfTheOldSideOnly(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+"INSERT INTO users SELECT g, 'u' || g FROM generate_series(1, 100) g", rename("users", "email", "email_address"))
	l := s.links[0]
	count := func(want, statement string) {
		t.Helper()
		s.exec(statement)
		if got := s.evidence(l); got != want {
			t.Errorf("after %s: %s, want %s", statement, got, want)
		}
	}
	count("0", "UPDATE users SET n = 1 WHERE id <= 50") // heals
	s.fill()
	count("0", "UPDATE users SET n = 2")
	count("0", "UPDATE users SET email_address = 'new' WHERE id = 1")
	count("0", "INSERT INTO users (id, email_address) VALUES (1001, 'new')")
	count("0", "INSERT INTO users (id, email, email_address) VALUES (1002, 'same', 'same')")
	count("0", "INSERT INTO users (id) VALUES (1003)")
	count("0", "UPDATE users SET email = email")
	count("0", "DELETE FROM users WHERE id = 1003")
	count("1", "UPDATE users SET email = 'old' WHERE id = 1")
	count("2", "INSERT INTO users (id, email) VALUES (1004, 'old')")
	count("3", "BEGIN; UPDATE users SET email = 'older' WHERE id = 1; ROLLBACK")
	if n := s.outside(); n != 0 {
		t.Errorf("%d rows out of step", n)
	}
}

func TestSyncFlowsBothWays(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable, rename("users", "email", "email_address"))
	for _, c := range []struct{ name, row, statement, want string }{
		// row: the old and the new side before
		{"old code updates", "'a', 'a'", "UPDATE users SET email = 'b'", "b b"},
		{"old code sets null", "'a', 'a'", "UPDATE users SET email = NULL", "- -"},
		{"new code updates", "'a', 'a'", "UPDATE users SET email_address = 'b'", "b b"},
		{"new code sets null", "'a', 'a'", "UPDATE users SET email_address = NULL", "- -"},
		{"both write, new wins", "'a', 'a'", "UPDATE users SET email = 'b', email_address = 'c'", "c c"},
		{"both write, new wins with null", "'a', 'a'", "UPDATE users SET email = 'b', email_address = NULL", "- -"},
		{"both write the same", "'a', 'a'", "UPDATE users SET email = 'b', email_address = 'b'", "b b"},
		{"another column heals", "'a', NULL", "UPDATE users SET n = 1", "a a"},
		{"nothing changes and heals", "'a', NULL", "UPDATE users SET n = n", "a a"},
		{"the key heals", "'a', NULL", "UPDATE users SET id = 2", "a a"},
		{"old code writes an unfilled row", "'a', NULL", "UPDATE users SET email = 'b'", "b b"},
		{"old code empties an unfilled row", "'a', NULL", "UPDATE users SET email = NULL", "- -"},
		{"new code writes an unfilled row", "'a', NULL", "UPDATE users SET email_address = 'b'", "b b"},
		{"new code writes null to an unfilled row", "'a', NULL", "UPDATE users SET email_address = NULL", "a a"},
		{"both write an unfilled row", "'a', NULL", "UPDATE users SET email = 'b', email_address = 'c'", "c c"},
		{"the backfill writes", "'a', NULL", "UPDATE users SET email_address = email", "a a"},
		{"a row that went out of step heals to the old side", "'a', 'b'", "UPDATE users SET n = 1", "a a"},
		{"old code mends a row out of step", "'a', 'b'", "UPDATE users SET email = 'c'", "c c"},
		{"new code mends a row out of step", "'a', 'b'", "UPDATE users SET email_address = 'c'", "c c"},
		{"nulls", "NULL, NULL", "UPDATE users SET n = 1", "- -"},
		{"empty is not null", "'', NULL", "UPDATE users SET n = 1", " "},
	} {
		s.exec("DELETE FROM users")
		s.asIs("users", "INSERT INTO users (id, email, email_address) VALUES (1, "+c.row+")")
		s.exec(c.statement)
		if got := s.text("SELECT email, email_address FROM users"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// The table as it was before expand: its rows are null on the new side, also with a
// default, so that they show as not filled.
func TestSyncLeavesExistingRowsUnfilled(t *testing.T) {
	t.Parallel()
	s := newSynced(t, "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL DEFAULT 'nobody', n int); INSERT INTO users VALUES (1, 'a'), (2, 'nobody')",
		rename("users", "email", "email_address"))
	s.want("1 a -, 2 nobody -", "SELECT id, email, email_address FROM users ORDER BY 1")
	if n := s.outside(); n != 2 {
		t.Errorf("%d rows out of step, want 2", n)
	}
	s.fill()
	s.want("1 a a, 2 nobody nobody", "SELECT id, email, email_address FROM users ORDER BY 1")
	if n := s.outside(); n != 0 {
		t.Errorf("%d rows out of step after the backfill", n)
	}
}

// INSERT: the side that differs from its own default wrote.
func TestSyncOfInsertsGoesByTheDefaults(t *testing.T) {
	t.Parallel()
	const stamp = "2020-01-01 00:00:00+00"
	for _, d := range []struct {
		name, column string
		a, b, def    string // two values and what the default gives, as text; "*" is anything
		nullable     bool
	}{
		{name: "no default", column: "text", a: "a", b: "b", def: "-", nullable: true},
		{name: "constant", column: "text DEFAULT 'd'", a: "a", b: "b", def: "d", nullable: true},
		{name: "constant that the server casts", column: "bigint DEFAULT 0", a: "1", b: "2", def: "0", nullable: true},
		{name: "numeric", column: "numeric(10,2) DEFAULT 0", a: "1.00", b: "2.00", def: "0.00", nullable: true},
		{name: "char", column: "char(3) DEFAULT 'd'", a: "a", b: "b", def: "d", nullable: true},
		{name: "varchar", column: "varchar(3) DEFAULT 'd'", a: "a", b: "b", def: "d", nullable: true},
		{name: "constant not null", column: "text NOT NULL DEFAULT 'd'", a: "a", b: "b", def: "d"},
		{name: "array", column: "int[] DEFAULT '{}'", a: "{1}", b: "{2}", def: "{}", nullable: true},
		{name: "json", column: `json DEFAULT '{"a": 1}'`, a: `{"b":1}`, b: `[]`, def: `{"a": 1}`, nullable: true},
		{name: "now()", column: "timestamptz DEFAULT now()", a: stamp, b: "2021-01-01 00:00:00+00", def: "*", nullable: true},
		{name: "now() cast to a date", column: "date DEFAULT now()", a: "2020-01-01", b: "2021-01-01", def: "*", nullable: true},
		{name: "current_date", column: "date DEFAULT current_date", a: "2020-01-01", b: "2021-01-01", def: "*", nullable: true},
		{name: "volatile not null", column: "uuid NOT NULL DEFAULT gen_random_uuid()", a: "11111111-1111-1111-1111-111111111111", b: "22222222-2222-2222-2222-222222222222", def: "*"},
		{name: "clock_timestamp() not null", column: "timestamptz NOT NULL DEFAULT clock_timestamp()", a: stamp, b: "2021-01-01 00:00:00+00", def: "*"},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := newSynced(t, "CREATE TABLE t (id int PRIMARY KEY, o "+d.column+")", rename("t", "o", "w"))
			a, b := literal(d.a), literal(d.b)
			type insert struct{ name, cols, values, want string }
			cases := []insert{
				{"old sets", "o", a, d.a},
				{"new sets", "w", a, d.a},
				{"both set the same", "o, w", a + ", " + a, d.a},
				{"both set, new wins", "o, w", a + ", " + b, d.b},
				{"neither sets", "", "", d.def},
				{"old says DEFAULT", "o", "DEFAULT", d.def},
				{"new says DEFAULT", "w", "DEFAULT", d.def},
			}
			if d.def != "*" && d.def != "-" {
				def := literal(d.def)
				cases = append(cases, insert{"old sets the default", "o", def, d.def}, insert{"new sets the default", "w", def, d.def},
					insert{"new sets the default, old another", "o, w", a + ", " + def, d.a}, // the side that differs wrote
					insert{"old sets the default, new another", "o, w", def + ", " + a, d.a})
			}
			if d.nullable {
				cases = append(cases, insert{"old sets null", "o", "NULL", "-"}, insert{"new sets null", "w", "NULL", "-"}, insert{"both set null", "o, w", "NULL, NULL", "-"})
			}
			for i, c := range cases {
				cols, values := "id", literal(string(rune('0'+i/10))+string(rune('0'+i%10)))
				if c.cols != "" {
					cols, values = cols+", "+c.cols, values+", "+c.values
				}
				s.exec("INSERT INTO t (" + cols + ") VALUES (" + values + ")")
				got := s.text("SELECT o::text FROM t WHERE id = $1 AND NOT record_image_ne(ROW(o), ROW(w))", i)
				if c.want == "*" && got != "" && got != "-" {
					continue
				}
				if got != c.want {
					t.Errorf("%s: got %q, want %q; the row is %s", c.name, got, c.want, s.text("SELECT o, w FROM t WHERE id = $1", i))
				}
			}
			// Another time zone, another search_path: the default is the writer's own.
			s.exec("SET timezone = 'Pacific/Kiritimati'; SET search_path = public, pg_temp; INSERT INTO t (id, o) VALUES (90, " + a + "); INSERT INTO t (id, w) VALUES (91, " + a + "); RESET ALL")
			s.exec("SET timezone = 'Etc/GMT+12'; INSERT INTO t (id, o) VALUES (92, " + a + "); INSERT INTO t (id, w) VALUES (93, " + a + "); RESET ALL")
			s.want("4", "SELECT count(*) FROM t WHERE id >= 90 AND o::text = $1 AND w::text = $1", s.text("SELECT "+a+"::"+s.links[0].Type+"::text"))
		})
	}
}

func TestSyncOfAVolatileNullableDefaultIsRefused(t *testing.T) {
	t.Parallel()
	s := newSynced(t, "CREATE TABLE t (id int PRIMARY KEY, o uuid DEFAULT gen_random_uuid())")
	refusedBy(t, s, plan.RenameColumn{Table: "t", From: "o", To: "w"}, "volatile-default")
}
