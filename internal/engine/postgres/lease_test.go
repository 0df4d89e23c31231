package postgres_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

func TestAcquireGivesTheLeaseToOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.db.SetMaxOpenConns(20)
	var all sync.WaitGroup
	var won atomic.Int64
	begin := make(chan struct{})
	for range 40 {
		all.Go(func() {
			<-begin
			_, _, ok, err := w.eng.Acquire(t.Context(), "somebody", time.Minute, false)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	close(begin)
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d have the lease", won.Load())
	}
}

func TestLeaseRunsOutByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.lease("first")
	if _, current, ok, err := w.eng.Acquire(t.Context(), "second", time.Minute, false); ok || err != nil || current != "first" {
		t.Fatalf("a held lease: %t, %q, %v", ok, current, err)
	}
	is(w, "it runs for a minute", get[bool](w, `SELECT expires_at - clock_timestamp() BETWEEN interval '50 s' AND interval '60 s' FROM phased.lease`), true)
	w.exec(`UPDATE phased.lease SET expires_at = clock_timestamp() - interval '1 microsecond'`)
	w.must(w.eng.Renew(t.Context(), first, time.Hour)) // nobody has taken it
	is(w, "renewed", get[bool](w, `SELECT expires_at > clock_timestamp() + interval '50 min' FROM phased.lease`), true)
	w.exec(`UPDATE phased.lease SET expires_at = clock_timestamp() - interval '1 microsecond'`)
	second := w.lease("second")
	if err := w.eng.Renew(t.Context(), first, time.Minute); !errors.Is(err, engine.ErrLeaseLost) {
		t.Errorf("renew a lost lease: %v", err)
	}
	w.must(w.eng.Release(t.Context(), first)) // not his any more: nothing happens
	is(w, "holder", get[string](w, `SELECT holder FROM phased.lease`), "second")
	w.must(w.eng.Release(t.Context(), second))
	w.lease("third")
}

// No write of a runner whose lease is another's changes anything.
func TestFencing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id bigint PRIMARY KEY, email text)`)
	stale := w.lease("first")
	l := link("0001", "email", "mail")
	add := inTx("CREATE SEQUENCE "+l.Evidence, `ALTER TABLE public.users ADD COLUMN mail text`)
	add.Sync = &plan.SyncStep{Schema: "public", Table: "users", Add: &l, At: 2}
	index := plan.Step{Phase: plan.PhaseExpand, Title: "index", Statements: []string{`CREATE INDEX CONCURRENTLY users_email ON public.users (email)`}, Index: "public.users_email"}
	check := plan.Step{Phase: plan.PhaseExpand, Title: "analyze", Statements: []string{`ANALYZE public.users`}}
	p := w.begin(stale, "0001", inTx(`ALTER TABLE public.users ADD COLUMN stale int`), add, index, check)
	w.must(w.eng.Begin(t.Context(), stale, planned("0002"), engine.StateRolledBack))
	w.seize("second")
	before := w.dump()
	direct := planned("0003")
	direct.Direct = []string{"CREATE TABLE stale (id int)"}
	record := stepRun(stale, p, 0)
	record.State = engine.StateExpanded
	ctx := t.Context()
	for what, err := range map[string]error{
		"Begin":         w.eng.Begin(ctx, stale, planned("0004", inTx("SELECT 1")), engine.StateExpanding),
		"Mark":          w.eng.Mark(ctx, stale, "0001", engine.StateExpanded, "stale"),
		"MarkBaseline":  w.eng.MarkBaseline(ctx, stale, []string{"0005"}, []string{"x"}),
		"Settle":        w.eng.Settle(ctx, stale),
		"Forget":        w.eng.Forget(ctx, stale, "0002"),
		"Renew":         w.eng.Renew(ctx, stale, time.Hour),
		"Run":           w.eng.Run(ctx, stepRun(stale, p, 0)),
		"Run, sync":     w.eng.Run(ctx, stepRun(stale, p, 1)),
		"Run, index":    w.eng.Run(ctx, stepRun(stale, p, 2)),
		"Run, alone":    w.eng.Run(ctx, stepRun(stale, p, 3)),
		"Record":        w.eng.Record(ctx, record),
		"RunDirect":     w.eng.RunDirect(ctx, stale, direct, engine.StateComplete),
		"a later token": w.eng.Settle(ctx, stale+2),
	} {
		if !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("%s with a stale token: %v", what, err)
		}
	}
	if after := w.dump(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	is(w, "columns, tables, indexes", get[int](w, `SELECT count(*) FROM pg_class WHERE relname IN ('stale', 'users_email') OR relnamespace = 'phased'::regnamespace AND relkind = 'S' AND relname ~ 'old writes'`), 0)
	is(w, "columns of users", get[int](w, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0`), 2)
}

// A runner is stopped after it has decided to run a step and before the step's text
// reaches the server, or waits there for the row that a takeover is changing.
func TestFenceSeesATakeoverThatWasNotCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	// Whatever the role's default is.
	w.exec(`ALTER DATABASE "` + get[string](w, `SELECT current_database()`) + `" SET default_transaction_isolation = 'repeatable read'`)
	first := w.lease("first")
	p := w.begin(first, "0001", inTx(`ALTER TABLE public.users ADD COLUMN n int`))
	x := w.wire()
	taken := w.holding(`UPDATE phased.lease SET token = token + 1`)
	done := later(func() error { return x.eng.Run(t.Context(), stepRun(first, p, 0)) })
	w.waiting(1)
	taken()
	if err := <-done; !errors.Is(err, engine.ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
	is(w, "columns", get[int](w, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0`), 1)
	is(w, "steps done", get[int](w, `SELECT count(*) FROM phased.step WHERE done`), 0)
}

func TestTakeoverWaitsForAStepInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	first := w.lease("first")
	p := w.begin(first, "0001", inTx(`ALTER TABLE public.users ADD COLUMN n int`))
	reader := w.holding(`SELECT FROM users`)
	done := later(func() error { return w.eng.Run(t.Context(), stepRun(first, p, 0)) })
	w.waiting(1)

	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // of what would wait for the step
	defer stop()
	w.must(w.eng.Renew(ctx, first, time.Minute)) // not blocked by the step
	w.exec(`UPDATE phased.lease SET expires_at = '-infinity'`)
	for range 3 {
		_, current, ok, err := w.eng.Acquire(ctx, "second", time.Minute, false)
		if ok || err != nil || !strings.Contains(current, "first (in a step)") {
			t.Errorf("took the lease from a step in flight: %t, %q, %v", ok, current, err)
		}
	}
	w.must(w.eng.Renew(ctx, first, time.Minute)) // nor by who wants the lease
	w.exec(`UPDATE phased.lease SET expires_at = '-infinity'`)
	reader()
	w.must(<-done)
	second := w.lease("second")
	is(w, "token", second, first+1)
	is(w, "done", get[bool](w, `SELECT done FROM phased.step`), true)
}

func TestForceEndsAStepInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	first := w.lease("first")
	p := w.begin(first, "0001", inTx(`ALTER TABLE public.users ADD COLUMN n int`))
	w.holding(`SELECT FROM users`)
	w.holding(`SELECT FROM phased.lease`) // a reader of the table is none of ours: it stays
	done := later(func() error { return w.eng.Run(t.Context(), stepRun(first, p, 0)) })
	w.waiting(1)
	w.seize("second")
	if err := <-done; !w.eng.Disconnected(err) {
		t.Errorf("the step in flight: %v", err)
	}
	is(w, "columns", get[int](w, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0`), 1)
	if err := w.eng.Run(t.Context(), stepRun(first, p, 0)); !errors.Is(err, engine.ErrLeaseLost) {
		t.Errorf("and again: %v", err)
	}
}

func TestForceWithoutPrivilegeSaysWhatToGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	first := w.lease("first")
	poor, _ := w.as("phased_mayend")
	w.exec(`GRANT ALL ON ALL TABLES IN SCHEMA phased TO phased_mayend`)
	step := w.holding(`SELECT FROM phased.lease FOR KEY SHARE`)
	_, _, ok, err := poor.Acquire(t.Context(), "second", time.Minute, true)
	if ok || err == nil || !strings.Contains(err.Error(), `GRANT pg_signal_backend TO "phased_mayend"`) {
		t.Errorf("a step of another role's: %t, %v", ok, err)
	}
	step()

	// A session of another role's that is still at work: its start is hidden, and it counts.
	_, err = w.wire().direct.ExecContext(t.Context(), `UPDATE phased.lease SET backend_pid = a.pid, backend_start = a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()`)
	w.must(err)
	_, _, ok, err = poor.Acquire(t.Context(), "second", time.Minute, true)
	if ok || err == nil || !strings.Contains(err.Error(), `GRANT pg_signal_backend TO "phased_mayend"`) {
		t.Errorf("a session of another role's: %t, %v", ok, err)
	}
	if get[bool](w, `SELECT backend_pid IS NULL FROM phased.lease`) {
		t.Error("the session that could not be ended is forgotten")
	}
	// It is fenced all the same, and the lease is free for somebody who may.
	if err := w.eng.Renew(t.Context(), first, time.Minute); !errors.Is(err, engine.ErrLeaseLost) {
		t.Errorf("renew: %v", err)
	}
	w.lease("third")
	is(w, "session", get[bool](w, `SELECT backend_pid IS NULL FROM phased.lease`), true)
}

// A session that is written into the lease while somebody takes over is not overlooked.
func TestTakeoverSeesASessionThatWasJustWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lease("first")
	var pid int
	w.must(w.wire().direct.QueryRowContext(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid))
	w.exec(`UPDATE phased.lease SET expires_at = '-infinity'`)
	tx, err := w.db.BeginTx(t.Context(), nil)
	w.must(err)
	_, err = tx.ExecContext(t.Context(), `UPDATE phased.lease SET backend_pid = a.pid, backend_start = a.backend_start FROM pg_stat_activity a WHERE a.pid = $1`, pid)
	w.must(err)
	var tries atomic.Int64
	taken := later(func() error {
		for {
			_, _, ok, err := w.eng.Acquire(t.Context(), "second", time.Minute, false)
			tries.Add(1)
			if ok || err != nil {
				return err
			}
		}
	})
	// Either it tries in vain, or it stands in the lock queue with what it has read.
	const queued = `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	for tries.Load() < 2 && !get[bool](w, queued) {
		time.Sleep(time.Millisecond)
	}
	w.must(tx.Commit())
	w.must(<-taken)
	is(w, "sessions left", get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE pid = $1`, pid), 0)
	is(w, "session in the lease", get[bool](w, `SELECT backend_pid IS NULL FROM phased.lease`), true)
}

// Time is the database's: no time of the client's is ever sent, so a client clock that
// is wrong by a day has no effect.
func TestNoClientTimeIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int)`)
	x := w.wire()
	ctx := t.Context()
	token, _, ok, err := x.eng.Acquire(ctx, "first", time.Minute, true)
	if err != nil || !ok {
		t.Fatal(err)
	}
	p := planned("0001", inTx(`ALTER TABLE public.users ADD COLUMN n int`),
		plan.Step{Phase: plan.PhaseFinish, Title: "index", Statements: []string{`CREATE INDEX CONCURRENTLY users_n ON public.users (n)`}, Index: "public.users_n"})
	w.must(x.eng.Begin(ctx, token, p, engine.StateExpanding))
	for n := range p.Steps {
		w.must(x.eng.Run(ctx, stepRun(token, p, n)))
	}
	w.must(x.eng.Mark(ctx, token, "0001", engine.StateHidden, ""))
	w.must(x.eng.Renew(ctx, token, time.Minute))
	w.must(x.eng.Register(ctx, engine.Instance{ID: "i", App: "a", Lines: []string{"0001"}, Lifetime: time.Minute}))
	_, err = x.eng.Heartbeat(ctx, "i")
	w.must(err)
	in, err := x.eng.Instances(ctx)
	if err != nil || len(in) != 1 || !in[0].Alive {
		t.Errorf("%+v, %v", in, err)
	}
	w.must(x.eng.Deregister(ctx, "i"))
	w.must(x.eng.Release(ctx, token))
	date := regexp.MustCompile(`\b20[2-9]\d-\d\d|\b1[7-9]\d{8}\b`) // a date, or seconds since 1970
	for _, s := range x.take() {
		if m := date.FindString(s.sql); m != "" {
			t.Errorf("%s in %s", m, s.sql)
		}
		for _, a := range s.args {
			switch v := a.(type) {
			case time.Time:
				t.Errorf("%v in %s", v, s.sql)
			case string:
				if date.MatchString(v) && !strings.Contains(s.sql, "backend_start") {
					t.Errorf("%s in %s", v, s.sql)
				}
			}
		}
	}
}
