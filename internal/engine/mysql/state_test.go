package mysql_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/mysql"
)

func TestBootstrapManyAtOnce(t *testing.T) {
	eachEmpty(t, func(t *testing.T, w *world) {
		w.db.SetMaxOpenConns(25) // the server's connections are for all tests
		w.exec(`CREATE TABLE one (n int)`)
		start := make(chan struct{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				<-start
				if err := w.eng.Bootstrap(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := w.eng.Overview(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		all.Wait()
		is(w, "rows", w.row("(SELECT COUNT(*) FROM phased_meta), (SELECT COUNT(*) FROM phased_lease), (SELECT COUNT(*) FROM phased_register), (SELECT tables_found FROM phased_meta)) FROM dual"), "1|1|1|1")
	})
}

func TestBootstrapSaysWhatItFound(t *testing.T) {
	eachEmpty(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE one (n int)`, `CREATE VIEW two AS SELECT 1`)
		if _, err := w.eng.Overview(t.Context()); !errors.Is(err, engine.ErrNoState) {
			t.Fatalf("without state: %v", err)
		}
		if _, err := w.eng.Links(t.Context(), "", ""); !errors.Is(err, engine.ErrNoState) {
			t.Fatalf("without state: %v", err)
		}
		x := w.wire(hostile)
		w.must(x.eng.Bootstrap(t.Context()))
		w.must(x.eng.Bootstrap(t.Context())) // again does nothing
		ov, err := w.eng.Overview(t.Context())
		w.must(err)
		is(w, "tables", ov.Tables, 2)
		is(w, "fresh", ov.Fresh, false)

		// Somebody is at it: the tables are there, the last row is not.
		w.exec(`DELETE FROM phased_meta`)
		if _, err := w.eng.Overview(t.Context()); !errors.Is(err, engine.ErrNoState) {
			t.Errorf("half set up: %v", err)
		}
		w.exec(`INSERT INTO phased_meta VALUES (1, 2, 0, 0, 0, UTC_TIMESTAMP(6))`)
		if _, err := w.eng.Overview(t.Context()); err == nil || !strings.Contains(err.Error(), "format 2") {
			t.Errorf("a later format: %v", err)
		}
		w.exec(`DROP TABLE phased_meta`, `CREATE TABLE phased_meta (n int)`)
		for what, err := range map[string]error{"bootstrap": w.eng.Bootstrap(t.Context()), "overview": second(w.eng.Overview(t.Context()))} {
			if err == nil || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("%s where phased_meta is somebody else's: %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestPrivileges(t *testing.T) {
	eachEmpty(t, func(t *testing.T, w *world) {
		poor, account := w.as("SELECT", "INSERT")
		way := "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW ON `" + w.name + "`.* TO " + account
		if err := poor.eng.Bootstrap(t.Context()); err == nil || !strings.Contains(err.Error(), way) {
			t.Fatalf("want %q in: %v", way, err)
		}
		w.exec(way)
		poor.db.SetMaxIdleConns(0) // a session keeps the privileges that it began with
		w.must(poor.eng.Bootstrap(t.Context()))
		token := w.lease("a")
		w.must(poor.eng.Begin(t.Context(), token, w.planned("0001"), engine.StateExpanding))
		w.must(poor.eng.Register(t.Context(), engine.Instance{ID: "i", Lifetime: time.Minute}))
		ov, err := poor.eng.Overview(t.Context())
		if err != nil || ov.Server.Role != strings.ReplaceAll(account, "`", "") {
			t.Errorf("%+v, %v", ov, err)
		}

		// Another account, which may do nothing.
		poorer, _ := w.as("SHOW VIEW")
		for what, err := range map[string]error{"overview": second(poorer.eng.Overview(t.Context())), "links": second(poorer.eng.Links(t.Context(), "", "")), "register": poorer.eng.Register(t.Context(), engine.Instance{ID: "i"})} {
			if err == nil || !strings.Contains(err.Error(), "GRANT SELECT, INSERT") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestOverviewIsOneQuery(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		w.begin(token, "0002 ü 😀")
		w.must(w.eng.Mark(t.Context(), token, "0002 ü 😀", engine.StateHidden, "why ü"))
		w.begin(token, "0001")
		w.exec(`UPDATE phased_migration SET hidden_at = UTC_TIMESTAMP(6) - INTERVAL 90 SECOND WHERE name <> '0001'`)
		x := w.wire(hostile)
		w.must(x.db.PingContext(t.Context()))
		x.take()
		ov, err := x.eng.Overview(t.Context())
		w.must(err)
		if sent := x.take(); len(sent) != 1 {
			t.Errorf("sent %+v, want one query", sent)
		}
		if ov.Server.Version < 80400 || ov.Server.Database != w.name || ov.Server.Role == "" || ov.Server.NoWrites != "" {
			t.Errorf("server %+v", ov.Server)
		}
		if len(ov.Migrations) != 2 || ov.Migrations[0].Name != "0001" {
			t.Fatalf("migrations %+v", ov.Migrations)
		}
		m := ov.Find("0002 ü 😀")
		if m == nil || m.State != engine.StateHidden || m.Reason != "why ü" || m.StateAt.IsZero() || m.HiddenAt.IsZero() || !ov.Find("0001").HiddenAt.IsZero() {
			t.Fatalf("%+v", m)
		}
		if m.HiddenAgo.Seconds() < 90 || m.HiddenAgo.Seconds() > 300 || time.Since(m.HiddenAt) < 80*time.Second {
			t.Errorf("hidden for %v, at %v", m.HiddenAgo, m.HiddenAt)
		}
	})
}

// What was sent twice, because its answer was lost, is recorded once.
func TestBeginTwice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		p := w.planned("0001", step(plan.PhaseExpand, "SELECT 1"))
		p.Fills = []plan.Fill{{Link: pair("0001", "users", "a", "b", "int"), Key: []string{"id"}, Table: "users"}}
		x := w.wire()
		w.must(w.eng.Begin(t.Context(), token, p, engine.StateExpanding))
		before := w.dump()
		w.must(x.eng.Begin(t.Context(), token, p, engine.StateExpanding))
		is(w, "state", w.dump(), before)
		p.Migration.Checksum = "other"
		if _, refused := w.eng.GuardRefused(w.eng.Begin(t.Context(), token, p, engine.StateExpanding)); !refused {
			t.Error("another migration of that name was taken for it")
		}
		if err := w.eng.Begin(t.Context(), token-1, w.planned("0002"), engine.StateExpanding); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("without the lease: %v", err)
		}
		is(w, "state", w.dump(), before)
	})
}

func TestMark(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		w.begin(token, "0001")
		w.exec(`UPDATE phased_migration SET state_at = '2001-01-01', hiding = 1`)

		err := w.eng.Mark(t.Context(), token, "0001", engine.StateVerified, "", engine.StateExpanded, engine.StateBackfilling)
		said, refused := w.eng.GuardRefused(err)
		if want := "migration 0001 is expanding, and becomes verified only from expanded or backfilling"; !refused || said != want {
			t.Errorf("got %q (%v), want %q", said, err, want)
		}
		if err := w.eng.Mark(t.Context(), token, "none", engine.StateVerified, ""); err == nil || !strings.Contains(err.Error(), "not recorded") {
			t.Errorf("unknown migration: %v", err)
		}
		is(w, "touched", get[bool](w, `SELECT state = 'expanding' AND state_at = '2001-01-01' AND hiding FROM phased_migration`), true)
		is(w, "events", get[int](w, `SELECT COUNT(*) FROM phased_event WHERE what <> 'expanding'`), 0)

		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, "old code is gone", engine.StateExpanding))
		is(w, "hidden", get[bool](w, `SELECT state = 'hidden' AND state_at > '2001-01-02' AND hidden_at IS NOT NULL AND reason = 'old code is gone' AND NOT hiding FROM phased_migration`), true)
		w.exec(`UPDATE phased_migration SET hidden_at = '2001-01-01', state_at = '2001-01-01'`)
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, "old code is gone", engine.StateExpanding)) // sent again
		is(w, "events", get[int](w, `SELECT COUNT(*) FROM phased_event`), 2)
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, "for another reason"))
		is(w, "the soak goes on", get[bool](w, `SELECT hidden_at = '2001-01-01' AND state_at = '2001-01-01' FROM phased_migration`), true)
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateDropping, ""))
		is(w, "hidden_at stays", get[bool](w, `SELECT hidden_at = '2001-01-01' AND state_at > '2001-01-01' FROM phased_migration`), true)
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateRolledBack, strings.Repeat("ü", 100_000)+"\xff"))
		is(w, "hidden_at is gone", get[bool](w, `SELECT hidden_at IS NULL FROM phased_migration`), true)

		events, err := w.wire(hostile).eng.Events(t.Context(), "0001", 10)
		w.must(err)
		if len(events) != 5 || events[3].What != "hidden" || events[2].Detail != "for another reason" || events[3].Detail != "old code is gone" || time.Since(events[3].At).Abs() > time.Hour {
			t.Errorf("events, latest first: %d %+v", len(events), events[1:])
		}
		if events, err = w.eng.Events(t.Context(), "", 1); err != nil || len(events) != 1 || events[0].What != "rolled-back" {
			t.Errorf("the latest of all: %v", err)
		}
		if err := w.eng.Mark(t.Context(), token-1, "0001", engine.StateExpanding, ""); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("without the lease: %v", err)
		}
	})
}

// The answer to a step's end is lost, the next try finds it done and records it: the log
// says once what happened once.
func TestWhatIsRecordedIsNotRecordedAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE users (id int)`)
		token := w.lease("a")
		s := step(plan.PhaseExpand, `ALTER TABLE users ADD COLUMN n int`)
		s.Done = `SELECT COUNT(*) > 0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' AND COLUMN_NAME = 'n'`
		p := w.begin(token, "0001", s)
		r := stepRun(token, p, 0)
		r.State, r.Reason = engine.StateComplete, "because"
		w.run(r)
		w.exec(`UPDATE phased_lease SET connection_id = 0`)
		before := w.dump()
		w.must(w.eng.Record(t.Context(), r))
		w.run(r)
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateComplete, "because"))
		w.exec(`UPDATE phased_lease SET connection_id = 0`)
		is(w, "state", w.dump(), before)
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateComplete, "for another reason"))
		is(w, "events", w.row("what, detail) FROM phased_event ORDER BY id"), "expanding|; step|do it; complete|because; complete|for another reason")
	})
}

func TestForgetOnlyWhatIsRolledBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		p := w.planned("0001", step(plan.PhaseExpand, "SELECT 1"))
		l := pair("0001", "users", "a", "b", "int")
		p.Fills = []plan.Fill{{Link: l, Key: []string{"id"}, Table: "users"}}
		w.must(w.eng.Begin(t.Context(), token, p, engine.StateExpanding))
		other := w.planned("0002")
		other.Fills = []plan.Fill{{Link: pair("0002", "users", "c", "d", "int"), Key: []string{"id"}, Table: "users"}}
		w.must(w.eng.Begin(t.Context(), token, other, engine.StateExpanding))
		if err := w.eng.Forget(t.Context(), token, "0001"); err == nil || !strings.Contains(err.Error(), "it is expanding") {
			t.Errorf("forget what is in flight: %v", err)
		}
		w.exec(`INSERT INTO phased_poison VALUES ('`+l.ID+`', UNHEX(SHA2('1', 256)), '["1"]', '', UTC_TIMESTAMP(6))`, `INSERT INTO phased_evidence VALUES ('0001', 'reads', '1', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`,
			`UPDATE phased_fill SET token = 7, lease_until = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR`)
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateRollingBack, ""))
		is(w, "fills", w.row("id, state, token, lease_until > UTC_TIMESTAMP(6)) FROM phased_fill ORDER BY id"), "0001/1|cancelled|8|0; 0002/1|pending|7|1")
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateRolledBack, ""))
		w.must(w.eng.Forget(t.Context(), token, "0001"))
		is(w, "rows left", w.row(`(SELECT COUNT(*) FROM phased_migration), (SELECT COUNT(*) FROM phased_step), (SELECT COUNT(*) FROM phased_fill), (SELECT COUNT(*) FROM phased_poison), (SELECT COUNT(*) FROM phased_evidence)) FROM dual`), "1|0|1|0|0")
		w.must(w.eng.Begin(t.Context(), token, p, engine.StateExpanding)) // it can run again
	})
}

// A chunk holds its migration and then its fill; marking takes them in the same order.
func TestRollbackWaitsForAChunk(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		p := w.planned("0001")
		p.Fills = []plan.Fill{{Link: pair("0001", "users", "a", "b", "int"), Key: []string{"id"}, Table: "users"}}
		w.must(w.eng.Begin(t.Context(), token, p, engine.StateBackfilling))
		tx, err := w.db.BeginTx(t.Context(), nil)
		w.must(err)
		defer tx.Rollback() //nolint:errcheck // after a failure
		hold := func(s string) {
			t.Helper()
			if _, err := tx.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		hold(`SELECT state FROM phased_migration WHERE name = '0001' LOCK IN SHARE MODE`)
		marked := later(func() error { return w.eng.Mark(t.Context(), token, "0001", engine.StateRollingBack, "") })
		w.waiting(1)
		hold(`UPDATE phased_fill SET filled = 5 WHERE id = '0001/1'`)
		w.must(tx.Commit())
		w.must(<-marked)
		is(w, "fill", w.row("filled, state) FROM phased_fill"), "5|cancelled")
	})
}

func TestPause(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		for name, s := range map[string]engine.State{"0001": engine.StateComplete, "0002": engine.StateBackfilling, "0003": engine.StateVerified} {
			w.must(w.eng.Begin(t.Context(), token, w.planned(name), s))
		}
		x := w.wire(hostile)
		for _, tt := range []struct {
			name   string
			paused bool
			want   int
		}{{"0002", true, 1}, {"0002", true, 1}, {"none", true, 0}, {"", true, 1}, {"", true, 0}, {"", false, 2}, {"0001", true, 1}, {"", false, 1}} {
			n, err := x.eng.Pause(t.Context(), tt.name, tt.paused)
			if err != nil || n != tt.want {
				t.Errorf("pause %q %t: %d, %v, want %d", tt.name, tt.paused, n, err, tt.want)
			}
		}
		is(w, "paused", get[int](w, `SELECT COUNT(*) FROM phased_migration WHERE paused`), 0)
		is(w, "events", get[int](w, `SELECT COUNT(*) FROM phased_event WHERE what IN ('paused', 'unpaused')`), 6)

		// It waits for a chunk in flight.
		chunk := w.holding(`SELECT state FROM phased_migration WHERE name = '0002' LOCK IN SHARE MODE`)
		paused := later(func() error { return second(x.eng.Pause(t.Context(), "", true)) })
		w.waiting(1)
		is(w, "paused while a chunk is in flight", get[int](w, `SELECT COUNT(*) FROM phased_migration WHERE paused`), 0)
		chunk()
		w.must(<-paused)
		is(w, "paused", get[int](w, `SELECT COUNT(*) FROM phased_migration WHERE paused`), 2)
	})
}

func TestBaselineAndSettle(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		w.must(w.eng.Settle(t.Context(), token))
		for range 2 {
			w.must(w.eng.MarkBaseline(t.Context(), token, []string{"0001", "it's"}, []string{"x", "y"}))
		}
		ov, err := w.eng.Overview(t.Context())
		w.must(err)
		if ov.Fresh || !ov.Baseline || len(ov.Migrations) != 2 || ov.Find("it's").State != engine.StateBaseline || ov.Find("it's").Checksum != "y" {
			t.Errorf("%+v", ov)
		}
		for _, name := range []string{"it's", "none"} {
			if p, err := w.eng.Plan(t.Context(), name); p != nil || err != nil {
				t.Errorf("plan of %s: %v, %v", name, p, err)
			}
		}
	})
}

// Names are data: quotes, backslashes, other scripts, under any setting of the pool.
func TestNamesOfAnyKind(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, setting := range []func(*driver.Config){hostile, func(cfg *driver.Config) { w.must(cfg.Apply(driver.Charset("latin1", ""))) }} {
			for _, name := range []string{"it's `0001` \\' \" %s %I ; -- /* \\", `0007_プロフィール_ü_😀`, "two\nlines"} {
				x := w.wire(setting)
				token := w.lease(name)
				l := pair(name, "users", "old", name, "int")
				s := step(plan.PhaseExpand, "SELECT '"+name+"'")
				s.Title = name
				p := w.planned(name, s)
				p.Fills = []plan.Fill{{Link: l, Key: []string{name}, Table: "users"}}
				w.must(x.eng.Begin(t.Context(), token, p, engine.StateExpanding))
				raw, err := json.Marshal(l)
				w.must(err)
				_, err = w.db.ExecContext(t.Context(), `INSERT INTO phased_link (id, migration, table_name, link) VALUES (?, ?, 'users', ?)`, l.ID, name, string(raw))
				w.must(err)

				stored, err := x.eng.Plan(t.Context(), name)
				w.must(err)
				if got, want := encode(t, stored), encode(t, p); got != want {
					t.Errorf("plan\n%s\nwant\n%s", got, want)
				}
				steps, err := x.eng.Steps(t.Context(), name)
				if err != nil || len(steps) != 1 || steps[0].Title != name || steps[0].Done || steps[0].Phase != plan.PhaseExpand {
					t.Errorf("steps %+v, %v", steps, err)
				}
				links, err := x.eng.Links(t.Context(), "", "users")
				if err != nil || len(links) != 1 || links[0] != l {
					t.Errorf("links %+v, %v", links, err)
				}
				w.must(x.eng.Mark(t.Context(), token, name, engine.StateHidden, name))
				events, err := x.eng.Events(t.Context(), name, 10)
				if err != nil || len(events) != 2 || events[0].Migration != name || events[0].Detail != name {
					t.Errorf("events %+v, %v", events, err)
				}
				ov, err := x.eng.Overview(t.Context())
				if err != nil || ov.Find(name) == nil || ov.Find(name).Reason != name {
					t.Errorf("overview %+v, %v", ov, err)
				}
				w.must(x.eng.Register(t.Context(), engine.Instance{ID: name, App: name, Version: name, Host: name, Lines: []string{name}, Lifetime: time.Minute}))
				w.exec(`UPDATE phased_migration SET contracts = 1`)
				var c *engine.Contracted
				if err := x.eng.Register(t.Context(), engine.Instance{ID: "other"}); !errors.As(err, &c) || len(c.Migrations) != 1 || c.Migrations[0] != name {
					t.Errorf("an instance without the line: %v", err)
				}
				in, err := x.eng.Instances(t.Context())
				if err != nil || len(in) != 1 || in[0].ID != name || len(in[0].Lines) != 1 || in[0].Lines[0] != name {
					t.Errorf("instances %+v, %v", in, err)
				}
				if _, err := x.eng.Heartbeat(t.Context(), name); err != nil {
					t.Error(err)
				}
				for _, table := range []string{"migration", "step", "fill", "link", "event", "instance"} {
					w.exec(`DELETE FROM phased_` + table)
				}
			}
		}
	})
}

func encode(t *testing.T, p *plan.Plan) string {
	t.Helper()
	if p == nil {
		return "none"
	}
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var _ engine.Store = (*mysql.Engine)(nil)
