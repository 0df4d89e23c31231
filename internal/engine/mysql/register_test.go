package mysql_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// contracting records a migration that has something to remove.
func (w *world) contracting(token int64, name string, s engine.State) {
	w.Helper()
	w.must(w.eng.Begin(w.Context(), token, w.planned(name), s))
	w.exec("UPDATE phased_migration SET contracts = 1 WHERE name = '" + name + "'")
}

func TestRegisterRefusesABuildWithoutTheLine(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		for name, s := range map[string]engine.State{"0001": engine.StateDropped, "0002": engine.StateDropping, "0003": engine.StateHidden, "0004": engine.StateVerified, "0005": engine.StateRolledBack, "0006": engine.StateExpanded} {
			w.contracting(token, name, s)
		}
		w.must(w.eng.Begin(t.Context(), token, w.planned("0007"), engine.StateDropped)) // has removed nothing
		w.exec("UPDATE phased_migration SET hiding = 1 WHERE name = '0004'")
		for _, tt := range []struct{ lines, gone []string }{
			{nil, []string{"0001", "0002", "0003", "0004"}},
			{[]string{"0002", "0004"}, []string{"0001", "0003"}},
			{[]string{"0003", "0002", "0001", "0004"}, nil},
		} {
			w.exec("DELETE FROM phased_instance")
			err := w.eng.Register(t.Context(), engine.Instance{ID: "i", App: "app", Lines: tt.lines, Lifetime: time.Minute})
			var c *engine.Contracted
			if tt.gone == nil {
				w.must(err)
				continue
			}
			if !errors.As(err, &c) || !slices.Equal(c.Migrations, tt.gone) {
				t.Errorf("lines %v: %v, want %v", tt.lines, err, tt.gone)
			}
			is(w, "rows of one that was refused", get[int](w, "SELECT COUNT(*) FROM phased_instance"), 0)
		}
	})
}

// Registering and hiding lock the same row: whichever comes second sees the first. While
// the old side is being hidden, a build without the line is refused already.
func TestRegisterRacesHiding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(users)
		token := w.lease("a")
		s := step(plan.PhaseHide, "ALTER TABLE users RENAME COLUMN a TO hidden, ALGORITHM=INSTANT")
		p := w.begin(token, "0001", s)
		w.exec("UPDATE phased_migration SET contracts = 1")
		x := w.wire()
		w.must(x.eng.Register(t.Context(), engine.Instance{ID: "new", App: "new", Lines: []string{"0001"}, Lifetime: time.Minute}))
		hide := stepRun(token, p, 0)
		hide.State, hide.Prelude = engine.StateHidden, w.eng.RegisterGuard("0001", time.Hour)
		old := engine.Instance{ID: "old", App: "old", Lifetime: time.Minute}

		// Hiding is first: it has asked the register and waits for the table.
		reader := w.holding("SELECT * FROM users")
		hidden := later(func() error { return x.eng.Run(t.Context(), hide) })
		w.waiting(1)
		var c *engine.Contracted
		if err := x.eng.Register(t.Context(), old); !errors.As(err, &c) {
			t.Errorf("registered while the old side is being hidden: %v", err)
		}
		reader()
		w.must(<-hidden)
		if err := x.eng.Register(t.Context(), old); !errors.As(err, &c) {
			t.Errorf("registered although the old side is hidden: %v", err)
		}
		is(w, "the mark", w.row("state, hiding) FROM phased_migration"), "hidden|0")

		// Registering is first: hiding waits for it and sees it.
		w.exec("ALTER TABLE users RENAME COLUMN hidden TO a", "UPDATE phased_migration SET state = 'verified'", "UPDATE phased_step SET done = 0")
		starting := w.holding("SELECT id FROM phased_register WHERE id = 1 LOCK IN SHARE MODE",
			"INSERT INTO phased_instance (id, app, version, host, pid, contract_lines, lifetime_us, started_at, seen_at) VALUES ('old', 'old', '', '', 1, '[]', 60000000, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))")
		hidden = later(func() error { return x.eng.Run(t.Context(), hide) })
		w.waiting(1)
		starting()
		if _, refused := w.eng.GuardRefused(<-hidden); !refused {
			t.Error("hidden although an old build has registered meanwhile")
		}
		is(w, "columns a", get[int](w, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' AND COLUMN_NAME = 'a'"), 1)
		is(w, "the mark", w.row("state, hiding) FROM phased_migration"), "verified|0")

		// A hide that does not get its lock gives the mark back too.
		w.exec("DELETE FROM phased_instance WHERE id = 'old'")
		reader = w.holding("SELECT * FROM users")
		hide.LockTimeout = time.Second
		if err := x.eng.Run(t.Context(), hide); !w.eng.LockTimeout(err) {
			t.Errorf("without its lock: %v", err)
		}
		is(w, "the mark", w.row("state, hiding) FROM phased_migration"), "verified|0")
		reader()
	})
}

func TestHeartbeat(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		w.contracting(token, "0001", engine.StateVerified)
		in := engine.Instance{ID: "i", App: "app", Version: "v1", Host: "h", PID: 7, Lines: []string{"0000", `it's`}, Lifetime: 30 * time.Second}
		w.must(w.eng.Register(t.Context(), in))
		one := func() engine.Instance {
			t.Helper()
			all, err := w.eng.Instances(t.Context())
			if err != nil || len(all) != 1 {
				t.Fatalf("%+v, %v", all, err)
			}
			return all[0]
		}
		got := one()
		if !got.Alive || got.Stopped || got.SeenAgo < 0 || got.SeenAgo > time.Minute || time.Since(got.Started).Abs() > time.Hour {
			t.Errorf("%+v", got)
		}
		if got.App != in.App || got.Version != in.Version || got.Host != in.Host || got.PID != in.PID || got.Lifetime != in.Lifetime || !slices.Equal(got.Lines, in.Lines) {
			t.Errorf("%+v, want %+v", got, in)
		}
		w.exec("UPDATE phased_instance SET seen_at = seen_at - INTERVAL 1 HOUR")
		is(w, "alive", one().Alive, false)
		gone, err := w.eng.Heartbeat(t.Context(), "i")
		w.must(err)
		is(w, "gone", len(gone), 0)
		is(w, "alive", one().Alive, true)
		w.exec("UPDATE phased_migration SET state = 'hidden'")
		gone, err = w.eng.Heartbeat(t.Context(), "i")
		w.must(err)
		is(w, "gone", slices.Equal(gone, []string{"0001"}), true)
		w.must(w.eng.Deregister(t.Context(), "i"))
		is(w, "stopped", one().Stopped, true)
		if _, err := w.eng.Heartbeat(t.Context(), "i"); err == nil {
			t.Error("a sign of life of one that said goodbye")
		}
		if _, err := w.eng.Heartbeat(t.Context(), "nobody"); err == nil {
			t.Error("a sign of life of nobody")
		}
	})
}
