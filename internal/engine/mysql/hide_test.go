package mysql_test

import (
	"errors"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Registering and hiding lock the same row: whichever comes second sees the first. While
// the old side is being hidden, a build without the line is refused already.
func TestHidingAsksTheRegister(t *testing.T) {
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
