package postgres

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

const trigger = `CREATE FUNCTION %[1]s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %[3]s; RETURN NEW; END $$;
	CREATE TRIGGER %[1]s %[2]s FOR EACH ROW EXECUTE FUNCTION %[1]s();`

// Triggers of others run before the sync and see what was written; AFTER triggers
// see both sides.
func TestSyncAmongOtherTriggers(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+"CREATE TABLE log (line text); INSERT INTO users VALUES (1, 'a', 0);"+
		fmt.Sprintf(trigger, "aaa", "BEFORE INSERT OR UPDATE ON users", "NEW.n := coalesce(NEW.n, 0) + 1")+
		fmt.Sprintf(trigger, "zzz", "BEFORE INSERT OR UPDATE OF email ON users", "NEW.email := lower(NEW.email)")+
		fmt.Sprintf(trigger, "audit", "AFTER INSERT OR UPDATE ON users", "INSERT INTO log VALUES (to_jsonb(NEW) - 'id')"))
	change := rename("users", "email", "email_address")
	if text := refusedBy(t, s, change, "trigger-fires-on-backfill", "trigger-fires-on-backfill", "trigger-assigns-column", "trigger-of-column", "dependent-trigger", "dependent-function"); !strings.Contains(text, "zzz") {
		t.Error(text)
	}
	p := s.expand(change, "trigger-fires-on-backfill", "trigger-assigns-column", "trigger-of-column", "dependent-trigger", "dependent-function")
	accepted := 0
	for _, n := range p.Notes {
		if n.Reason == "it is a test" {
			accepted++
		}
	}
	if accepted != 6 {
		t.Errorf("%d accepted hazards stand in the notes, want 6: %v", accepted, p.Notes)
	}
	for _, c := range []struct{ statement, want, logged string }{
		{"UPDATE users SET email = 'B'", "b b 1", `{"n": 1, "email": "b", "email_address": "b"}`},
		{"UPDATE users SET email_address = 'C'", "C C 2", `{"n": 2, "email": "C", "email_address": "C"}`},
		{"DELETE FROM users; INSERT INTO users (id, email) VALUES (1, 'D')", "d d 1", `{"n": 1, "email": "d", "email_address": "d"}`},
		// What the hazard warns of: the trigger's assignment counts as old code's write, and new code's wins.
		{"DELETE FROM users; INSERT INTO users (id, email_address) VALUES (1, 'E')", "E E 1", `{"n": 1, "email": "E", "email_address": "E"}`},
	} {
		s.exec("TRUNCATE log; " + c.statement)
		s.want(c.want, "SELECT email, email_address, n FROM users")
		s.want(c.logged, "SELECT line FROM log")
	}
}

func TestTriggersThatTheSyncCannotLiveWithAreRefused(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+strings.ReplaceAll(fmt.Sprintf(trigger, "behind", "BEFORE INSERT ON users", "NEW.n := 1"), "TRIGGER behind", `TRIGGER "~q"`))
	change := rename("users", "email", "email_address")
	refusedBy(t, s, change, "trigger-order")
	s.exec(`ALTER TRIGGER "~q" ON users RENAME TO "é"`)
	refusedBy(t, s, change, "trigger-order")
	s.exec(`ALTER TRIGGER "é" ON users RENAME TO "~phased_synb"`)
	s.resolve(change)
	s.exec(`DROP TRIGGER "~phased_synb" ON users;` + fmt.Sprintf(trigger, "via_into", "BEFORE UPDATE OF n ON users", "SELECT 'x' INTO NEW.email"))
	refusedBy(t, s, change, "trigger-assigns-column", "dependent-function")
	s.exec(`ALTER TABLE users DISABLE TRIGGER via_into`)
	refusedBy(t, s, change, "dependent-function") // somebody may enable it again
}

// Writers with session_replication_role = replica are kept in step too.
func TestSyncUnderReplicaRole(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+"INSERT INTO users VALUES (1, 'a')", rename("users", "email", "email_address"))
	s.exec("SET session_replication_role = replica; UPDATE users SET n = 1; INSERT INTO users (id, email) VALUES (2, 'b'); INSERT INTO users (id, email_address) VALUES (3, 'c'); UPDATE users SET email_address = 'A' WHERE id = 1; RESET session_replication_role")
	s.want("1 A A, 2 b b, 3 c c", "SELECT id, email, email_address FROM users ORDER BY 1")
}

// What stands in front of pg_catalog in a writer's search_path.
const hostile = `CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
	CREATE FUNCTION evil.yes(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
	CREATE FUNCTION evil.raises(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
	CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
	CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.raises);
	CREATE FUNCTION evil.lower(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'evil' $$;
	CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0';
	CREATE FUNCTION evil.record_image_ne(record, record) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN false; END';
	CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);`

// No setting of a writer, and nothing in front of his search_path, changes what the sync does.
func TestSyncUnderAnySettings(t *testing.T) {
	t.Parallel()
	settings := []string{
		"search_path = ''", "search_path = evil, pg_catalog, public", "search_path = nowhere", "timezone = 'Asia/Tokyo'", "timezone = 'America/St_Johns'",
		"DateStyle = 'German'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", "extra_float_digits = -15", "bytea_output = 'escape'",
		"standard_conforming_strings = off", "plpgsql.variable_conflict = 'error'", "transform_null_equals = on", "row_security = off", "default_transaction_isolation = 'serializable'",
		"check_function_bodies = off", "session_replication_role = 'replica'", "quote_all_identifiers = on", "lc_monetary = 'C'",
	}
	// Expressions over what those settings change.
	for _, l := range []plan.Link{
		{OldType: "text", Type: "text", ImageEqual: true},
		{OldType: "text", Type: "text", ImageEqual: true, Default: "'d'::text", Serialize: true},
		{OldType: "text", Type: "text", Up: `lower(o) || '\x'`, Down: `left(w, -2)`},
		{OldType: "timestamptz", Type: "text", Up: "o::text", Down: "w::timestamptz"},
		{OldType: "timestamptz", Type: "date", Up: "o::date", Down: "w::timestamptz"},
		{OldType: "interval", Type: "text", Up: "o::text", Down: "w::interval"},
		{OldType: "double precision", Type: "text", Up: "o::text", Down: "w::double precision"},
		{OldType: "bytea", Type: "text", Up: "o::text", Down: "w::bytea"},
	} {
		v := map[string][2]string{
			"text": {"'a'", "'b'"}, "timestamptz": {"'2020-02-03 23:30:00+00'", "'2020-03-04 00:30:00+00'"}, "interval": {"'1 day -2 hours'", "'-3 mons'"},
			"double precision": {"0.1", "2.0000000000000004"}, "bytea": {`E'\\x00ff'::bytea`, `E'\\x5c27'::bytea`},
		}[l.OldType]
		s := carried(t, "CREATE TABLE t (id int PRIMARY KEY, o "+l.OldType+", n int);"+hostile, l)
		if l.Default != "" {
			s.exec("ALTER TABLE t ALTER o SET DEFAULT 'd', ALTER w SET DEFAULT 'd'")
		}
		l = s.links[0]
		for i, set := range settings {
			s.exec("TRUNCATE t")
			s.asIs("public.t", fmt.Sprintf("INSERT INTO public.t (id, o, w) VALUES (1, %s, NULL)", v[0]))
			before := s.evidence(l)
			c := s.session()
			on(t, c, "SET "+set)
			for _, statement := range []string{
				"UPDATE public.t SET n = 1", fmt.Sprintf("INSERT INTO public.t (id, o) VALUES (2, %s), (3, %s)", v[0], v[1]),
				fmt.Sprintf("UPDATE public.t SET o = %s WHERE id OPERATOR(pg_catalog.=) 2", v[1]), "UPDATE public.t SET n = 2",
			} {
				on(t, c, statement)
			}
			// The verification and the backfill, under the same settings.
			if got := queryText(t, c, fmt.Sprintf("SELECT pg_catalog.count(*) FROM public.t AS v WHERE %s OR pg_catalog.record_image_ne(ROW(%s), ROW(v.w))", outOfStep(l, "v"), fillValue(l, "v"))); got != "0" {
				t.Errorf("%s, %s: %s rows count as out of step", l.Up, set, got)
			}
			on(t, c, "RESET ALL")
			if got := s.text(fmt.Sprintf("SELECT count(*) FROM (SELECT o, w, n, CASE id WHEN 1 THEN %s ELSE %s END::%s AS v FROM t) v WHERE n = 2 AND record_image_eq(ROW(o), ROW(v.v))", v[0], v[1], l.OldType)); got != "3" {
				t.Errorf("%s, %s: old code's writes are now %s", l.Up, set, s.text("SELECT id, o, w, n FROM t"))
			}
			s.inStep(0)
			if after := s.evidence(l); len(after) == len(before) && after != fmt.Sprint(3*(i+1)) {
				t.Errorf("%s, %s: %s writes of old code were counted, want %d", l.Up, set, after, 3*(i+1))
			}
			if t.Failed() {
				return
			}
		}
	}
}

// A role that may write the table needs nothing else.
func TestSyncForRolesThatMayOnlyWriteTheTable(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+"INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0); ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
		plan.RenameColumn{Table: "users", From: "email", To: "mail", Up: "lower(email)", Down: "upper(mail)"}, rename("users", "mail", "address"))
	role := ident(s.text("SELECT current_database()") + "_writer")
	s.exec("CREATE ROLE " + role + "; GRANT SELECT, INSERT, UPDATE (email, n) ON users TO " + role)
	t.Cleanup(func() { on(t, cleanup{s.db}, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	c := s.session()
	on(t, c, "SET ROLE "+role)
	on(t, c, "UPDATE users SET n = 1 WHERE id = 1; UPDATE users SET email = 'B' WHERE id = 2; INSERT INTO users (id, email) VALUES (3, 'C'); INSERT INTO users (id, address) VALUES (4, 'd')")
	on(t, c, "RESET ROLE")
	s.want("1 a a a, 2 B b b, 3 C c c, 4 D d d", "SELECT id, email, mail, address FROM users ORDER BY 1")
}

// Writers at stricter isolation levels: those that fail do so as they would without us.
func TestSyncForSerializableWriters(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable+"INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)")
	for _, level := range []sql.IsolationLevel{sql.LevelRepeatableRead, sql.LevelSerializable} {
		old, err := s.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.Exec("SELECT 1 FROM pg_class"); err != nil { // its snapshot is from before expand
			t.Fatal(err)
		}
		p := s.expand(rename("users", "email", "email_address"))
		s.fill()
		on(t, old, "INSERT INTO users (id, email) VALUES (3, 'c')")
		if _, err := old.Exec("UPDATE users SET n = 1 WHERE id = 1"); code(err) != "40001" {
			t.Errorf("a row that the backfill wrote: %v, want 40001", err)
		}
		_ = old.Rollback()
		tx, err := s.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
		if err != nil {
			t.Fatal(err)
		}
		on(t, tx, "UPDATE users SET email = 'x' WHERE id = 1; UPDATE users SET email_address = 'y' WHERE id = 2; INSERT INTO users (id, email) VALUES (3, 'c')")
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		s.want("1 x x, 2 y y, 3 c c", "SELECT id, email, email_address FROM users ORDER BY 1")
		s.exec("DELETE FROM users WHERE id = 3")
		s.run(&plan.Plan{Steps: p.Of(plan.PhaseUndo)[1:]}, plan.PhaseUndo)
	}
}

// The limit that the plan's note speaks of, and its cure. Two clients insert the same
// new value with ON CONFLICT on one of the two unique indexes. The first is held back
// where it has looked at that index already and has not written to it yet (by an index
// on a function that waits), the second goes through: without SerializeInserts the
// first then fails on the other index; with it, the second one waits.
func TestUpsertsAgainstTwoUniqueIndexes(t *testing.T) {
	t.Parallel()
	const setup = `CREATE FUNCTION gate(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN IF $1 = 1 THEN PERFORM pg_advisory_xact_lock_shared(77); END IF; RETURN $1; END';
		CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, n int);
		CREATE INDEX ON users (gate(n)); `
	for _, arbiter := range []string{"email", "email_address", "lower(email)"} {
		for _, serialize := range []bool{false, true} {
			index, column, other := "ALTER TABLE users ADD UNIQUE (email)", arbiter, "x"
			if arbiter == "lower(email)" {
				index, column, other = "CREATE UNIQUE INDEX ON users (lower(email))", "email", "X"
			}
			s := newSynced(t, setup+index, plan.RenameColumn{Table: "users", From: "email", To: "email_address", SerializeInserts: serialize})
			s.run(s.plans[0], plan.PhaseFinish)
			gate, first, second := s.session(), s.session(), s.session()
			waiting := func(want string, done <-chan struct{}) {
				t.Helper()
				for s.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") != want {
					select {
					case <-done:
						t.Fatalf("arbiter %s, serialize %v: an insert did not wait", arbiter, serialize)
					default:
					}
				}
			}
			upsert := func(n int) string {
				value := []string{"", "x", other}[n]
				return fmt.Sprintf("INSERT INTO users (%s, n) VALUES ('%s', %d) ON CONFLICT (%s) DO UPDATE SET n = users.n + 10", column, value, n, arbiter)
			}
			on(t, gate, "SELECT pg_advisory_lock(77)")
			var errFirst, errSecond error
			start := func(c *sql.Conn, n int, err *error) <-chan struct{} {
				done := make(chan struct{})
				go func() { defer close(done); _, *err = c.ExecContext(t.Context(), upsert(n)) }()
				return done
			}
			firstDone := start(first, 1, &errFirst)
			waiting("1", firstDone)
			secondDone := start(second, 2, &errSecond)
			if serialize {
				waiting("2", secondDone)
			} else {
				<-secondDone
			}
			on(t, gate, "SELECT pg_advisory_unlock(77)")
			<-firstDone
			<-secondDone
			want, rows := "23505", other+" "+other+" 2"
			if serialize {
				want, rows = "", "x x 11"
			}
			if code(errFirst) != want || errSecond != nil {
				t.Errorf("arbiter %s, serialize %v: the first got %v, want SQLSTATE %q; the second got %v", arbiter, serialize, errFirst, want, errSecond)
			}
			s.want(rows, "SELECT email, email_address, n FROM users")
		}
	}
}

// Eight clients of both versions insert the same new values; none of them fails.
func TestSerializedUpsertsDoNotFail(t *testing.T) {
	t.Parallel()
	s := newSynced(t, "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, n int DEFAULT 0); CREATE UNIQUE INDEX ON users (lower(email)); CREATE UNIQUE INDEX u ON users (email)",
		plan.RenameColumn{Table: "users", From: "email", To: "email_address", SerializeInserts: true})
	s.run(s.plans[0], plan.PhaseFinish)
	var wg sync.WaitGroup
	for w := range 8 {
		c := s.session()
		wg.Go(func() {
			for i := range 250 {
				column, value := "email", fmt.Sprintf("v%d", i/2)
				if w%2 == 1 {
					column = "email_address"
				}
				target := column
				if i%2 == 1 {
					target, value = "lower("+column+")", strings.ToUpper(value)[:1+w%2]+value[1+w%2:]
				}
				if _, err := c.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO users (%s) VALUES ($1) ON CONFLICT (%s) DO UPDATE SET n = users.n + 1", column, target), value); err != nil {
					t.Errorf("client %d, insert %d: %v", w, i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	s.inStep(0)
	s.want("125 1875", "SELECT count(*), sum(n) FROM users")
}
