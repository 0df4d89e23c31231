package backfill_test

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/postgres"
	"github.com/phasedb/phased/internal/runner"
)

// fixture is a database with tables that have rows, and migrations expanded on them.
type fixture struct {
	t   *testing.T
	db  *sql.DB
	eng *postgres.Engine
	dsn string
	d   *scratch.Database
}

func newFixture(t *testing.T, setup string) *fixture {
	t.Helper()
	d := scratch.Postgres(t)
	f := &fixture{t, d.DB, postgres.New(d.DB, d.PastPooler(), nil), d.DSN, d}
	if err := f.eng.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.exec("UPDATE phased.meta SET fresh = false, baseline = true; CREATE SCHEMA app; SET search_path = app; " + setup + "; RESET search_path")
	return f
}

// expand plans a migration and runs its expand phase.
func (f *fixture) expand(name string, changes ...plan.Change) {
	f.t.Helper()
	m := &plan.Migration{Name: name, Checksum: "sha256:" + name}
	for i, c := range changes {
		m.Statements = append(m.Statements, plan.Statement{Change: c, Index: i + 1})
	}
	links, err := f.eng.Links(f.t.Context(), "", "")
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := f.eng.Resolve(f.t.Context(), m, links)
	if err != nil {
		f.t.Fatal(err)
	}
	err = runner.Hold(f.t.Context(), runner.Options{Engine: f.engine()}, runner.Claim{}, func(ctx context.Context, l *runner.Lease) error {
		if err := f.eng.Begin(ctx, l.Token(), p, engine.StateExpanding); err != nil {
			return err
		}
		return l.Phase(ctx, p, plan.PhaseExpand, runner.PhaseOptions{State: engine.StateExpanded})
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) engine() engine.Engine { return f.eng }

func rename(table, from, to string) plan.Change {
	return plan.RenameColumn{Schema: "app", Table: table, From: from, To: to}
}

func (f *fixture) exec(text string) {
	f.t.Helper()
	if _, err := f.db.ExecContext(f.t.Context(), text); err != nil {
		f.t.Fatalf("%v\n%s", err, text)
	}
}

func ask[T any](f *fixture, query string) T {
	f.t.Helper()
	var v T
	if err := f.db.QueryRowContext(f.t.Context(), query).Scan(&v); err != nil {
		f.t.Fatalf("%v\n%s", err, query)
	}
	return v
}

// until asks until the answer is yes.
func (f *fixture) until(query string) {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); !ask[bool](f, query); {
		if time.Now().After(end) {
			f.t.Fatalf("never true: %s", query)
		}
	}
}

// config is one for tests: small chunks, no long pauses, everything logged.
func (f *fixture) config() backfill.Config {
	return backfill.Config{Direct: f.d.PastPooler(), MinRows: 1, MaxRows: 50, Poll: 10 * time.Millisecond, Lease: time.Second, RetryPause: time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(testLog{f.t}, &slog.HandlerOptions{Level: slog.LevelInfo}))}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (f *fixture) run(cfg backfill.Config) backfill.Report {
	f.t.Helper()
	r, err := backfill.Run(f.t.Context(), f.db, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// verified checks that a migration has come to its verified state, and that its rows are in step.
func (f *fixture) verified(name string) {
	f.t.Helper()
	if s := ask[string](f, "SELECT state FROM phased.migration WHERE name = '"+name+"'"); s != "verified" {
		f.t.Errorf("%s is %s, want verified", name, s)
	}
	if n := ask[int](f, "SELECT count(*) FROM phased.fill WHERE migration = '"+name+"' AND (state <> 'complete' OR out_of_step <> 0 OR worker <> '')"); n != 0 {
		f.t.Errorf("%d fills of %s are not complete", n, name)
	}
	links, err := f.eng.Links(f.t.Context(), "", "")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, l := range links {
		if l.Migration != name {
			continue
		}
		if n, err := f.eng.OutOfStep(f.t.Context(), l); n != 0 || err != nil {
			f.t.Errorf("%s: %d rows out of step, %v", l.ID, n, err)
		}
	}
}

// gate is a throttle that holds chunks back from the n-th on until it is opened.
type gate struct {
	mu      sync.Mutex
	before  int // chunks that pass
	reached chan struct{}
	open    chan struct{}
}

func newGate(before int) *gate {
	return &gate{before: before, reached: make(chan struct{}), open: make(chan struct{})}
}

func (g *gate) Wait(ctx context.Context) error {
	g.mu.Lock()
	g.before--
	now := g.before
	g.mu.Unlock()
	if now >= 0 {
		return nil
	}
	if now == -1 {
		close(g.reached)
	}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
