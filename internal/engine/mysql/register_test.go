package mysql_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// contracting records a migration that has something to remove.
func (w *world) contracting(token int64, name string, s engine.State) {
	w.Helper()
	w.must(w.eng.Begin(w.Context(), token, w.planned(name), s))
	w.exec(`UPDATE phased_migration SET contracts = 1 WHERE name = '` + name + `'`)
}

func TestRegisterRefusesABuildWithoutTheLine(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		for name, s := range map[string]engine.State{"0001": engine.StateDropped, "0002": engine.StateDropping, "0003": engine.StateHidden, "0004": engine.StateVerified,
			"0005": engine.StateRolledBack, "0006": engine.StateExpanded, "0008": engine.StateVerified} {
			w.contracting(token, name, s)
		}
		w.must(w.eng.Begin(t.Context(), token, w.planned("0007"), engine.StateDropped))     // has removed nothing
		w.exec(`UPDATE phased_migration SET hiding = 1 WHERE name = '0008'`)                // is being hidden
		w.exec(`UPDATE phased_migration SET hiding = 1, contracts = 0 WHERE name = '0007'`) // has no old side
		for _, tt := range []struct{ lines, gone []string }{
			{nil, []string{"0001", "0002", "0003", "0008"}},
			{[]string{"0002", "0004"}, []string{"0001", "0003", "0008"}},
			{[]string{"0008", "0003", "0002", "0001"}, nil},
		} {
			w.exec(`DELETE FROM phased_instance`)
			err := w.eng.Register(t.Context(), engine.Instance{ID: "i", App: "app", Lines: tt.lines, Lifetime: time.Minute})
			var c *engine.Contracted
			if tt.gone == nil {
				w.must(err)
				continue
			}
			if !errors.As(err, &c) || !slices.Equal(c.Migrations, tt.gone) {
				t.Errorf("lines %v: %v, want %v", tt.lines, err, tt.gone)
			}
			is(w, "rows of one that was refused", get[int](w, `SELECT COUNT(*) FROM phased_instance`), 0)
		}
	})
}

// Registering and asking the register lock the same row: whichever comes second sees
// the first. The pool's sessions are at SERIALIZABLE, which does not matter.
func TestRegisterRacesHiding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		w.contracting(token, "0001", engine.StateVerified)
		x := w.wire(serializable(w))
		old := engine.Instance{ID: "old", App: "old", Lifetime: time.Minute}

		// Hiding is first: it holds the register's row.
		hiding := w.holding(`SELECT id FROM phased_register WHERE id = 1 FOR UPDATE`, `UPDATE phased_migration SET hiding = 1 WHERE name = '0001'`)
		registered := later(func() error { return x.eng.Register(t.Context(), old) })
		w.waiting(1)
		hiding()
		var c *engine.Contracted
		if err := <-registered; !errors.As(err, &c) {
			t.Errorf("registered although the old side is being hidden: %v", err)
		}

		// Registering is first: hiding waits for it.
		w.exec(`UPDATE phased_migration SET hiding = 0`)
		between := w.holding(`SELECT id FROM phased_register WHERE id = 1 LOCK IN SHARE MODE`)
		hidden := later(func() error {
			_, err := w.db.ExecContext(t.Context(), `SELECT id FROM phased_register WHERE id = 1 FOR UPDATE`)
			return err
		})
		w.waiting(1)
		between()
		w.must(<-hidden)
		w.must(x.eng.Register(t.Context(), old))
	})
}

func TestHeartbeat(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		w.contracting(token, "0001", engine.StateVerified)
		in := engine.Instance{ID: "i", App: "app", Version: "v1", Host: "h", PID: 7, Lines: []string{"0000", `it's ü 😀`}, Lifetime: 30 * time.Second}
		x := w.wire(hostile)
		w.must(x.eng.Register(t.Context(), in))
		one := func() engine.Instance {
			t.Helper()
			all, err := x.eng.Instances(t.Context())
			if err != nil || len(all) != 1 {
				t.Fatalf("%+v, %v", all, err)
			}
			return all[0]
		}
		got := one()
		if !got.Alive || got.Stopped || got.Started.IsZero() || got.SeenAgo < 0 || got.SeenAgo > time.Minute || time.Since(got.Started).Abs() > time.Hour {
			t.Errorf("%+v", got)
		}
		got.Started, got.SeenAgo, got.Alive = time.Time{}, 0, false
		if got.App != in.App || got.Version != in.Version || got.Host != in.Host || got.PID != in.PID || got.Lifetime != in.Lifetime || !slices.Equal(got.Lines, in.Lines) {
			t.Errorf("%+v, want %+v", got, in)
		}

		w.exec(`UPDATE phased_instance SET seen_at = UTC_TIMESTAMP(6) - INTERVAL 31 SECOND`)
		if got := one(); got.Alive || got.SeenAgo < 31*time.Second || got.SeenAgo > 10*time.Minute {
			t.Errorf("not seen for longer than its lifetime: %+v", got)
		}
		gone, err := x.eng.Heartbeat(t.Context(), "i")
		if err != nil || len(gone) != 0 || !one().Alive {
			t.Errorf("%v, %v", gone, err)
		}
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, ""))
		if gone, err = x.eng.Heartbeat(t.Context(), "i"); err != nil || !slices.Equal(gone, []string{"0001"}) {
			t.Errorf("%v, %v", gone, err)
		}

		w.must(x.eng.Deregister(t.Context(), "i"))
		stopped := get[string](w, `SELECT CAST(seen_at AS CHAR) FROM phased_instance`)
		if _, err := x.eng.Heartbeat(t.Context(), "i"); err == nil {
			t.Error("a late heartbeat of one that said goodbye")
		}
		if got := one(); got.Alive || !got.Stopped || get[string](w, `SELECT CAST(seen_at AS CHAR) FROM phased_instance`) != stopped {
			t.Errorf("after goodbye: %+v", got)
		}
		if _, err := x.eng.Heartbeat(t.Context(), "unknown"); err == nil {
			t.Error("a heartbeat of one that is not in the register")
		}
		in.Lines, in.Version = []string{"0001"}, "v2"
		w.must(x.eng.Register(t.Context(), in)) // Up again
		if got := one(); !got.Alive || got.Version != "v2" || !slices.Equal(got.Lines, in.Lines) {
			t.Errorf("registered again: %+v", got)
		}
	})
}

// A pool without autocommit: what the engine does is committed all the same.
func TestRegisterWithoutAutocommit(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		x := w.wire(without("autocommit"))
		w.must(x.eng.Register(t.Context(), engine.Instance{ID: "i", Lifetime: time.Minute}))
		w.exec(`UPDATE phased_instance SET seen_at = '2001-01-01'`)
		_, err := x.eng.Heartbeat(t.Context(), "i")
		w.must(err)
		is(w, "seen", get[bool](w, `SELECT seen_at > '2001-01-02' FROM phased_instance`), true)
		w.begin(w.lease("a"), "0001")
		for range 2 {
			ov, err := x.eng.Overview(t.Context())
			w.must(err)
			is(w, "migrations", len(ov.Migrations), get[int](w, `SELECT COUNT(*) FROM phased_migration`))
			w.exec(`DELETE FROM phased_migration`)
		}
	})
}

func TestRegisterForgetsAfterAMonth(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, id := range []string{"a", "b"} {
			w.must(w.eng.Register(t.Context(), engine.Instance{ID: id, Lifetime: time.Minute}))
		}
		w.exec(`UPDATE phased_instance SET seen_at = UTC_TIMESTAMP(6) - INTERVAL '30 0:0:1' DAY_SECOND WHERE id = 'a'`, `UPDATE phased_instance SET seen_at = UTC_TIMESTAMP(6) - INTERVAL 29 DAY WHERE id = 'b'`)
		w.must(w.eng.Register(t.Context(), engine.Instance{ID: "c", Lifetime: time.Minute}))
		is(w, "instances", get[string](w, `SELECT GROUP_CONCAT(id ORDER BY id SEPARATOR ' ') FROM phased_instance`), "b c")
	})
}

// Many instances start, beat and stop at once.
func TestRegisterManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.db.SetMaxOpenConns(25)
		w.exec(`INSERT INTO phased_instance (id, app, version, host, pid, contract_lines, lifetime_us, started_at, seen_at)
			SELECT CONCAT('old ', n), '', '', '', 1, '[]', 1, '2001-01-01', '2001-01-01' FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) x`)
		var all []<-chan error
		for i := range 50 {
			id := string(rune('A' + i))
			all = append(all, later(func() error {
				if err := w.eng.Register(t.Context(), engine.Instance{ID: id, App: id, Lifetime: time.Minute}); err != nil {
					return err
				}
				if _, err := w.eng.Heartbeat(t.Context(), id); err != nil {
					return err
				}
				return w.eng.Deregister(t.Context(), id)
			}))
		}
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		is(w, "instances", get[int](w, `SELECT COUNT(*) FROM phased_instance WHERE stopped`), 50)
	})
}
