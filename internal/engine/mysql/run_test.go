package mysql_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

const users = "CREATE TABLE users (id int PRIMARY KEY, a int, b int)"

func TestStepRunsOnceAndIsRecorded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		token := w.lease("me")
		s := step(plan.PhaseExpand, "ALTER TABLE users ADD COLUMN c int NULL, ALGORITHM=INSTANT")
		s.Done = "SELECT COUNT(*) > 0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' AND COLUMN_NAME = 'c'"
		p := w.begin(token, "0001", s)
		r := stepRun(token, p, 0)
		r.State, r.Reason = engine.StateComplete, "because"
		for range 2 { // the second time its answer was lost
			w.must(w.eng.Run(t.Context(), r))
		}
		is(w, "done", w.row("done, error) FROM phased_step"), "1|")
		is(w, "state", w.row("state, reason) FROM phased_migration"), "complete|because")
		done, err := w.eng.Done(t.Context(), s)
		w.must(err)
		is(w, "done by the catalog", done, true)
		is(w, "sessions in a step", get[int](w, "SELECT IS_USED_LOCK(CONCAT('phased step ', DATABASE())) IS NOT NULL"), 0)
	})
}

func TestStepOfALostLeaseDoesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		late := w.lease("late")
		p := w.begin(late, "0001", step(plan.PhaseExpand, "DROP TABLE users"))
		w.lease("other")
		for what, err := range map[string]error{
			"run": w.eng.Run(t.Context(), stepRun(late, p, 0)), "record": w.eng.Record(t.Context(), stepRun(late, p, 0)),
			"mark": w.eng.Mark(t.Context(), late, "0001", engine.StateExpanded, ""), "renew": w.eng.Renew(t.Context(), late, time.Minute),
			"direct": w.eng.RunDirect(t.Context(), late, &plan.Plan{Migration: plan.Migration{Name: "0002"}, Direct: []string{"DROP TABLE users"}}, engine.StateComplete),
		} {
			if !errors.Is(err, engine.ErrLeaseLost) {
				t.Errorf("%s: %v", what, err)
			}
		}
		is(w, "users", get[int](w, "SELECT COUNT(*) FROM users"), 0)
	})
}

// A takeover ends the session of the step in flight, and returns when it is gone:
// nothing of the step happens afterwards.
func TestTakeoverEndsTheStepInFlight(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		for what, statement := range map[string]string{
			"waiting for its lock": "ALTER TABLE users ADD COLUMN c int NULL, ALGORITHM=INSTANT",
			"at work":              "SELECT SLEEP(60)",
		} {
			token, _, ok, err := w.eng.Acquire(t.Context(), "first", time.Hour, false)
			w.must(err)
			is(w, "acquired", ok, true)
			p := w.planned("0001", step(plan.PhaseExpand, statement))
			w.must(w.eng.Begin(t.Context(), token, p, engine.StateExpanding))
			end := w.holding("SELECT * FROM users")
			first := later(func() error { return w.eng.Run(context.WithoutCancel(t.Context()), stepRun(token, p, 0)) })
			w.until("the step is at work", "SELECT COUNT(*) > 0 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO = ?", statement)
			_, holder, ok, err := w.eng.Acquire(t.Context(), "second", time.Hour, false)
			w.must(err)
			if ok || holder != "first" {
				t.Fatalf("%s: a live lease was taken, from %s", what, holder)
			}
			w.exec("UPDATE phased_lease SET expires_at = '2001-01-01'")
			_, _, ok, err = w.eng.Acquire(t.Context(), "second", time.Hour, false)
			w.must(err)
			is(w, "taken over", ok, true)
			is(w, "sessions at work", get[int](w, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO = ?", statement), 0)
			end()
			if err := <-first; err == nil {
				t.Errorf("%s: the step of the first runner went through", what)
			}
			time.Sleep(50 * time.Millisecond)
			is(w, what+": columns", get[int](w, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users'"), 3)
			is(w, what+": done", w.row("done) FROM phased_step"), "0")
			w.exec("UPDATE phased_lease SET expires_at = '2001-01-01'", "DELETE FROM phased_step", "DELETE FROM phased_migration", "DELETE FROM phased_event")
		}
	})
}

// Force takes the lease from a live holder, with its step.
func TestForceEndsALiveHolder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token, _, _, err := w.eng.Acquire(t.Context(), "first", time.Hour, false)
		w.must(err)
		p := w.begin(token, "0001", step(plan.PhaseExpand, "SELECT SLEEP(60)"))
		first := later(func() error { return w.eng.Run(context.WithoutCancel(t.Context()), stepRun(token, p, 0)) })
		w.until("the step is at work", "SELECT COUNT(*) > 0 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO = 'SELECT SLEEP(60)'")
		_, _, ok, err := w.eng.Acquire(t.Context(), "second", time.Hour, true)
		w.must(err)
		is(w, "taken", ok, true)
		if err := <-first; err == nil || !(w.eng.Disconnected(err) || errors.Is(err, engine.ErrLeaseLost)) {
			t.Errorf("the first one's step: %v", err)
		}
	})
}

// A step whose caller gives up does not go on in the server.
func TestCancelledStepIsEnded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		token := w.lease("me")
		p := w.begin(token, "0001", step(plan.PhaseExpand, "ALTER TABLE users ADD COLUMN c int NULL, ALGORITHM=INSTANT"))
		end := w.holding("SELECT * FROM users")
		ctx, cancel := context.WithCancel(t.Context())
		run := later(func() error { return w.eng.Run(ctx, stepRun(token, p, 0)) })
		w.waiting(1)
		cancel()
		if err := <-run; err == nil {
			t.Error("it went through")
		}
		w.until("its session is gone", "SELECT COUNT(*) = 0 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'ALTER TABLE users%'")
		end()
		is(w, "columns", get[int](w, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users'"), 3)
	})
}

// A lock that is not to be had ends the try; nothing is held, and who holds it is named.
func TestStepGivesUpWaitingForALock(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		token := w.lease("me")
		s := step(plan.PhaseExpand, "ALTER TABLE users ADD COLUMN c int NULL, ALGORITHM=INSTANT")
		s.LockTimeout = time.Second
		p := w.begin(token, "0001", s)
		end := w.holding("SELECT * FROM users")
		err := w.eng.Run(t.Context(), stepRun(token, p, 0))
		if !w.eng.LockTimeout(err) || !w.eng.Retryable(err) {
			t.Fatalf("%v", err)
		}
		held, err := w.eng.Holders(t.Context(), "`users`")
		w.must(err)
		if len(held) != 1 || !strings.Contains(held[0].Mode, "SHARED_READ") {
			t.Errorf("held by %+v", held)
		}
		is(w, "recorded", w.row("done, attempts, error LIKE '%1205%') FROM phased_step"), "0|1|1")
		end()
		w.must(w.eng.Run(t.Context(), stepRun(token, p, 0)))
	})
}

// What must be true before a step is asked on its own session, and stops it.
func TestCheckStopsAStep(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		token := w.lease("me")
		s := step(plan.PhaseDrop, "ALTER TABLE users DROP COLUMN a")
		s.Check = "SELECT COUNT(*) = 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' AND COLUMN_NAME = 'a' AND COLUMN_COMMENT = 'x'"
		p := w.begin(token, "0001", s)
		if err := w.eng.Run(t.Context(), stepRun(token, p, 0)); err == nil || !strings.Contains(err.Error(), "nothing was done") || w.eng.Retryable(err) {
			t.Errorf("%v", err)
		}
		is(w, "a", get[int](w, "SELECT COUNT(a) FROM users"), 0)
	})
}

// The sync changes by creating first and dropping afterwards; where a run ended in
// the middle, the next one makes it what it has to be.
func TestSyncStepFromAnyState(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		token := w.lease("me")
		l := pair("0001", "users", "a", "b", "int(11)")
		add := plan.Step{Phase: plan.PhaseExpand, Change: 1, Title: "sync", Sync: &plan.SyncStep{Table: "users", Add: &l}, Relation: "`users`", LockTimeout: time.Second}
		remove := plan.Step{Phase: plan.PhaseUndo, Change: 1, Title: "no sync", Sync: &plan.SyncStep{Table: "users", Remove: l.ID}, Relation: "`users`", LockTimeout: time.Second}
		p := w.begin(token, "0001", add, remove)
		ours := "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'phased~%'"
		create := w.eng.Compose("", "users", []plan.Link{l})
		for _, before := range [][]string{nil, create[:1], create[1:], {"CREATE TRIGGER `phased~former~users~i` BEFORE INSERT ON users FOR EACH ROW SET NEW.a = NEW.a"}} {
			w.exec(before...)
			w.must(w.eng.Run(t.Context(), stepRun(token, p, 0)))
			w.must(w.eng.Run(t.Context(), stepRun(token, p, 0)))
			is(w, "triggers", get[int](w, ours), 2)
			is(w, "links", get[int](w, "SELECT COUNT(*) FROM phased_link"), 1)
			w.must(w.eng.Run(t.Context(), stepRun(token, p, 1)))
			is(w, "triggers afterwards", get[int](w, ours), 0)
			is(w, "links afterwards", get[int](w, "SELECT COUNT(*) FROM phased_link"), 0)
		}
	})
}

// What runs directly on an empty database goes on where a run ended.
func TestDirectGoesOnWhereItEnded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("me")
		p := w.planned("0001")
		p.Direct = []string{users, "INSERT INTO users VALUES (1, 1, 1)", "ALTER TABLE users RENAME COLUMN a TO c", "CREATE INDEX x ON users (c)", "INSERT INTO users VALUES (1, 1, 1)"}
		if err := w.eng.RunDirect(t.Context(), token, p, engine.StateComplete); err == nil || !strings.Contains(err.Error(), "Duplicate entry") {
			t.Fatalf("%v", err)
		}
		// As if each had been cut off behind its statement.
		w.exec("UPDATE phased_step SET done = 0 WHERE n IN (0, 2, 3)")
		p.Direct[4] = "INSERT INTO users VALUES (2, 1, 1)"
		w.must(w.eng.RunDirect(t.Context(), token, p, engine.StateComplete))
		is(w, "rows", w.row("id, c) FROM users ORDER BY id"), "1|1; 2|1")
		is(w, "state", w.row("state) FROM phased_migration"), "complete")
	})
}
