package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// filling is a table with rows that were there before expand, a new column, the
// sync, and a fill that waits.
type filling struct {
	*Engine
	t    *testing.T
	db   *sql.DB
	d    *scratch.Database
	link plan.Link
}

// newFilling runs setup, which makes table "t" with its rows and column "old", and
// expands it with a column "new" of the same type.
func newFilling(t *testing.T, setup string, key []string, change func(*plan.Link)) *filling {
	t.Helper()
	d := scratch.Postgres(t)
	f := &filling{Engine: New(d.DB, d.PastPooler(), nil), t: t, db: d.DB, d: d}
	f.link = plan.Link{ID: "m/1", Migration: "m", Schema: "app", Table: "t", Old: "old", New: "new", Type: "text", OldType: "text"}
	f.exec(stateTables)
	f.exec("CREATE SCHEMA app; SET search_path = app;" + setup + "; RESET search_path")
	if change != nil {
		change(&f.link)
	}
	f.exec("ALTER TABLE app.t ADD COLUMN " + ident(f.link.New) + " " + f.link.Type)
	if f.link.Up != "" || f.link.Down != "" {
		f.exec(strings.Join(carryFunctions(f.link), ";\n"))
	}
	f.exec(strings.Join(f.Compose("app", "t", []plan.Link{f.link}), ";"))
	spec, err := json.Marshal(plan.Fill{Link: f.link, Key: key, Schema: "app", Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	f.exec("INSERT INTO phased.migration (name, checksum, state, fills) VALUES ('m', 'x', 'expanded', true)")
	f.exec("INSERT INTO phased.fill (id, migration, spec) VALUES ('m/1', 'm', " + literal(string(spec)) + ")")
	return f
}

func (f *filling) exec(text string) {
	f.t.Helper()
	if _, err := f.db.ExecContext(f.t.Context(), text); err != nil {
		f.t.Fatalf("%v\n%s", err, text)
	}
}

func ask[T any](f *filling, query string) T {
	f.t.Helper()
	var v T
	if err := f.db.QueryRowContext(f.t.Context(), query).Scan(&v); err != nil {
		f.t.Fatalf("%v\n%s", err, query)
	}
	return v
}

func (f *filling) start(worker string) (*engine.Fill, int64) {
	f.t.Helper()
	token, err := f.Claim(f.t.Context(), "m/1", worker, time.Minute)
	if err != nil || token == 0 {
		f.t.Fatalf("claim: token %d, %v", token, err)
	}
	fill, err := f.Start(f.t.Context(), "m/1", token)
	if err != nil {
		f.t.Fatal(err)
	}
	return fill, token
}

func (f *filling) next(fill *engine.Fill, limit int) *engine.Range {
	f.t.Helper()
	r, err := f.Next(f.t.Context(), fill, fill.Cursor, limit)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// walk fills everything in chunks and returns how many there were.
func (f *filling) walk(fill *engine.Fill, token int64, limit int) (chunks int, rows int64) {
	f.t.Helper()
	for {
		r := f.next(fill, limit)
		if r == nil {
			break
		}
		if _, err := f.Write(f.t.Context(), fill, token, *r, time.Minute); err != nil {
			f.t.Fatal(err)
		}
		chunks, rows = chunks+1, rows+r.Rows
		if r.Last {
			break
		}
	}
	if err := f.Walked(f.t.Context(), fill.ID, token); err != nil {
		f.t.Fatal(err)
	}
	return chunks, rows
}

func (f *filling) outOfStep() int64 {
	f.t.Helper()
	n, err := f.OutOfStep(f.t.Context(), f.link)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// with opens the database with settings.
func (f *filling) with(settings string) *Engine {
	f.t.Helper()
	dsn, sep := f.d.Direct(), "?" // no pooler passes all of them on
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	db, err := sql.Open("pgx", dsn+sep+settings)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { db.Close() })
	return New(db, nil, nil)
}

// word is a type of text without case, in a schema of its own: what citext is,
// without an extension.
const word = `CREATE SCHEMA ci;
CREATE TYPE ci.word;
CREATE FUNCTION ci.word_in(cstring) RETURNS ci.word LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION ci.word_out(ci.word) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE ci.word (INPUT = ci.word_in, OUTPUT = ci.word_out, LIKE = text, CATEGORY = 'S');
CREATE CAST (ci.word AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE FUNCTION ci.cmp(ci.word, ci.word) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT bttextcmp(lower($1::text) COLLATE "C", lower($2::text) COLLATE "C") $$;
CREATE FUNCTION ci.lt(ci.word, ci.word) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ci.cmp($1, $2) < 0 $$;
CREATE FUNCTION ci.le(ci.word, ci.word) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ci.cmp($1, $2) <= 0 $$;
CREATE FUNCTION ci.eq(ci.word, ci.word) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ci.cmp($1, $2) = 0 $$;
CREATE FUNCTION ci.ge(ci.word, ci.word) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ci.cmp($1, $2) >= 0 $$;
CREATE FUNCTION ci.gt(ci.word, ci.word) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ci.cmp($1, $2) > 0 $$;
CREATE OPERATOR ci.< (LEFTARG = ci.word, RIGHTARG = ci.word, FUNCTION = ci.lt);
CREATE OPERATOR ci.<= (LEFTARG = ci.word, RIGHTARG = ci.word, FUNCTION = ci.le);
CREATE OPERATOR ci.= (LEFTARG = ci.word, RIGHTARG = ci.word, FUNCTION = ci.eq);
CREATE OPERATOR ci.>= (LEFTARG = ci.word, RIGHTARG = ci.word, FUNCTION = ci.ge);
CREATE OPERATOR ci.> (LEFTARG = ci.word, RIGHTARG = ci.word, FUNCTION = ci.gt);
CREATE OPERATOR CLASS ci.word_ops DEFAULT FOR TYPE ci.word USING btree AS
  OPERATOR 1 ci.<, OPERATOR 2 ci.<=, OPERATOR 3 ci.=, OPERATOR 4 ci.>=, OPERATOR 5 ci.>, FUNCTION 1 ci.cmp(ci.word, ci.word);
`

// Mixed case whose order without case is another than the bytes'.
const mixedCase = `(CASE WHEN i % 2 = 0 THEN 'A' ELSE 'a' END || chr(97 + i % 26) || i)`

func TestWalkEveryKeyType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, types, values string // comma-separated, with i from 1 to 100
		before              string
		rows                int64 // 0: 100
	}{
		{name: "bigint", types: "bigint", values: "(i - 50) * 1000000000000007"},
		{name: "uuid", types: "uuid", values: "md5(i::text)::uuid"},
		{name: "text", types: "text", values: "md5(i::text) || '''\\\" ; '"},
		{name: "text C", types: `text COLLATE "C"`, values: mixedCase},
		{name: "text nondeterministic", types: `text COLLATE app.ci`, values: mixedCase,
			before: "CREATE COLLATION app.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"},
		{name: "own type", types: "ci.word", values: mixedCase + "::text::ci.word", before: word + "CREATE CAST (text AS ci.word) WITHOUT FUNCTION;"},
		{name: "own type beside bigint", types: "bigint, ci.word", values: "i % 3, " + mixedCase + "::text::ci.word",
			before: word + "CREATE CAST (text AS ci.word) WITHOUT FUNCTION;"},
		{name: "equal words before bigint", types: "ci.word, bigint", values: "(CASE WHEN i = 100 THEN 'BOB' WHEN i % 3 = 0 THEN 'Bob' WHEN i % 3 = 1 THEN 'bob' ELSE 'ann' END)::text::ci.word, i",
			before: word + "CREATE CAST (text AS ci.word) WITHOUT FUNCTION;"},
		{name: "equal numbers before bigint", types: "numeric, bigint", values: "(CASE WHEN i = 100 THEN '1' WHEN i % 3 = 0 THEN '1.0' WHEN i % 3 = 1 THEN '1.00' ELSE '0.99' END)::numeric, i"},
		{name: "varchar", types: "varchar(40)", values: "md5(i::text)"},
		{name: "char", types: "char(40)", values: "md5(i::text)"},
		{name: "numeric", types: "numeric", values: "(i - 50)::numeric / 7"},
		{name: "double", types: "double precision", values: "(i - 50)::double precision / 7"},
		{name: "timestamptz", types: "timestamptz", values: "'2024-03-10 05:59:59.999990+00'::timestamptz + i * interval '37 minutes 1 microsecond'"},
		{name: "timestamp before Christ", types: "timestamp", values: "'0001-06-01 BC'::timestamp + i * interval '7 days 1 second'"},
		{name: "date", types: "date", values: "'2024-01-01'::date + i"},
		{name: "interval", types: "interval", values: "(i - 50) * interval '1 day 2 hours 3.000004 seconds'"},
		{name: "bytea", types: "bytea", values: "decode(md5(i::text), 'hex')"},
		{name: "enum", types: "app.mood", values: "(ARRAY['sad','ok','\"so, so\"'])[i]::app.mood", before: `CREATE TYPE app.mood AS ENUM ('sad', '"so, so"', 'ok');`, rows: 3},
		{name: "bool", types: "bool", values: "i = 1", rows: 2},
		{name: "domain", types: "app.code", values: "md5(i::text)", before: "CREATE DOMAIN app.code AS text CHECK (value <> '');"},
		{name: "array", types: "int[]", values: "ARRAY[i % 3, i]"},
		{name: "two columns", types: "int, uuid", values: "i % 3, md5(i::text)::uuid"},
		{name: "three columns", types: "text, date, bigint", values: "'t' || i % 2, '2024-01-01'::date + i % 5, i"},
		{name: "quoted", types: "int", values: "i"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := c.rows
			if rows == 0 {
				rows = 100
			}
			var cols, defs []string
			for i, typ := range strings.Split(c.types, ", ") {
				name := fmt.Sprintf(`K "%d`, i)
				cols, defs = append(cols, name), append(defs, ident(name)+" "+typ)
			}
			f := newFilling(t, c.before+fmt.Sprintf(`CREATE TABLE t (%s, old text, PRIMARY KEY (%s));
				INSERT INTO t (%[2]s, old) SELECT %s, 'v' || i FROM generate_series(1, %d) i`, strings.Join(defs, ", "), idents(cols), c.values, rows), cols, nil)
			f.Engine = f.with("search_path=app") // where types of the key can be named without their schema
			fill, token := f.start("w")
			if fill.Estimate != rows {
				t.Errorf("estimate %d, want %d", fill.Estimate, rows)
			}
			// Whoever goes on may have connections with other settings, and none of them ours.
			one := f.with("datestyle=SQL,DMY&intervalstyle=sql_standard&timezone=America/New_York&bytea_output=escape&extra_float_digits=-5&search_path=pg_temp")
			other := f.with("datestyle=German,YMD&intervalstyle=postgres_verbose&timezone=Asia/Kolkata&search_path=app")
			var chunks int
			var seen int64
			for last := false; !last; chunks++ {
				r, err := one.Next(t.Context(), fill, fill.Cursor, 7)
				if err != nil {
					t.Fatal(err)
				}
				if r == nil {
					break
				}
				if _, err := other.Write(t.Context(), fill, token, *r, time.Minute); err != nil {
					t.Fatal(err)
				}
				one, other = other, one
				seen, last = seen+r.Rows, r.Last
			}
			if want := int((rows + 6) / 7); chunks != want || seen != rows {
				t.Errorf("%d chunks of %d rows together, want %d of %d", chunks, seen, want, rows)
			}
			if fill.Filled != rows || fill.Seen != rows || fill.Chunks != int64(chunks) {
				t.Errorf("recorded: filled %d, seen %d, chunks %d; want %d, %[4]d, %d", fill.Filled, fill.Seen, fill.Chunks, rows, chunks)
			}
			if n := f.outOfStep(); n != 0 {
				t.Errorf("%d rows out of step", n)
			}
			if n := ask[int64](f, "SELECT count(*) FROM app.t WHERE new = old"); n != rows {
				t.Errorf("%d rows filled, want %d", n, rows)
			}
		})
	}
}

func TestFence(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i", []string{"id"}, nil)
	fill, token := f.start("w")
	r := f.next(fill, 4)
	for _, c := range []struct{ name, do, undo string }{
		{"stale token", "UPDATE phased.fill SET token = token + 1", "UPDATE phased.fill SET token = token - 1"},
		{"paused", "UPDATE phased.migration SET paused = true", "UPDATE phased.migration SET paused = false"},
		{"cancelled", "UPDATE phased.fill SET state = 'cancelled'", "UPDATE phased.fill SET state = 'running'"},
		{"rolling back", "UPDATE phased.migration SET state = 'rolling-back'", "UPDATE phased.migration SET state = 'backfilling'"},
		{"moved on", "UPDATE phased.fill SET cursor = '{2}'", "UPDATE phased.fill SET cursor = NULL"},
	} {
		f.exec(c.do)
		if _, err := f.Write(t.Context(), fill, token, *r, time.Minute); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("%s: write: %v, want ErrLeaseLost", c.name, err)
		}
		if err := f.Skip(t.Context(), fill, token, *r, "x"); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("%s: skip: %v, want ErrLeaseLost", c.name, err)
		}
		f.exec(c.undo)
	}
	f.exec("UPDATE phased.fill SET token = token + 1")
	for what, err := range map[string]error{
		"walked":   f.Walked(t.Context(), "m/1", token),
		"repeat":   f.Repeat(t.Context(), "m/1", token),
		"verified": f.Verified(t.Context(), "m/1", token, 0),
		"note":     f.Note(t.Context(), "m/1", token, "x"),
		"mend":     f.Mend(t.Context(), fill, token, []string{"1"}, time.Minute),
	} {
		if !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("stale token: %s: %v, want ErrLeaseLost", what, err)
		}
	}
	if _, err := f.Start(t.Context(), "m/1", token); !errors.Is(err, engine.ErrLeaseLost) {
		t.Errorf("stale token: start: %v, want ErrLeaseLost", err)
	}
	if n := ask[int](f, "SELECT count(new) + (SELECT count(*) FROM phased.poison) FROM app.t"); n != 0 {
		t.Errorf("%d rows were changed by those who must not", n)
	}
	if got := ask[string](f, "SELECT state || ' ' || coalesce(cursor::text, 'nil') FROM phased.fill"); got != "running nil" {
		t.Errorf("the fill is %s", got)
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text)", []string{"id"}, nil)
	claim := func(worker string, want int64) {
		t.Helper()
		got, err := f.Claim(t.Context(), "m/1", worker, time.Hour)
		if err != nil || got != want {
			t.Errorf("claim for %s: token %d, %v; want %d", worker, got, err, want)
		}
	}
	claim("a", 1)
	claim("a", 1)
	claim("b", 0)
	f.exec("UPDATE phased.fill SET lease_until = clock_timestamp()")
	claim("b", 2)
	claim("a", 0)
	if err := f.Unclaim(t.Context(), "m/1", 1); err != nil { // not a's any more
		t.Fatal(err)
	}
	claim("a", 0)
	if err := f.Unclaim(t.Context(), "m/1", 2); err != nil {
		t.Fatal(err)
	}
	claim("a", 3)
	f.exec("UPDATE phased.migration SET paused = true")
	claim("a", 0)
	f.exec("UPDATE phased.migration SET paused = false, state = 'expanding'")
	claim("a", 0)
	f.exec("UPDATE phased.migration SET state = 'backfilling'; UPDATE phased.fill SET state = 'complete'")
	claim("a", 0)
	f.exec("UPDATE phased.fill SET state = 'walked'")
	claim("a", 3)
	fills, err := f.Fills(t.Context())
	if err != nil || len(fills) != 1 {
		t.Fatalf("%v, %v", fills, err)
	}
	if g := fills[0]; !g.Claimed || g.Worker != "a" || g.State != engine.FillWalked || g.Life != engine.StateBackfilling || g.Spec.Key[0] != "id" {
		t.Errorf("fill reads %+v", g)
	}
}

func TestFillsWithoutState(t *testing.T) {
	t.Parallel()
	e := New(scratch.Postgres(t).DB, nil, nil)
	if _, err := e.Fills(t.Context()); !errors.Is(err, engine.ErrNoState) {
		t.Errorf("got %v, want ErrNoState", err)
	}
}

// The walk ends where the table ended when it began, and starts once.
func TestStart(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i", []string{"id"}, nil)
	f.start("w")
	f.exec("INSERT INTO app.t VALUES (11, 'w', NULL)")
	fill, token := f.start("w")
	if fmt.Sprint(fill.Upper, fill.Estimate) != "[10] 10" || fill.State != engine.FillRunning {
		t.Errorf("started with upper %v, estimate %d, state %s", fill.Upper, fill.Estimate, fill.State)
	}
	if got := ask[string](f, "SELECT state FROM phased.migration"); got != "backfilling" {
		t.Errorf("migration is %s", got)
	}
	f.walk(fill, token, 3)
	if fill.Seen != 10 || fmt.Sprint(fill.Cursor) != "[10]" {
		t.Errorf("seen %d, cursor %v", fill.Seen, fill.Cursor)
	}
}

func TestEmptyTable(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text)", []string{"id"}, nil)
	fill, token := f.start("w")
	f.exec("INSERT INTO app.t VALUES (1, 'late', NULL)")
	if chunks, _ := f.walk(fill, token, 3); chunks != 0 || fill.Upper != nil {
		t.Errorf("%d chunks, upper %v", chunks, fill.Upper)
	}
	if n := f.outOfStep(); n != 0 {
		t.Errorf("%d rows out of step", n)
	}
}

func TestPartitionedTable(t *testing.T) {
	t.Parallel()
	f := newFilling(t, `CREATE TABLE t (id int, day date, old text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
		CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2024-02-01');
		CREATE TABLE t2 PARTITION OF t DEFAULT;
		INSERT INTO t SELECT i, '2024-01-01'::date + i, 'v' || i FROM generate_series(1, 100) i; ANALYZE t`, []string{"id", "day"}, nil)
	f.exec("UPDATE pg_class SET reltuples = 300000 WHERE relname = 't1'") // too many to count
	fill, token := f.start("w")
	if fill.Estimate != 300070 {
		t.Errorf("estimate %d", fill.Estimate)
	}
	if n := f.outOfStep(); n != 100 {
		t.Errorf("%d rows out of step before", n)
	}
	f.walk(fill, token, 9)
	if n := f.outOfStep(); n != 0 || fill.Filled != 100 {
		t.Errorf("%d rows out of step, %d filled", n, fill.Filled)
	}
}

// A connection that dies in the middle of a chunk leaves neither rows nor a moved cursor.
func TestCursorMovesWithTheRows(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i", []string{"id"}, nil)
	fill, token := f.start("w")
	r := f.next(fill, 10)

	tx, err := f.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("SELECT FROM app.t WHERE id = 7 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.Write(t.Context(), fill, token, *r, 400*time.Millisecond)
		done <- err
	}()
	f.terminateWaiter()
	if err := <-done; !f.Disconnected(err) {
		t.Errorf("write ended with %v, want a broken connection", err)
	}
	if n := ask[int](f, "SELECT count(new) FROM app.t"); n != 0 {
		t.Errorf("%d rows written", n)
	}
	if ask[bool](f, "SELECT cursor IS NOT NULL OR chunks > 0 FROM phased.fill") {
		t.Error("the cursor has moved")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Write(t.Context(), fill, token, *r, time.Minute); err != nil || got.Filled != 10 || got.Seen != 10 {
		t.Errorf("written again: %+v, %v", got, err)
	}
}

// terminateWaiter waits until a chunk waits for a row and ends its connection.
func (f *filling) terminateWaiter() {
	f.t.Helper()
	f.until(`SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%DO /* phased */%' AND pid <> pg_backend_pid()`)
}

func (f *filling) until(query string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	for !ask[bool](f, query) {
		if ctx.Err() != nil {
			f.t.Fatalf("never true: %s", query)
		}
	}
}

func TestPoison(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, src text); INSERT INTO t SELECT i, CASE i WHEN 5 THEN 'x' ELSE i::text END FROM generate_series(1, 10) i",
		[]string{"id"}, func(l *plan.Link) {
			l.Old, l.New, l.Type, l.Up, l.Down = "src", "dst", "integer", "src::int", "dst::text"
		})
	fill, token := f.start("w")
	_, err := f.Write(t.Context(), fill, token, *f.next(fill, 10), time.Minute)
	if !f.RowError(err) {
		t.Fatalf("write of a row that cannot be converted: %v, want the row's error", err)
	}
	if _, err := f.Write(t.Context(), fill, token, *f.next(fill, 4), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := f.Skip(t.Context(), fill, token, *f.next(fill, 1), "it's poison"); err != nil {
		t.Fatal(err)
	}
	f.walk(fill, token, 3)
	p, err := f.Poisoned(t.Context(), "m/1", 10)
	if err != nil || len(p) != 1 || fmt.Sprint(p[0]) != "{m/1 [5] it's poison}" {
		t.Errorf("poison rows %v, %v", p, err)
	}
	if fill.Seen != 10 || fill.Filled != 9 || f.outOfStep() != 1 {
		t.Errorf("seen %d, filled %d, out of step %d", fill.Seen, fill.Filled, f.outOfStep())
	}

	if err := f.Verified(t.Context(), "m/1", token, 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Mend(t.Context(), fill, token, []string{"5"}, time.Minute); !f.RowError(err) {
		t.Errorf("mend: %v, want the row's error", err)
	}
	f.exec("UPDATE app.t SET src = '55' WHERE id = 5")
	if err := f.Mend(t.Context(), fill, token, []string{"5"}, time.Minute); err != nil {
		t.Error(err)
	}
	if got := ask[string](f, "SELECT state || ' ' || out_of_step || ' ' || (SELECT count(*) FROM phased.poison) FROM phased.fill"); got != "walked 1 0" {
		t.Errorf("the fill is %s", got)
	}
	f.exec("INSERT INTO phased.poison VALUES ('m/1', '{9}', 'mended by somebody else')")
	if err := f.Verified(t.Context(), "m/1", token, f.outOfStep()); err != nil {
		t.Error(err)
	}
	if n := ask[int](f, "SELECT count(*) FROM phased.poison"); n != 0 {
		t.Errorf("%d poison rows in a complete fill", n)
	}
	if got := ask[string](f, "SELECT state || ' ' || out_of_step || ' ' || worker FROM phased.fill"); got != "complete 0 " {
		t.Errorf("the fill is %s", got)
	}
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i", []string{"id"}, nil)
	fill, token := f.start("w")
	f.walk(fill, token, 3)
	f.exec(`SET session_replication_role = replica; ALTER TABLE app.t DISABLE TRIGGER USER;
		INSERT INTO app.t VALUES (11, 'unseen', NULL); UPDATE app.t SET new = 'broken' WHERE id = 2;
		ALTER TABLE app.t ENABLE ALWAYS TRIGGER "~phased_sync"; RESET session_replication_role`)
	if n := f.outOfStep(); n != 2 {
		t.Fatalf("%d rows out of step, want 2", n)
	}
	if err := f.Repeat(t.Context(), "m/1", token); err != nil {
		t.Fatal(err)
	}
	fill, err := f.Start(t.Context(), "m/1", token)
	if err != nil {
		t.Fatal(err)
	}
	f.walk(fill, token, 3)
	if n := f.outOfStep(); n != 0 || fill.Pass != 2 || fill.Filled != 12 || fill.Seen != 11 {
		t.Errorf("%d out of step, pass %d, filled %d, seen %d", n, fill.Pass, fill.Filled, fill.Seen)
	}
}

// A chunk of a key of several columns reads its own part of the index, also where
// the first column has two values, so that half the table is alike in it.
func TestChunkReadsItsPartOfTheIndex(t *testing.T) {
	t.Parallel()
	f := newFilling(t, `CREATE TABLE t (tenant int, kind int, id int, old text, PRIMARY KEY (tenant, kind, id));
		INSERT INTO t SELECT i / 50000, 1, i, 'v' FROM generate_series(1, 99999) i`, []string{"tenant", "kind", "id"}, nil)
	if _, err := f.db.ExecContext(t.Context(), "VACUUM ANALYZE app.t"); err != nil {
		t.Fatal(err)
	}
	k, err := f.keyset(t.Context(), plan.Fill{Link: f.link, Key: []string{"tenant", "kind", "id"}, Schema: "app", Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{"last": k.lastSQL()}
	for name, r := range map[string][2][]string{
		"first chunk":   {nil, {"0", "1", "300"}},
		"in a tenant":   {{"0", "1", "40000"}, {"0", "1", "40300"}},
		"over a border": {{"0", "1", "49900"}, {"1", "1", "50200"}},
	} {
		for i, piece := range k.pieces(r[0], r[1]) {
			queries[fmt.Sprintf("%s, piece %d", name, i)] = "SELECT count(old) FROM app.t AS " + ident(rowAlias) + " WHERE " + piece
		}
	}
	from, upper := []string{"0", "1", "40000"}, []string{"1", "1", "99999"}
	for i, piece := range k.pieces(from, upper) {
		queries[fmt.Sprintf("next in piece %d", i)] = k.nextSQL(piece, from, upper, 300)
	}
	for name, query := range queries {
		var text string
		if err := f.db.QueryRowContext(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+query).Scan(&text); err != nil {
			t.Fatal(err)
		}
		var out []struct {
			Plan struct {
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
		}
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		if n := out[0].Plan.Hit + out[0].Plan.Read; n > 20 { // the index of one tenant has about 190 pages
			t.Errorf("%s reads %d pages:\n%s\n%s", name, n, query, text)
		}
	}
}

// The pieces of a range are disjoint and together the range, whatever the key.
func TestPieces(t *testing.T) {
	t.Parallel()
	f := newFilling(t, `CREATE TABLE t (a int, b text, c int, old text, PRIMARY KEY (a, b, c));
		INSERT INTO t SELECT a, b, c FROM generate_series(0, 3) a, unnest(ARRAY['x', 'y', 'z']) b, generate_series(0, 3) c`, []string{"a", "b", "c"}, nil)
	k, err := f.keyset(t.Context(), plan.Fill{Link: f.link, Key: []string{"a", "b", "c"}, Schema: "app", Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	keys := [][]string{nil, {"-1", "q", "7"}, {"0", "x", "0"}, {"0", "x", "2"}, {"0", "y", "0"}, {"1", "x", "3"}, {"1", "xx", "3"}, {"2", "y", "1"}, {"3", "z", "3"}, {"9", "a", "1"}}
	for i, from := range keys { // in key order
		for _, to := range keys[max(1, i):] {
			want := "ROW(a, b, c) <= ROW(" + to[0] + ", " + literal(to[1]) + ", " + to[2] + ")"
			if from != nil {
				want += " AND ROW(a, b, c) > ROW(" + from[0] + ", " + literal(from[1]) + ", " + from[2] + ")"
			}
			union := "SELECT * FROM (SELECT a, b, c FROM app.t WHERE false"
			for _, piece := range k.pieces(from, to) {
				union += " UNION ALL SELECT a, b, c FROM app.t AS " + ident(rowAlias) + " WHERE " + piece
			}
			got := ask[string](f, "SELECT coalesce(string_agg(u::text, ' '), '') FROM ("+union+") x) u")
			if want := ask[string](f, "SELECT coalesce(string_agg(u::text, ' ' ORDER BY a, b, c), '') FROM (SELECT a, b, c FROM app.t WHERE "+want+") u"); !sameWords(got, want) {
				t.Errorf("from %v to %v:\ngot  %s\nwant %s", from, to, got, want)
			}
		}
	}
}

// sameWords compares without regard to order.
func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// What a chunk sets for itself is gone afterwards, and nothing stays open.
func TestChunkLeavesTheSessionAlone(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i", []string{"id"}, nil)
	f.db.SetMaxOpenConns(1)
	const q = `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout',
		'synchronous_commit', 'DateStyle', 'TimeZone', 'search_path', 'row_security', 'transaction_isolation', 'idle_in_transaction_session_timeout')`
	before := ask[string](f, q)
	fill, token := f.start("w")
	f.walk(fill, token, 5)
	f.outOfStep()
	if after := ask[string](f, q); after != before {
		t.Errorf("settings before and after:\n%s\n%s", before, after)
	}
	if n := ask[int](f, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"); n != 0 {
		t.Errorf("%d sessions idle in transaction", n)
	}
}

// Triggers of the table see what they see under any other statement of the connection.
func TestChunkKeepsTheSearchPath(t *testing.T) {
	t.Parallel()
	f := newFilling(t, `CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t VALUES (1, 'v'); CREATE TABLE log (id int);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END $$;
		CREATE TRIGGER note BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note()`, []string{"id"}, nil)
	f.exec("ALTER DATABASE " + ident(ask[string](f, "SELECT current_database()")) + " SET search_path = app")
	f.db.SetMaxIdleConns(0)
	if err := f.d.EndPooled(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill, token := f.start("w")
	f.walk(fill, token, 5)
	if n := ask[int](f, "SELECT count(*) FROM app.log"); n != 1 {
		t.Errorf("the trigger wrote %d rows", n)
	}
}

// blockedChunk locks a row and starts a chunk that waits for it.
func (f *filling) blockedChunk(fill *engine.Fill, token int64) (*sql.Tx, chan error) {
	f.t.Helper()
	r := f.next(fill, 10)
	tx, err := f.db.BeginTx(f.t.Context(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.Exec("UPDATE app.t SET old = 'w' WHERE id = 7"); err != nil {
		f.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.Write(f.t.Context(), fill, token, *r, time.Minute)
		done <- err
	}()
	f.until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE " + chunkWaits + ")")
	return tx, done
}

const chunkWaits = `datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%DO /* phased */%' AND pid <> pg_backend_pid()`

// A chunk waits for a row that somebody changes, and sees what they made of it,
// whatever isolation the role or the database has as its default.
func TestChunkIsReadCommitted(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i", []string{"id"}, nil)
	f.exec("ALTER DATABASE " + ident(ask[string](f, "SELECT current_database()")) + " SET default_transaction_isolation = 'repeatable read'")
	f.db.SetMaxIdleConns(0)
	fill, token := f.start("w")
	tx, done := f.blockedChunk(fill, token)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if fill.Filled != 9 || f.outOfStep() != 0 {
		t.Errorf("%d rows filled, %d out of step; want 9 and 0", fill.Filled, f.outOfStep())
	}
}

// After a pause has returned, no chunk is in flight any more.
func TestPauseWaitsForTheChunk(t *testing.T) {
	t.Parallel()
	f := newFilling(t, "CREATE TABLE t (id int PRIMARY KEY, old text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i", []string{"id"}, nil)
	fill, token := f.start("w")
	_, done := f.blockedChunk(fill, token)
	if _, err := f.Pause(t.Context(), "m", true); err != nil {
		t.Fatal(err)
	}
	if ask[bool](f, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE "+chunkWaits+")") {
		t.Error("a chunk is in flight after the pause")
	}
	if err := <-done; !f.LockTimeout(err) {
		t.Errorf("the chunk ended with %v, want that it gave up waiting", err)
	}
}
