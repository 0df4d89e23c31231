package postgres_test

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
	w.must(w.eng.Begin(w.Context(), token, planned(name), s))
	w.exec(`UPDATE phased.migration SET contracts = true WHERE name = '` + name + `'`)
}

func TestRegisterRefusesABuildWithoutTheLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.lease("a")
	for name, s := range map[string]engine.State{"0001": engine.StateDropped, "0002": engine.StateDropping, "0003": engine.StateHidden, "0004": engine.StateVerified, "0005": engine.StateRolledBack, "0006": engine.StateExpanded} {
		w.contracting(token, name, s)
	}
	w.must(w.eng.Begin(t.Context(), token, planned("0007"), engine.StateDropped)) // has removed nothing
	for _, tt := range []struct{ lines, gone []string }{
		{nil, []string{"0001", "0002", "0003"}},
		{[]string{"0002", "0004"}, []string{"0001", "0003"}},
		{[]string{"0003", "0002", "0001"}, nil},
	} {
		w.exec(`DELETE FROM phased.instance`)
		err := w.eng.Register(t.Context(), engine.Instance{ID: "i", App: "app", Lines: tt.lines, Lifetime: time.Minute})
		var c *engine.Contracted
		if tt.gone == nil {
			w.must(err)
			continue
		}
		if !errors.As(err, &c) || !slices.Equal(c.Migrations, tt.gone) {
			t.Errorf("lines %v: %v, want %v", tt.lines, err, tt.gone)
		}
		is(w, "rows of one that was refused", get[int](w, `SELECT count(*) FROM phased.instance`), 0)
	}
}

// What runs as written on an empty database has no old side either.
func TestRegisterAfterRunDirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := planned("0001")
	p.Direct = []string{"CREATE TABLE users (id int) -- with a comment", "ALTER TABLE users RENAME id TO no"}
	w.must(w.eng.RunDirect(t.Context(), w.lease("a"), p, engine.StateDropped))
	is(w, "column", get[int](w, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'no'`), 1)
	var c *engine.Contracted
	if err := w.eng.Register(t.Context(), engine.Instance{ID: "i"}); !errors.As(err, &c) {
		t.Errorf("an older build: %v", err)
	}
}

// Registering and hiding lock the same row: whichever comes second sees the first.
func TestRegisterRacesHiding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (old int)`)
	w.exec(`ALTER DATABASE "` + get[string](w, `SELECT current_database()`) + `" SET default_transaction_isolation = 'serializable'`)
	token := w.lease("a")
	p := w.begin(token, "0001", inTx(`ALTER TABLE public.users RENAME old TO hidden`))
	w.exec(`UPDATE phased.migration SET contracts = true`)
	x := w.wire()
	w.must(x.eng.Register(t.Context(), engine.Instance{ID: "new", App: "new", Lines: []string{"0001"}, Lifetime: time.Minute}))
	hide := stepRun(token, p, 0)
	hide.State, hide.Prelude = engine.StateHidden, w.eng.RegisterGuard("0001", time.Hour)
	old := engine.Instance{ID: "old", App: "old", Lifetime: time.Minute}

	// Hiding is first: it has the register's row and waits for the table.
	reader := w.holding(`SELECT FROM users`)
	hidden := later(func() error { return x.eng.Run(t.Context(), hide) })
	w.waiting(1)
	registered := later(func() error { return x.eng.Register(t.Context(), old) })
	w.waiting(2)
	reader()
	w.must(<-hidden)
	var c *engine.Contracted
	if err := <-registered; !errors.As(err, &c) {
		t.Errorf("registered although the old side was hidden meanwhile: %v", err)
	}

	// Registering is first: hiding waits for it and sees it.
	w.exec(`ALTER TABLE users RENAME hidden TO old`, `UPDATE phased.migration SET state = 'verified'`, `UPDATE phased.step SET done = false`)
	starting := w.holding(`SELECT FROM phased.register FOR SHARE`, `INSERT INTO phased.instance (id, app, version, host, pid, lines, lifetime) VALUES ('old', 'old', '', '', 1, '{}', '1 min')`)
	hidden = later(func() error { return x.eng.Run(t.Context(), hide) })
	w.waiting(1)
	starting()
	if _, refused := w.eng.GuardRefused(<-hidden); !refused {
		t.Error("hidden although an old build has registered meanwhile")
	}
	is(w, "columns old", get[int](w, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'old'`), 1)
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
	if !got.Alive || got.Stopped || got.Started.IsZero() || got.SeenAgo < 0 || got.SeenAgo > time.Minute {
		t.Errorf("%+v", got)
	}
	got.Started, got.SeenAgo, got.Alive = time.Time{}, 0, false
	if got.App != in.App || got.Version != in.Version || got.Host != in.Host || got.PID != in.PID || got.Lifetime != in.Lifetime || !slices.Equal(got.Lines, in.Lines) {
		t.Errorf("%+v, want %+v", got, in)
	}

	w.exec(`UPDATE phased.instance SET seen_at = clock_timestamp() - interval '31 s'`)
	if got := one(); got.Alive || got.SeenAgo < 31*time.Second || got.SeenAgo > 10*time.Minute {
		t.Errorf("not seen for longer than its lifetime: %+v", got)
	}
	gone, err := w.eng.Heartbeat(t.Context(), "i")
	if err != nil || len(gone) != 0 || !one().Alive {
		t.Errorf("%v, %v", gone, err)
	}
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, ""))
	if gone, err = w.eng.Heartbeat(t.Context(), "i"); err != nil || !slices.Equal(gone, []string{"0001"}) {
		t.Errorf("%v, %v", gone, err)
	}

	w.must(w.eng.Deregister(t.Context(), "i"))
	stopped := get[time.Time](w, `SELECT seen_at FROM phased.instance`)
	if _, err := w.eng.Heartbeat(t.Context(), "i"); err == nil {
		t.Error("a late heartbeat of one that said goodbye")
	}
	if got := one(); got.Alive || !got.Stopped || !get[time.Time](w, `SELECT seen_at FROM phased.instance`).Equal(stopped) {
		t.Errorf("after goodbye: %+v", got)
	}
	if _, err := w.eng.Heartbeat(t.Context(), "unknown"); err == nil {
		t.Error("a heartbeat of one that is not in the register")
	}
	in.Lines, in.Version = []string{"0001"}, "v2"
	w.must(w.eng.Register(t.Context(), in)) // Up again
	if got := one(); !got.Alive || got.Version != "v2" || !slices.Equal(got.Lines, in.Lines) {
		t.Errorf("registered again: %+v", got)
	}
}

func TestRegisterForgetsAfterAMonth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"a", "b"} {
		w.must(w.eng.Register(t.Context(), engine.Instance{ID: id, Lifetime: time.Minute}))
	}
	w.exec(`UPDATE phased.instance SET seen_at = clock_timestamp() - interval '30 days 1 s' WHERE id = 'a'`, `UPDATE phased.instance SET seen_at = clock_timestamp() - interval '29 days' WHERE id = 'b'`)
	x := w.wire()
	w.must(x.eng.Register(t.Context(), engine.Instance{ID: "c", Lifetime: time.Minute}))
	is(w, "round trips", len(x.take()), 1)
	is(w, "instances", get[string](w, `SELECT string_agg(id, ' ' ORDER BY id) FROM phased.instance`), "b c")
}
