package mysql

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

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
	dsn  string
	link plan.Link
}

// families runs fn on each family of servers at hand; MySQL is left out where there is none.
func families(t *testing.T, fn func(t *testing.T, d plan.Dialect)) {
	t.Helper()
	t.Parallel()
	for _, d := range []plan.Dialect{plan.DialectMariaDB, plan.DialectMySQL} {
		if d == plan.DialectMySQL && !scratch.Available(d) {
			t.Log("no MySQL at hand: left out")
			continue
		}
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			fn(t, d)
		})
	}
}

// one to a hundred.
const hundred = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 100)"

// tens is a table of the rows 1 to 10.
var tens = []string{"CREATE TABLE t (id int PRIMARY KEY, old varchar(100))", "INSERT INTO t " + hundred + " SELECT i, 'v' FROM s WHERE i <= 10"}

// newFilling runs setup, which makes table "t" with its rows and column "old", and
// expands it with a column "new" of the same type.
func newFilling(t *testing.T, d plan.Dialect, setup []string, key []string, change func(*plan.Link)) *filling {
	t.Helper()
	f := newDatabase(t, d)
	f.expand(setup, key, change)
	return f
}

// newDatabase is a database with the state tables, and nothing to fill yet.
func newDatabase(t *testing.T, d plan.Dialect) *filling {
	t.Helper()
	s := scratch.On(t, d)
	f := &filling{Engine: New(s.DB, d, nil), t: t, db: s.DB, dsn: s.DSN}
	if err := f.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// expand is what newFilling does; it may be done again, with another table.
func (f *filling) expand(setup []string, key []string, change func(*plan.Link)) {
	f.t.Helper()
	f.exec("DROP TABLE IF EXISTS t", "DELETE FROM phased_fill", "DELETE FROM phased_poison", "DELETE FROM phased_migration")
	const text = "varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
	f.link = plan.Link{ID: "m/1", Migration: "m", Table: "t", Old: "old", New: "new", Hidden: "old~hidden", Type: text, OldType: text}
	if change != nil {
		change(&f.link)
	}
	f.exec(setup...)
	f.exec("ALTER TABLE t MODIFY old " + f.link.OldType)
	f.exec("ALTER TABLE t ADD COLUMN " + ident(f.link.New) + " " + f.link.Type)
	f.exec(f.Compose("", "t", []plan.Link{f.link})...)
	spec, err := json.Marshal(plan.Fill{Link: f.link, Key: key, Table: "t"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.exec("INSERT INTO phased_migration (name, checksum, state, fills, reason, created_at, state_at) VALUES ('m', 'x', 'expanded', 1, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
		"INSERT INTO phased_fill (id, migration, spec, last_error) VALUES ('m/1', 'm', "+literal(string(spec))+", '')")
}

func (f *filling) exec(statements ...string) {
	f.t.Helper()
	err := f.Engine.with(f.t.Context(), pinned{}, func(c *sql.Conn) error {
		for _, s := range statements {
			if _, err := c.ExecContext(f.t.Context(), s); err != nil {
				return fmt.Errorf("%w\n%s", err, s)
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
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

// pool is an engine on a pool of its own with other settings.
func (f *filling) pool(change func(*driver.Config)) *Engine {
	f.t.Helper()
	cfg, err := driver.ParseDSN(f.dsn)
	if err != nil {
		f.t.Fatal(err)
	}
	cfg.Logger = &driver.NopLogger{}
	change(cfg)
	c, err := driver.NewConnector(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	db := sql.OpenDB(c)
	f.t.Cleanup(func() { db.Close() })
	return New(db, f.dialect, nil)
}

// foreign sets sessions up as differently from ours as a user's may be.
func foreign(cfg *driver.Config) {
	cfg.ParseTime, cfg.ClientFoundRows, cfg.InterpolateParams = true, true, true
	cfg.Loc = time.FixedZone("elsewhere", 3*3600)
	cfg.Params = map[string]string{
		"sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES,NO_ZERO_DATE,NO_ZERO_IN_DATE,PAD_CHAR_TO_FULL_LENGTH'", "time_zone": "'+05:30'",
		"collation_connection": "latin1_swedish_ci", "character_set_results": "latin1", "sql_safe_updates": "1", "lc_time_names": "'de_DE'", "div_precision_increment": "1",
	}
}

func TestFence(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		r := f.next(fill, 4)
		for _, c := range []struct{ name, do, undo string }{
			{"stale token", "UPDATE phased_fill SET token = token + 1", "UPDATE phased_fill SET token = token - 1"},
			{"paused", "UPDATE phased_migration SET paused = 1", "UPDATE phased_migration SET paused = 0"},
			{"cancelled", "UPDATE phased_fill SET state = 'cancelled'", "UPDATE phased_fill SET state = 'running'"},
			{"rolling back", "UPDATE phased_migration SET state = 'rolling-back'", "UPDATE phased_migration SET state = 'backfilling'"},
			{"moved on", `UPDATE phased_fill SET at_key = '["2"]'`, "UPDATE phased_fill SET at_key = NULL"},
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
		f.exec("UPDATE phased_fill SET token = token + 1")
		f.refused("stale token", fill, token)
		f.exec("UPDATE phased_fill SET token = token - 1, state = 'walked'", "UPDATE phased_migration SET paused = 1")
		for what, err := range map[string]error{
			"repeat":   f.Repeat(t.Context(), "m/1", token),
			"verified": f.Verified(t.Context(), "m/1", token, 0),
			"mend":     f.Mend(t.Context(), fill, token, []string{"1"}, time.Minute),
		} {
			if !errors.Is(err, engine.ErrLeaseLost) {
				t.Errorf("paused: %s: %v, want ErrLeaseLost", what, err)
			}
		}
		f.exec("UPDATE phased_fill SET state = 'running'", "UPDATE phased_migration SET paused = 0")
		if n := ask[int](f, "SELECT COUNT(new) + (SELECT COUNT(*) FROM phased_poison) FROM t"); n != 0 {
			t.Errorf("%d rows were changed by those who must not", n)
		}
		if got := ask[string](f, "SELECT CONCAT(state, ' ', COALESCE(at_key, 'nil'), ' ', last_error) FROM phased_fill"); got != "running nil " {
			t.Errorf("the fill is %s", got)
		}
		f.exec("DELETE FROM phased_fill", "DELETE FROM phased_migration")
		f.refused("forgotten", fill, token)
	})
}

// refused checks that nothing of a fill may be changed with this token.
func (f *filling) refused(why string, fill *engine.Fill, token int64) {
	f.t.Helper()
	ctx := f.t.Context()
	_, started := f.Start(ctx, "m/1", token)
	for what, err := range map[string]error{
		"start":    started,
		"walked":   f.Walked(ctx, "m/1", token),
		"repeat":   f.Repeat(ctx, "m/1", token),
		"verified": f.Verified(ctx, "m/1", token, 0),
		"note":     f.Note(ctx, "m/1", token, "x"),
		"mend":     f.Mend(ctx, fill, token, []string{"1"}, time.Minute),
	} {
		if !errors.Is(err, engine.ErrLeaseLost) {
			f.t.Errorf("%s: %s: %v, want ErrLeaseLost", why, what, err)
		}
	}
}

func TestClaim(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
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
		f.exec("UPDATE phased_fill SET lease_until = UTC_TIMESTAMP(6)")
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
		f.exec("UPDATE phased_migration SET paused = 1")
		claim("a", 0)
		f.exec("UPDATE phased_migration SET paused = 0, state = 'expanding'")
		claim("a", 0)
		f.exec("UPDATE phased_migration SET state = 'backfilling'", "UPDATE phased_fill SET state = 'complete'")
		claim("a", 0)
		f.exec("UPDATE phased_fill SET state = 'walked'")
		claim("a", 3)
		fills, err := f.pool(foreign).Fills(t.Context())
		if err != nil || len(fills) != 1 {
			t.Fatalf("%v, %v", fills, err)
		}
		if g := fills[0]; !g.Claimed || g.Worker != "a" || g.State != engine.FillWalked || g.Life != engine.StateBackfilling || g.Spec.Key[0] != "id" {
			t.Errorf("fill reads %+v", g)
		}
		if token, err := f.Claim(t.Context(), "m/2", "a", time.Hour); token != 0 || err != nil {
			t.Errorf("claim of what is not there: %d, %v", token, err)
		}
	})
}

func TestFillsWithoutState(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		e := New(scratch.On(t, d).DB, d, nil)
		if _, err := e.Fills(t.Context()); !errors.Is(err, engine.ErrNoState) {
			t.Errorf("got %v, want ErrNoState", err)
		}
	})
}

// The walk ends where the table ended when it began, and starts once.
func TestStart(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		f.start("w")
		f.exec("INSERT INTO t VALUES (11, 'w', NULL)")
		fill, token := f.start("w")
		if fmt.Sprint(fill.Upper, fill.Estimate) != "[10] 10" || fill.State != engine.FillRunning {
			t.Errorf("started with upper %v, estimate %d, state %s", fill.Upper, fill.Estimate, fill.State)
		}
		if ago := time.Since(fill.Started); ago < -time.Minute || ago > 5*time.Minute {
			t.Errorf("started at %s", fill.Started)
		}
		if got := ask[string](f, "SELECT CONCAT(state, ' ', (SELECT COUNT(*) FROM phased_event WHERE migration = 'm' AND what = 'backfilling')) FROM phased_migration"); got != "backfilling 1" {
			t.Errorf("migration is %s", got)
		}
		f.walk(fill, token, 3)
		if fill.Seen != 10 || fmt.Sprint(fill.Cursor) != "[10]" || fill.Elapsed <= 0 {
			t.Errorf("seen %d, cursor %v, in %s", fill.Seen, fill.Cursor, fill.Elapsed)
		}
	})
}

// A table that is not small is estimated, by what is known now: MySQL goes on to say
// for a day what it has said once.
func TestEstimate(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		ask[int64](f, "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't'")
		f.exec("INSERT INTO t (id, old) " + hundred + " SELECT a.i * 10000 + b.i * 100 + c.i, 'v' FROM s a, s b, s c WHERE c.i <= 20")
		fill, _ := f.start("w")
		if fill.Estimate < 120000 || fill.Estimate > 300000 {
			t.Errorf("200010 rows are estimated as %d", fill.Estimate)
		}
	})
}

func TestEmptyTable(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens[:1], []string{"id"}, nil)
		fill, token := f.start("w")
		f.exec("INSERT INTO t VALUES (1, 'late', NULL)")
		if chunks, _ := f.walk(fill, token, 3); chunks != 0 || fill.Upper != nil {
			t.Errorf("%d chunks, upper %v", chunks, fill.Upper)
		}
		if n := f.outOfStep(); n != 0 {
			t.Errorf("%d rows out of step", n)
		}
	})
}

func TestPartitionedTable(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{`CREATE TABLE t (id int, day date, old varchar(100), PRIMARY KEY (id, day)) PARTITION BY RANGE COLUMNS (day)
			(PARTITION t1 VALUES LESS THAN ('2024-02-01'), PARTITION t2 VALUES LESS THAN (MAXVALUE))`,
			"INSERT INTO t " + hundred + " SELECT i, '2024-01-01' + INTERVAL i DAY, CONCAT('v', i) FROM s"}, []string{"id", "day"}, nil)
		fill, token := f.start("w")
		if n := f.outOfStep(); n != 100 || fill.Estimate != 100 {
			t.Errorf("%d rows out of step before, %d estimated", n, fill.Estimate)
		}
		f.walk(fill, token, 9)
		if n := f.outOfStep(); n != 0 || fill.Filled != 100 {
			t.Errorf("%d rows out of step, %d filled", n, fill.Filled)
		}
	})
}
