package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/lockcheck"
)

func (w *world) columns(table string) string {
	w.Helper()
	return get[string](w, `SELECT coalesce(string_agg(attname, ' ' ORDER BY attnum), '') FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, table)
}

func TestRunRecordsTheStepAndTheState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	token := w.lease("a")
	step := inTx(`ALTER TABLE public.users ADD COLUMN n int -- a comment at the end`, `ALTER TABLE public.users ADD COLUMN m int -- and another`)
	p := w.begin(token, "0001", step)
	r := stepRun(token, p, 0)
	r.State, r.Reason, r.Prelude = engine.StateComplete, "because", []string{`CREATE TABLE prelude AS SELECT current_setting('lock_timeout') l, current_setting('search_path') p, current_setting('statement_timeout') s -- `}
	r.LockTimeout = 1700 * time.Millisecond
	r.Prelude[0] = strings.Replace(r.Prelude[0], "prelude", "public.prelude", 1)
	x := w.wire()
	w.must(x.eng.Run(t.Context(), r))
	is(w, "round trips", len(x.take()), 1)
	is(w, "columns", w.columns("users"), "id n m")
	is(w, "settings", get[string](w, `SELECT l || '|' || p || '|' || s FROM prelude`), `1700ms|""|1min`)
	is(w, "recorded", get[bool](w, `SELECT s.done AND s.attempts = 1 AND s.done_at IS NOT NULL AND m.state = 'complete' AND m.reason = 'because' FROM phased.step s, phased.migration m`), true)
	is(w, "events", get[string](w, `SELECT string_agg(what || ':' || detail, ' ' ORDER BY id) FROM phased.event`), "expanding: step:do it complete:because")
	is(w, "the session is as it was", func() string {
		var path string
		w.must(x.db.QueryRowContext(t.Context(), `SELECT current_setting('search_path') || current_setting('lock_timeout')`).Scan(&path))
		return path
	}(), `"$user", public0`)
}

func TestRunRefusesToWaitForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	token := w.lease("a")
	step := inTx(`ALTER TABLE public.users ADD COLUMN n int`)
	step.LockTimeout = 0
	p := w.begin(token, "0001", step)
	x := w.wire()
	if err := x.eng.Run(t.Context(), stepRun(token, p, 0)); err == nil || !strings.Contains(err.Error(), "has no lock timeout") {
		t.Errorf("got %v", err)
	}
	is(w, "statements sent", len(x.take()), 0)
	p.Steps[0].Lock = lockcheck.LockNone
	w.must(x.eng.Run(t.Context(), stepRun(token, p, 0)))
}

func TestLockTimeoutLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	token := w.lease("a")
	p := w.begin(token, "0001", inTx(`ALTER TABLE public.users ADD COLUMN n int`))
	reader := w.holding(`SELECT FROM users`)
	r := stepRun(token, p, 0)
	r.LockTimeout, r.State = 50*time.Millisecond, engine.StateComplete
	err := w.eng.Run(t.Context(), r)
	if !w.eng.LockTimeout(err) {
		t.Fatalf("got %v", err)
	}
	is(w, "columns", w.columns("users"), "id")
	is(w, "transactions left", get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'active' AND xact_start IS NOT NULL AND query LIKE '%phased%'`), 0)
	is(w, "locks on the lease left", get[int](w, `SELECT count(*) FROM pg_locks WHERE relation = 'phased.lease'::regclass AND pid <> pg_backend_pid()`), 0)
	is(w, "recorded", get[bool](w, `SELECT NOT s.done AND s.attempts = 1 AND s.error LIKE '%lock timeout%' AND m.state = 'expanding' FROM phased.step s, phased.migration m`), true)

	held, err := w.eng.Holders(t.Context(), `"public"."users"`)
	if err != nil || len(held) != 1 || held[0].Mode != "AccessShare" || held[0].State != "idle in transaction" || held[0].PID == 0 || held[0].Role == "" || held[0].Age <= 0 || !strings.Contains(held[0].Query, "FROM users") {
		t.Errorf("holders %+v, %v", held, err)
	}
	reader()
	w.must(w.eng.Run(t.Context(), r))
	is(w, "recorded", get[bool](w, `SELECT s.done AND s.attempts = 2 AND s.error = '' AND m.state = 'complete' FROM phased.step s, phased.migration m`), true)
}

// The connection breaks while the step waits in the server, and the runner tries
// again: the two tries come one after the other and the statements run once.
func TestStepWhoseConnectionBroke(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"with a question": `SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'public.users'::pg_catalog.regclass AND attname = 'n')`,
		"as written":      "",
	}
	for name, question := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, `CREATE TABLE users (id int)`, `CREATE TABLE ran (n int)`)
			token := w.lease("a")
			step := inTx(`LOCK TABLE public.users`, `INSERT INTO public.ran VALUES (1)`, `ALTER TABLE public.users ADD COLUMN n int`)
			step.Done = question
			p := w.begin(token, "0001", step)
			r := stepRun(token, p, 0)
			r.State = engine.StateComplete
			reader := w.holding(`SELECT FROM users`)
			x := w.wire()
			done := later(func() error {
				err := x.eng.Run(t.Context(), r)
				if w.eng.Disconnected(err) { // unless database/sql has sent it again by itself
					err = w.eng.Run(t.Context(), r)
				}
				return err
			})
			w.waiting(1)
			x.cut()
			w.waiting(2)
			reader()
			w.must(<-done)
			is(w, "runs", get[int](w, `SELECT count(*) FROM ran`), 1)
			is(w, "recorded", get[bool](w, `SELECT s.done AND m.state = 'complete' FROM phased.step s, phased.migration m`), true)
		})
	}
}

func TestRunUnderTheUsersPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE SCHEMA app`)
	w.exec(`ALTER DATABASE "` + get[string](w, `SELECT current_database()`) + `" SET search_path = app, pg_catalog`)
	w.newSessions()
	x := w.wire()
	token := w.lease("a")
	mine := inTx(`CREATE TABLE mine (id int)`)
	mine.UserPath = true
	p := w.begin(token, "0001", mine, inTx(`CREATE TABLE nowhere (id int)`))
	w.must(x.eng.Run(t.Context(), stepRun(token, p, 0)))
	is(w, "it is in", get[string](w, `SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'mine'`), "app")
	if err := x.eng.Run(t.Context(), stepRun(token, p, 1)); err == nil || !strings.Contains(err.Error(), "no schema has been selected") {
		t.Errorf("a step of ours counts on the search_path: %v", err)
	}
	direct := planned("0002")
	direct.Direct = []string{"CREATE TABLE direct (id int)"}
	w.must(x.eng.RunDirect(t.Context(), token, direct, engine.StateComplete))
	is(w, "it is in", get[string](w, `SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'direct'`), "app")
}

func TestRunDirectIsOneTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.lease("a")
	p := planned("0001", inTx("SELECT 1"))
	p.Direct = []string{"CREATE TABLE a (id int)", "CREATE TABLE a (id int)"}
	if err := w.eng.RunDirect(t.Context(), token, p, engine.StateComplete); err == nil {
		t.Fatal("no error")
	}
	is(w, "left", get[int](w, `SELECT (SELECT count(*) FROM phased.migration) + (SELECT count(*) FROM pg_class WHERE relname = 'a')`), 0)
	p.Direct = p.Direct[:1]
	w.must(w.eng.RunDirect(t.Context(), token, p, engine.StateComplete))
	steps, err := w.eng.Steps(t.Context(), "0001")
	if err != nil || len(steps) != 1 || !steps[0].Done || steps[0].DoneAt.IsZero() {
		t.Errorf("%+v, %v", steps, err)
	}
	ov, err := w.eng.Overview(t.Context())
	w.must(err)
	is(w, "state", ov.Find("0001").State, engine.StateComplete)
	if stored, err := w.eng.Plan(t.Context(), "0001"); err != nil || encode(t, stored) != encode(t, p) {
		t.Errorf("%v, %v", stored, err)
	}
}

func TestDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`CREATE TABLE public.users (id int)`)
	for query, want := range map[string]bool{
		"": false, "SELECT true": true, "SELECT false": false, "SELECT NULL::boolean": false,
		`SELECT pg_catalog.to_regclass('users') IS NULL`: true, // not found by a path
	} {
		if got, err := w.eng.Done(t.Context(), plan.Step{Done: query}); err != nil || got != want {
			t.Errorf("%s: %t, %v", query, got, err)
		}
	}
	if _, err := w.eng.Done(t.Context(), plan.Step{Done: "SELECT wrong"}); err == nil {
		t.Error("no error")
	}
	is(w, "transactions left", get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'`), 0)
}

func TestRunCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	token := w.lease("a")
	p := w.begin(token, "0001", inTx(`ALTER TABLE public.users ADD COLUMN n int`))
	w.holding(`SELECT FROM users`)
	ctx, cancel := context.WithCancel(t.Context())
	done := later(func() error { return w.eng.Run(ctx, stepRun(token, p, 0)) })
	w.waiting(1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.until("nobody waits for the table", `SELECT NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'users'::regclass AND NOT granted)`)
	is(w, "columns", w.columns("users"), "id")
}

func TestHoldersNamesPreparedTransactions(t *testing.T) {
	t.Parallel()
	if on := get[string](newWorld(t), `SELECT current_setting('max_prepared_transactions')`); on == "0" {
		t.Fatal("the scratch server has no prepared transactions")
	}
	w := newWorld(t, `CREATE TABLE users (id int)`, `CREATE TABLE other (id int)`)
	conn, err := w.db.Conn(t.Context())
	w.must(err)
	defer conn.Close()
	gid := "left " + get[string](w, `SELECT current_database()`)
	for _, s := range []string{`BEGIN`, `INSERT INTO users VALUES (1)`, `SAVEPOINT a`, `INSERT INTO users VALUES (2)`, `PREPARE TRANSACTION '` + gid + `'`} {
		_, err := conn.ExecContext(t.Context(), s)
		w.must(err)
	}
	held, err := w.eng.Holders(t.Context(), `"public"."users"`)
	if err != nil || len(held) != 1 || held[0].Prepared != gid || held[0].Mode != "RowExclusive" || held[0].PID != 0 || held[0].Role == "" || held[0].Age <= 0 {
		t.Errorf("%+v, %v", held, err)
	}
	if held, err = w.eng.Holders(t.Context(), `"public"."other"`); err != nil || len(held) != 0 {
		t.Errorf("%+v, %v", held, err)
	}
	if held, err = w.eng.Holders(t.Context(), ""); err != nil || held != nil {
		t.Errorf("%+v, %v", held, err)
	}
}

// The answer to a step's commit is lost, the next try finds it done and records it: the
// log says once what happened once.
func TestWhatIsRecordedIsNotRecordedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	token := w.lease("a")
	p := w.begin(token, "0001", inTx(`ALTER TABLE public.users ADD COLUMN n int`))
	r := stepRun(token, p, 0)
	r.State, r.Reason = engine.StateComplete, "because"
	w.must(w.eng.Run(t.Context(), r))
	before := w.dump()
	w.must(w.eng.Record(t.Context(), r))
	w.must(w.eng.Run(t.Context(), r))
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateComplete, "because"))
	is(w, "state", w.dump(), before)
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateComplete, "for another reason"))
	is(w, "events", get[string](w, `SELECT string_agg(what || ':' || detail, ', ' ORDER BY id) FROM phased.event`), "expanding:, step:do it, complete:because, complete:for another reason")
}
