package postgres_test

import (
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/postgres"
)

func TestBootstrapManyAtOnce(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"", "CREATE SCHEMA phased"} {
		w := empty(t)
		if given != "" {
			w.exec(given)
		}
		w.db.SetMaxOpenConns(25) // the server's connections are for all tests
		begin := make(chan struct{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				<-begin
				if err := w.eng.Bootstrap(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := w.eng.Overview(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		all.Wait()
		is(w, "rows of phased.meta", get[int](w, `SELECT count(*) FROM phased.meta`), 1)
		is(w, "PUBLIC may use the schema", get[bool](w, `SELECT has_schema_privilege('public', 'phased', 'USAGE')`), true)
	}
}

func TestBootstrapSaysWhatItFound(t *testing.T) {
	t.Parallel()
	w := empty(t)
	w.exec(`CREATE TABLE one (n int); CREATE VIEW two AS SELECT 1`)
	if _, err := w.eng.Overview(t.Context()); !errors.Is(err, engine.ErrNoState) {
		t.Fatalf("without state: %v", err)
	}
	w.must(w.eng.Bootstrap(t.Context()))
	w.must(w.eng.Bootstrap(t.Context())) // again does nothing
	ov, err := w.eng.Overview(t.Context())
	w.must(err)
	is(w, "tables", ov.Tables, 2)
	is(w, "fresh", ov.Fresh, false)

	other := empty(t)
	other.exec(`CREATE SCHEMA phased; CREATE TABLE phased.meta (n int)`)
	if err := other.eng.Bootstrap(t.Context()); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("schema phased of somebody else's: %v", err)
	}
}

// as gives an engine that works as another role, which may do nothing.
func (w *world) as(role string) (*postgres.Engine, *sql.DB) {
	w.Helper()
	name := pgx.Identifier{role}.Sanitize()
	w.exec(`CREATE ROLE ` + name)
	w.Cleanup(func() {
		_, err := w.db.Exec(`DROP OWNED BY ` + name + ` CASCADE; DROP ROLE ` + name)
		if err != nil {
			w.Error(err)
		}
	})
	cfg, err := pgx.ParseConfig(w.d.Direct()) // no pooler passes the parameter on
	w.must(err)
	cfg.RuntimeParams["role"] = role
	db := stdlib.OpenDB(*cfg)
	w.Cleanup(func() { db.Close() })
	return postgres.New(db, nil, nil), db
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	w := empty(t)
	poor, _ := w.as(`phased "poor" ü`)
	grant := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	grant(poor.Bootstrap(t.Context()), `GRANT CREATE ON DATABASE "`)
	w.exec(`CREATE SCHEMA phased`)
	grant(poor.Bootstrap(t.Context()), `GRANT CREATE, USAGE ON SCHEMA phased TO "phased ""poor"" ü"`)
	w.must(w.eng.Bootstrap(t.Context()))
	_, err := poor.Overview(t.Context())
	grant(err, `TO "phased ""poor"" ü"`)

	// A schema that was made for the role is enough.
	w = empty(t)
	poor, _ = w.as(`phased_given`)
	w.exec(`CREATE SCHEMA phased AUTHORIZATION phased_given`)
	w.must(poor.Bootstrap(t.Context()))
	if _, err := poor.Overview(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOverviewIsOneQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.lease("a")
	w.begin(token, "0002")
	w.must(w.eng.Mark(t.Context(), token, "0002", engine.StateHidden, "why"))
	w.begin(token, "0001")
	x := w.wire()
	ov, err := x.eng.Overview(t.Context())
	w.must(err)
	if n := len(x.take()); n != 1 {
		t.Errorf("%d queries, want 1", n)
	}
	if ov.Server.Version < 130000 || ov.Server.Database == "" || ov.Server.Role == "" || ov.Server.NoWrites != "" || !strings.HasPrefix(ov.Server.Name, "PostgreSQL ") {
		t.Errorf("server %+v", ov.Server)
	}
	if len(ov.Migrations) != 2 || ov.Migrations[0].Name != "0001" {
		t.Fatalf("migrations %+v", ov.Migrations)
	}
	m := ov.Find("0002")
	if m.State != engine.StateHidden || m.Reason != "why" || m.StateAt.IsZero() || m.HiddenAt.IsZero() || !ov.Find("0001").HiddenAt.IsZero() {
		t.Errorf("%+v", m)
	}
	w.exec(`ALTER DATABASE "` + ov.Server.Database + `" SET default_transaction_read_only = on`)
	w.newSessions()
	ov, err = w.wire().eng.Overview(t.Context())
	if err != nil || ov.Server.NoWrites == "" {
		t.Errorf("read-only: %+v, %v", ov, err)
	}
}

func TestMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.lease("a")
	w.begin(token, "0001")
	w.exec(`UPDATE phased.migration SET state_at = '2001-01-01'`)

	err := w.eng.Mark(t.Context(), token, "0001", engine.StateVerified, "", engine.StateExpanded, engine.StateBackfilling)
	said, refused := w.eng.GuardRefused(err)
	if want := "migration 0001 is expanding, and becomes verified only from expanded or backfilling"; !refused || said != want {
		t.Errorf("got %q (%v), want %q", said, err, want)
	}
	if err := w.eng.Mark(t.Context(), token, "none", engine.StateVerified, ""); err == nil || !strings.Contains(err.Error(), "not recorded") {
		t.Errorf("unknown migration: %v", err)
	}
	is(w, "touched", get[bool](w, `SELECT state = 'expanding' AND state_at = '2001-01-01' FROM phased.migration`), true)
	is(w, "events", get[int](w, `SELECT count(*) FROM phased.event WHERE what <> 'expanding'`), 0)

	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, "old code is gone", engine.StateExpanding))
	is(w, "hidden", get[bool](w, `SELECT state = 'hidden' AND state_at > '2001-01-02' AND hidden_at IS NOT NULL AND reason = 'old code is gone' FROM phased.migration`), true)
	w.exec(`UPDATE phased.migration SET hidden_at = '2001-01-01', state_at = '2001-01-01'`)
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, ""))
	is(w, "the soak goes on", get[bool](w, `SELECT hidden_at = '2001-01-01' AND state_at = '2001-01-01' FROM phased.migration`), true)
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateRolledBack, ""))
	is(w, "hidden_at is gone", get[bool](w, `SELECT hidden_at IS NULL FROM phased.migration`), true)

	events, err := w.eng.Events(t.Context(), "0001", 10)
	w.must(err)
	if len(events) != 4 || events[2].What != "hidden" || events[2].Detail != "old code is gone" || events[2].At.IsZero() {
		t.Errorf("events, latest first: %+v", events)
	}
	if events, err = w.eng.Events(t.Context(), "", 1); err != nil || len(events) != 1 || events[0].What != "rolled-back" {
		t.Errorf("the latest of all: %+v, %v", events, err)
	}
}

func TestForgetOnlyWhatIsRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.lease("a")
	p := planned("0001", inTx("SELECT 1"))
	p.Fills = []plan.Fill{{Link: link("0001", "a", "b"), Key: []string{"id"}, Schema: "public", Table: "users"}}
	w.must(w.eng.Begin(t.Context(), token, p, engine.StateExpanding))
	if err := w.eng.Forget(t.Context(), token, "0001"); err == nil || !strings.Contains(err.Error(), "it is expanding") {
		t.Errorf("forget what is in flight: %v", err)
	}
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateRollingBack, ""))
	is(w, "fill", get[string](w, `SELECT state FROM phased.fill`), "cancelled")
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateRolledBack, ""))
	w.must(w.eng.Forget(t.Context(), token, "0001"))
	is(w, "rows left", get[int](w, `SELECT (SELECT count(*) FROM phased.migration) + (SELECT count(*) FROM phased.step) + (SELECT count(*) FROM phased.fill)`), 0)
	w.must(w.eng.Begin(t.Context(), token, p, engine.StateExpanding)) // it can run again
}

func TestPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.lease("a")
	for name, s := range map[string]engine.State{"0001": engine.StateComplete, "0002": engine.StateBackfilling, "0003": engine.StateVerified} {
		w.must(w.eng.Begin(t.Context(), token, planned(name), s))
	}
	for _, tt := range []struct {
		name   string
		paused bool
		want   int
	}{{"0002", true, 1}, {"0002", true, 1}, {"none", true, 0}, {"", true, 1}, {"", true, 0}, {"", false, 2}, {"0001", true, 1}, {"", false, 1}} {
		n, err := w.eng.Pause(t.Context(), tt.name, tt.paused)
		if err != nil || n != tt.want {
			t.Errorf("pause %q %t: %d, %v, want %d", tt.name, tt.paused, n, err, tt.want)
		}
	}
	is(w, "paused", get[int](w, `SELECT count(*) FROM phased.migration WHERE paused`), 0)
}

func TestBaselineAndSettle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.lease("a")
	w.must(w.eng.Settle(t.Context(), token))
	w.must(w.eng.MarkBaseline(t.Context(), token, []string{"0001", "it's"}, []string{"x", "y"}))
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
}

// Names are data: quotes, backslashes, our own quoting, other scripts.
func TestNamesOfAnyKind(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`it's "0001" \' $phased$ %s %I ; --`, `0007_プロフィール_ü`, "two\nlines /* */"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := `public.` + pgx.Identifier{name}.Sanitize()
			w := newWorld(t, `CREATE TABLE `+table+` (id int, old text)`)
			token := w.lease(name)
			l := link(name, "old", "new")
			l.Table = name
			add := inTx(`CREATE SEQUENCE `+l.Evidence, `ALTER TABLE `+table+` ADD COLUMN new text`)
			add.Title, add.Sync = name, &plan.SyncStep{Schema: "public", Table: name, Add: &l, At: 2}
			add.Done = `SELECT EXISTS (SELECT FROM phased.link)`
			p := planned(name, add)
			p.Fills = []plan.Fill{{Link: l, Key: []string{"id"}, Schema: "public", Table: name}}
			w.must(w.eng.Begin(t.Context(), token, p, engine.StateExpanding))
			r := stepRun(token, p, 0)
			r.State, r.Reason, r.Prelude = engine.StateExpanded, name, []string{"SELECT 1 -- " + strings.ReplaceAll(name, "\n", " ")}
			w.must(w.eng.Run(t.Context(), r))
			w.exec(`INSERT INTO ` + table + ` (id, old) VALUES (1, 'x')`)
			is(w, "new", get[string](w, `SELECT new FROM `+table), "x")

			stored, err := w.eng.Plan(t.Context(), name)
			w.must(err)
			if got, want := encode(t, stored), encode(t, p); got != want {
				t.Errorf("plan\n%s\nwant\n%s", got, want)
			}
			steps, err := w.eng.Steps(t.Context(), name)
			if err != nil || len(steps) != 1 || steps[0].Title != name || !steps[0].Done || steps[0].DoneAt.IsZero() || steps[0].Attempts != 1 {
				t.Errorf("steps %+v, %v", steps, err)
			}
			links, err := w.eng.Links(t.Context(), "public", name)
			if err != nil || len(links) != 1 || links[0] != l {
				t.Errorf("links %+v, %v", links, err)
			}
			events, err := w.eng.Events(t.Context(), name, 10)
			if err != nil || len(events) != 3 || events[0].Migration != name || events[0].Detail != name {
				t.Errorf("events %+v, %v", events, err)
			}
			w.must(w.eng.Register(t.Context(), engine.Instance{ID: name, App: name, Version: name, Host: name, Lines: []string{name}, Lifetime: 1}))
			w.exec(`UPDATE phased.migration SET state = 'hidden', contracts = true`)
			var c *engine.Contracted
			if err := w.eng.Register(t.Context(), engine.Instance{ID: "other"}); !errors.As(err, &c) || len(c.Migrations) != 1 || c.Migrations[0] != name {
				t.Errorf("an instance without the line: %v", err)
			}
			in, err := w.eng.Instances(t.Context())
			if err != nil || len(in) != 1 || in[0].ID != name || len(in[0].Lines) != 1 || in[0].Lines[0] != name {
				t.Errorf("instances %+v, %v", in, err)
			}
			if _, err := w.eng.Heartbeat(t.Context(), name); err != nil {
				t.Error(err)
			}
		})
	}
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
