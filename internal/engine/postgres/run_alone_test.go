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

func indexStep(kind string) plan.Step {
	return plan.Step{Phase: plan.PhaseFinish, Title: "build index", Lock: lockcheck.LockShareUpdateExclusive, Relation: `"public"."users"`,
		Statements: []string{`CREATE ` + kind + ` CONCURRENTLY "users e" ON public.users (email)`}, Index: `public."users e"`}
}

func alone(statement string) plan.Step {
	return plan.Step{Phase: plan.PhaseFinish, Title: "alone", Lock: lockcheck.LockShareUpdateExclusive, Relation: `"public"."users"`, Statements: []string{statement}, LockTimeout: 20 * time.Second}
}

const usersWithRows = `CREATE TABLE users (id int, email text); INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 100) i`

// snapshot is a transaction with an old snapshot and no lock on the table: an index
// build waits for its end, at its very end.
func (w *world) snapshot() (end func()) {
	return w.holding(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`, `SELECT FROM pg_class LIMIT 1`)
}

// index gives the index's oid and whether it is valid: "" when it is not there.
func (w *world) index() (oid string, valid bool) {
	w.Helper()
	return get[string](w, `SELECT coalesce(to_regclass('public."users e"')::oid::text, '')`), get[bool](w, `SELECT coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('public."users e"')), false)`)
}

// building counts the sessions that run an index build.
func (w *world) building() int {
	w.Helper()
	return get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'CREATE%INDEX%'`)
}

// looked waits until an engine has looked for its index twice and found somebody at
// work, or stands in a lock queue behind him.
func (w *world) looked(x *wire, queue int) {
	w.Helper()
	looks := 0
	for looks < 2 && get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) <= queue {
		for _, s := range x.take() {
			if strings.HasPrefix(s.sql, "SELECT r.oid IS NOT NULL") {
				looks++
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRunAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usersWithRows)
	x := w.wire()
	x.db.SetMaxOpenConns(1) // one is enough
	token := w.lease("a")
	p := w.begin(token, "0001", indexStep("INDEX"), alone(`DROP INDEX CONCURRENTLY public."users e"`))
	r := stepRun(token, p, 0)
	r.State = engine.StateVerified
	w.must(x.eng.Run(t.Context(), r))
	first, valid := w.index()
	is(w, "valid", valid, true)
	is(w, "recorded", get[bool](w, `SELECT s.done AND s.attempts = 1 AND m.state = 'verified' AND l.backend_pid IS NULL FROM phased.step s, phased.migration m, phased.lease l WHERE s.n = 0`), true)
	var settings string
	w.must(x.db.QueryRowContext(t.Context(), `SELECT current_setting('search_path') || current_setting('lock_timeout')`).Scan(&settings))
	is(w, "settings of the pool's connection", settings, `"$user", public0`)

	w.exec(`UPDATE phased.step SET done = false`)
	w.must(x.eng.Run(t.Context(), r)) // there already
	if again, _ := w.index(); again != first {
		t.Error("built again although it was there")
	}
	w.must(x.eng.Run(t.Context(), stepRun(token, p, 1)))
	if oid, _ := w.index(); oid != "" {
		t.Error("not dropped")
	}
}

// The client dies in the middle of a build; the server goes on with it.
func TestIndexWhoseClientDied(t *testing.T) {
	t.Parallel()
	died := func(t *testing.T) (w *world, r engine.StepRun, oid string, end func()) {
		w = newWorld(t, usersWithRows)
		token := w.lease("first")
		p := w.begin(token, "0001", indexStep("INDEX"))
		r = stepRun(token, p, 0)
		end = w.snapshot()
		x := w.wire()
		done := later(func() error { return x.eng.Run(t.Context(), r) })
		w.waiting(1)
		x.cut()
		if err := <-done; !w.eng.Disconnected(err) {
			t.Fatalf("got %v", err)
		}
		oid, valid := w.index()
		if oid == "" || valid || w.building() != 1 {
			t.Fatalf("index %s, valid %t, %d builds: the build was to go on", oid, valid, w.building())
		}
		return w, r, oid, end
	}
	t.Run("the build succeeds", func(t *testing.T) {
		t.Parallel()
		w, r, oid, end := died(t)
		x := w.wire()
		done := later(func() error { return x.eng.Run(t.Context(), r) })
		w.looked(x, 1)
		is(w, "builds", w.building(), 1)
		end()
		w.must(<-done)
		if now, valid := w.index(); now != oid || !valid {
			t.Errorf("index %s, valid %t; want %s, which was being built", now, valid, oid)
		}
		is(w, "done", get[bool](w, `SELECT s.done AND l.backend_pid IS NULL FROM phased.step s, phased.lease l`), true)
	})
	t.Run("the build has not begun", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, usersWithRows)
		token := w.lease("first")
		r := stepRun(token, w.begin(token, "0001", indexStep("INDEX")), 0)
		free := w.holding(`LOCK TABLE users IN SHARE MODE`)
		x := w.wire()
		done := later(func() error { return x.eng.Run(t.Context(), r) })
		w.waiting(1)
		x.cut()
		if err := <-done; !w.eng.Disconnected(err) {
			t.Fatalf("got %v", err)
		}
		x = w.wire()
		done = later(func() error { return x.eng.Run(t.Context(), r) })
		w.looked(x, 1)
		is(w, "builds", w.building(), 1)
		free()
		w.must(<-done)
		_, valid := w.index()
		is(w, "valid", valid, true)
	})
	t.Run("the build fails", func(t *testing.T) {
		t.Parallel()
		w, r, oid, end := died(t)
		x := w.wire()
		done := later(func() error { return x.eng.Run(t.Context(), r) })
		w.looked(x, 1)
		w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE%INDEX%'`)
		w.waiting(1) // DROP INDEX CONCURRENTLY or the new build waits for the snapshot
		end()
		w.must(<-done)
		if now, valid := w.index(); now == oid || !valid {
			t.Errorf("index %s, valid %t; want another one than the invalid %s", now, valid, oid)
		}
	})
	t.Run("somebody takes over", func(t *testing.T) {
		t.Parallel()
		w, r, _, end := died(t)
		w.exec(`UPDATE phased.lease SET expires_at = '-infinity'`)
		r.Token = w.lease("second")
		is(w, "builds after the takeover", w.building(), 0)
		end()
		w.must(w.eng.Run(t.Context(), r))
		_, valid := w.index()
		is(w, "valid", valid, true)
	})
	t.Run("waiting for it is cancelled", func(t *testing.T) {
		t.Parallel()
		w, r, _, _ := died(t)
		ctx, cancel := context.WithCancel(t.Context())
		x := w.wire()
		done := later(func() error { return x.eng.Run(ctx, r) })
		w.looked(x, 1)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		is(w, "the session is still in the lease", get[bool](w, `SELECT backend_pid IS NOT NULL FROM phased.lease`), true)
	})
}

func TestTakeoverEndsABuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usersWithRows)
	first := w.lease("first")
	p := w.begin(first, "0001", indexStep("INDEX"))
	end := w.snapshot()
	done := later(func() error { return w.eng.Run(t.Context(), stepRun(first, p, 0)) })
	w.waiting(1)
	w.must(w.eng.Renew(t.Context(), first, time.Minute)) // not blocked
	second := w.seize("second")
	is(w, "builds after the takeover", w.building(), 0)
	if err := <-done; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the build that was ended: %v", err)
	}
	if err := w.eng.Run(t.Context(), stepRun(first, p, 0)); !errors.Is(err, engine.ErrLeaseLost) {
		t.Errorf("and again: %v", err)
	}
	end()
	w.must(w.eng.Run(t.Context(), stepRun(second, p, 0)))
	_, valid := w.index()
	is(w, "valid", valid, true)
}

func TestRunAloneCancelled(t *testing.T) {
	t.Parallel()
	for _, s := range []plan.Step{indexStep("INDEX"), alone(`SELECT pg_sleep(600)`)} {
		w := newWorld(t, usersWithRows)
		token := w.lease("a")
		p := w.begin(token, "0001", s)
		end := w.snapshot()
		ctx, cancel := context.WithCancel(t.Context())
		done := later(func() error { return w.eng.Run(ctx, stepRun(token, p, 0)) })
		w.until("it runs", `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query = $1 AND wait_event_type IN ('Lock', 'Timeout')`, s.Statements[0])
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		is(w, "sessions that still run it", get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = $1`, s.Statements[0]), 0)
		end()
		if s.Index != "" { // what it left is repaired
			w.must(w.eng.Run(t.Context(), stepRun(token, p, 0)))
		}
	}
}

// Of what is not an index build nothing is left at work when its connection breaks.
func TestRunAloneWhoseConnectionBroke(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usersWithRows)
	token := w.lease("a")
	p := w.begin(token, "0001", alone(`SELECT pg_sleep(600)`), alone(`ANALYZE public.users`))
	x := w.wire()
	done := later(func() error { return x.eng.Run(t.Context(), stepRun(token, p, 0)) })
	w.until("it runs", `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(600)' AND wait_event_type = 'Timeout'`)
	x.cut()
	if err := <-done; !w.eng.Disconnected(err) {
		t.Errorf("got %v", err)
	}
	is(w, "sessions that still run it", get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(600)'`), 0)

	// The client itself was gone for a while: the next try ends what it left.
	other := w.wire()
	sleeps := later(func() error {
		_, err := other.direct.ExecContext(t.Context(), `SELECT pg_sleep(600)`)
		return err
	})
	w.until("it runs", `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(600)' AND wait_event_type = 'Timeout'`)
	w.exec(`UPDATE phased.lease SET backend_pid = a.pid, backend_start = a.backend_start FROM pg_stat_activity a WHERE a.datname = current_database() AND a.query = 'SELECT pg_sleep(600)'`)
	w.must(w.eng.Run(t.Context(), stepRun(token, p, 1)))
	if err := <-sleeps; !w.eng.Disconnected(err) {
		t.Errorf("got %v", err)
	}
}

func TestUniqueIndexThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usersWithRows, `UPDATE users SET email = 'u1' WHERE id = 7`)
	token := w.lease("a")
	p := w.begin(token, "0001", indexStep("UNIQUE INDEX"))
	if err := w.eng.Run(t.Context(), stepRun(token, p, 0)); err == nil || !strings.Contains(err.Error(), "23505") {
		t.Errorf("got %v", err)
	}
	if oid, _ := w.index(); oid != "" {
		t.Error("an invalid UNIQUE index is left, which refuses what old code writes")
	}
	is(w, "recorded", get[bool](w, `SELECT NOT done AND attempts = 1 AND error LIKE '%could not create unique index%' FROM phased.step`), true)
	w.exec(`INSERT INTO users VALUES (0, 'u1')`)
}

func TestLockTimeoutsOfWhatRunsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usersWithRows, `ALTER TABLE users ADD CONSTRAINT c CHECK (id > 0) NOT VALID`)
	token := w.lease("a")
	p := w.begin(token, "0001", alone(`ALTER TABLE public.users VALIDATE CONSTRAINT c`), indexStep("INDEX"))
	free := w.holding(`LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE`)
	r := stepRun(token, p, 0)
	r.Step.LockTimeout, r.LockTimeout = time.Hour, 50*time.Millisecond
	ctx, stop := context.WithTimeout(t.Context(), 15*time.Second)
	defer stop()
	if err := w.eng.Run(ctx, r); !w.eng.LockTimeout(err) {
		t.Errorf("got %v", err)
	}
	// An index build waits as long as it takes.
	r = stepRun(token, p, 1)
	r.LockTimeout = 50 * time.Millisecond
	done := later(func() error { return w.eng.Run(t.Context(), r) })
	w.until("it has waited longer than that", `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE%' AND clock_timestamp() - query_start > interval '300 ms'`)
	free()
	w.must(<-done)
}
