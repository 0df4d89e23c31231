package postgres_test

import (
	"context"
	"database/sql"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/postgres"
	"github.com/phasedb/phased/lockcheck"
)

// world is a database with the state tables in it, and an engine on it.
type world struct {
	*testing.T
	eng *postgres.Engine
	db  *sql.DB
	dsn string
	d   *scratch.Database
}

func empty(t *testing.T) *world {
	t.Helper()
	d := scratch.Postgres(t)
	return &world{t, postgres.New(d.DB, d.PastPooler(), nil), d.DB, d.DSN, d}
}

func newWorld(t *testing.T, setup ...string) *world {
	t.Helper()
	w := empty(t)
	w.must(w.eng.Bootstrap(t.Context()))
	w.exec(setup...)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) exec(statements ...string) {
	w.Helper()
	for _, s := range statements {
		if _, err := w.db.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
}

// get asks for one value.
func get[V any](w *world, query string, args ...any) V {
	w.Helper()
	var v V
	if err := w.db.QueryRowContext(w.Context(), query, args...).Scan(&v); err != nil {
		w.Fatalf("%v\n%s", err, query)
	}
	return v
}

func is[V comparable](w *world, what string, got, want V) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}

// until waits for a condition that a query gives.
func (w *world) until(what, query string, args ...any) {
	w.Helper()
	for begin := time.Now(); !get[bool](w, query, args...); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			w.Fatalf("waited in vain until %s", what)
		}
	}
}

// waiting waits until n sessions of the database wait for a lock.
func (w *world) waiting(n int) {
	w.Helper()
	w.until("sessions wait for a lock", `SELECT count(*) >= $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`, n)
}

// lease takes the lease.
func (w *world) lease(holder string) int64 {
	w.Helper()
	token, current, ok, err := w.eng.Acquire(w.Context(), holder, time.Minute, false)
	if err != nil || !ok {
		w.Fatalf("no lease for %s: held by %q, %v", holder, current, err)
	}
	return token
}

// seize takes it from whoever has it.
func (w *world) seize(holder string) int64 {
	w.Helper()
	token, current, ok, err := w.eng.Acquire(w.Context(), holder, time.Minute, true)
	if err != nil || !ok {
		w.Fatalf("no lease for %s by force: held by %q, %v", holder, current, err)
	}
	return token
}

// begin records a migration with these steps.
func (w *world) begin(token int64, name string, steps ...plan.Step) *plan.Plan {
	w.Helper()
	p := planned(name, steps...)
	w.must(w.eng.Begin(w.Context(), token, p, engine.StateExpanding))
	return p
}

func planned(name string, steps ...plan.Step) *plan.Plan {
	return &plan.Plan{Format: plan.Format, Migration: plan.Migration{Name: name, Checksum: plan.Checksum(name)}, Dialect: plan.DialectPostgres, Steps: steps}
}

// inTx is a step that is one transaction.
func inTx(statements ...string) plan.Step {
	return plan.Step{Phase: plan.PhaseExpand, Title: "do it", Statements: statements, Lock: lockcheck.LockAccessExclusive, Relation: `"public"."users"`,
		LockTimeout: 20 * time.Second, StatementTimeout: time.Minute, InTx: true}
}

func stepRun(token int64, p *plan.Plan, n int) engine.StepRun {
	return engine.StepRun{Token: token, Migration: p.Migration.Name, N: n, Step: p.Steps[n]}
}

// later runs fn beside the test and gives what it returned.
func later(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// holding opens a transaction that has run statements and stays open until end or the test's.
func (w *world) holding(statements ...string) (end func()) {
	w.Helper()
	tx, err := w.db.BeginTx(context.WithoutCancel(w.Context()), nil)
	w.must(err)
	for _, s := range statements {
		if _, err := tx.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
	end = sync.OnceFunc(func() {
		if err := tx.Commit(); err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(end)
	return end
}

// wire is an engine on pools whose connections the test can cut, and whose traffic
// it sees.
type wire struct {
	eng    *postgres.Engine
	db     *sql.DB
	direct *sql.DB // past the pooler; db where there is none

	mu    sync.Mutex
	conns []net.Conn
	sent  []sent
}

type sent struct {
	sql  string
	args []any
}

func (w *world) wire() *wire {
	w.Helper()
	x := &wire{}
	x.db = w.wired(x, w.dsn)
	x.direct = x.db
	if w.d.Pooled() {
		x.direct = w.wired(x, w.d.Direct())
	}
	x.eng = postgres.New(x.db, x.direct, nil)
	return x
}

func (w *world) wired(x *wire, dsn string) *sql.DB {
	w.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	w.must(err)
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		server, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		client, near := net.Pipe()
		go func() { _, _ = io.Copy(near, server); near.Close() }()
		go func() { _, _ = io.Copy(server, near); server.Close() }()
		x.mu.Lock()
		defer x.mu.Unlock()
		x.conns = append(x.conns, near)
		return client, nil
	}
	cfg.Tracer = x
	db := stdlib.OpenDB(*cfg)
	w.Cleanup(func() { db.Close() })
	return db
}

// newSessions makes what was set for the database hold for everybody.
func (w *world) newSessions() {
	w.Helper()
	w.must(w.d.EndPooled(w.Context()))
}

func (x *wire) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent = append(x.sent, sent{d.SQL, d.Args})
	return ctx
}

func (x *wire) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// cut breaks every connection in the middle: the server sees its end and goes on with
// the statement at hand.
func (x *wire) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.conns {
		c.Close()
	}
	x.conns = nil
}

// take gives what was sent since the last call.
func (x *wire) take() []sent {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.sent
	x.sent = nil
	return s
}

// dump is everything phased keeps, and every table of the test's.
func (w *world) dump() string {
	w.Helper()
	return get[string](w, `SELECT string_agg(n.nspname || '.' || c.relname || ' ' || array_to_string(xpath('//row', query_to_xml(format('SELECT * FROM %I.%I x ORDER BY x::text', n.nspname, c.relname), true, false, '')), ' '), E'\n' ORDER BY 1)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname IN ('phased', 'public')`)
}
