package contract

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/postgres"
	"github.com/phasedb/phased/internal/runner"
)

// life is a database in which migrations are led to where contract begins.
type life struct {
	*testing.T
	scratch *scratch.Database
	db      *sql.DB
	eng     engine.Engine
}

const name = "0001_rename_email"

// soak is the soak time in these tests; pass lets it go by.
const soak = time.Hour

const usersTable = `CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, n int);
	CREATE UNIQUE INDEX users_email ON users (email);
	INSERT INTO users SELECT i, 'u' || i, i FROM generate_series(1, 50) i`

func renameEmail() plan.Change {
	return plan.RenameColumn{Schema: "public", Table: "users", From: "email", To: "email_address"}
}

func begin(t *testing.T) *life {
	t.Helper()
	s := scratch.Postgres(t)
	l := &life{T: t, scratch: s, db: s.DB, eng: postgres.New(s.DB, s.PastPooler(), nil)}
	l.exec(usersTable)
	l.must(l.eng.Bootstrap(t.Context()))
	return l
}

// verified is a database where every gate to hiding the old side of 0001 is met.
func verified(t *testing.T) *life {
	t.Helper()
	l := begin(t)
	l.verify(name, renameEmail())
	l.register("new", "billing", name)
	l.watch()
	return l
}

// hidden is one where every gate to dropping it is met.
func hidden(t *testing.T) *life {
	t.Helper()
	l := verified(t)
	l.run(Config{}, "hidden")
	l.pass(2 * soak)
	return l
}

func (l *life) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *life) exec(statements ...string) {
	l.Helper()
	for _, s := range statements {
		if _, err := l.db.ExecContext(l.Context(), s); err != nil {
			l.Fatalf("%v\n%s", err, s)
		}
	}
}

func (l *life) text(query string) string {
	l.Helper()
	var s sql.NullString
	if err := l.db.QueryRowContext(l.Context(), query).Scan(&s); err != nil {
		l.Fatalf("%v\n%s", err, query)
	}
	return s.String
}

// hold runs fn under the runner's lease.
func (l *life) hold(fn func(context.Context, *runner.Lease) error) {
	l.Helper()
	l.must(runner.Hold(l.Context(), runner.Options{Engine: l.eng}, runner.Claim{}, fn))
}

// verify expands, fills, finishes and marks a migration as verified.
func (l *life) verify(name string, changes ...plan.Change) *plan.Plan {
	l.Helper()
	m := &plan.Migration{Name: name, Checksum: plan.Checksum(name)}
	for _, c := range changes {
		m.Statements = append(m.Statements, plan.Statement{Change: c})
	}
	links, err := l.eng.Links(l.Context(), "", "")
	l.must(err)
	p, err := l.eng.Resolve(l.Context(), m, links)
	l.must(err)
	l.hold(func(ctx context.Context, lease *runner.Lease) error {
		if err := l.eng.Begin(ctx, lease.Token(), p, engine.StateExpanding); err != nil {
			return err
		}
		if err := lease.Phase(ctx, p, plan.PhaseExpand, runner.PhaseOptions{State: engine.StateExpanded}); err != nil {
			return err
		}
		for _, f := range p.Fills {
			l.exec(fmt.Sprintf(`UPDATE %q.%q SET %q = %q`, f.Schema, f.Table, f.Link.New, f.Link.Old))
		}
		l.exec(fmt.Sprintf(`UPDATE phased.fill SET state = 'complete' WHERE migration = '%s'`, name))
		return lease.Phase(ctx, p, plan.PhaseFinish, runner.PhaseOptions{State: engine.StateVerified})
	})
	return p
}

// register registers an instance with the lines given.
func (l *life) register(id, app string, lines ...string) {
	l.Helper()
	l.must(l.eng.Register(l.Context(), engine.Instance{ID: id, App: app, Version: "v-" + id, Host: "h", PID: 1, Lines: lines, Lifetime: time.Minute}))
}

// watch looks at the evidence for the first time, and lets the soak go by.
func (l *life) watch() {
	l.Helper()
	ov, err := l.eng.Overview(l.Context())
	l.must(err)
	for _, row := range ov.Migrations {
		p, err := l.eng.Plan(l.Context(), row.Name)
		l.must(err)
		seen, err := l.eng.Evidence(l.Context(), p)
		l.must(err)
		l.must(l.eng.Remember(l.Context(), p, seen))
	}
	l.pass(2 * soak)
}

// pass lets time go by: what the database remembers is made older by it. The instances
// that were alive are alive again.
func (l *life) pass(d time.Duration) {
	l.Helper()
	l.exec(fmt.Sprintf(`UPDATE phased.evidence SET changed_at = changed_at - interval '%[1]f s', observed_at = observed_at - interval '%[1]f s';
		UPDATE phased.migration SET state_at = state_at - interval '%[1]f s', hidden_at = hidden_at - interval '%[1]f s';
		UPDATE phased.instance SET seen_at = seen_at - interval '%[1]f s' WHERE stopped OR seen_at < clock_timestamp() - lifetime`, d.Seconds()))
}

func config(cfg Config) Config {
	cfg.Soak = soak
	if cfg.Apps == nil {
		cfg.Apps = []string{"billing"}
	}
	return cfg
}

// run runs a pass and expects the migration to be in a state afterwards.
func (l *life) run(cfg Config, want string) []Report {
	l.Helper()
	reports, err := Run(l.Context(), l.db, config(cfg))
	l.must(err)
	if got := l.state(name); got != want {
		l.Fatalf("state %s, want %s\n%v", got, want, reports)
	}
	return reports
}

func (l *life) state(name string) string {
	l.Helper()
	return l.text(`SELECT state FROM phased.migration WHERE name = '` + name + `'`)
}

// refused expects exactly these gates to be shut for a migration: the dry run says
// so, a pass by name is refused with them, and does nothing.
func (l *life) refused(cfg Config, migration string, want ...string) Report {
	l.Helper()
	cfg = config(cfg)
	cfg.Migration = migration
	before := l.state(migration)
	reports, err := Check(l.Context(), l.db, cfg)
	l.must(err)
	r := reports[0]
	if r.Met() || !slices.Equal(names(r.Shut()), want) {
		l.Fatalf("shut are %q, want %q\n%s", names(r.Shut()), want, r)
	}
	for _, g := range r.Shut() {
		if g.Way == "" || g.Sentence == "" {
			l.Errorf("gate %s says nothing of the way out: %+v", g.Name, g)
		}
	}
	_, err = Run(l.Context(), l.db, cfg)
	var not *NotMetError
	if !errors.As(err, &not) || !errors.Is(err, ErrNotMet) {
		l.Fatalf("not refused: %v", err)
	}
	for _, n := range want {
		if !strings.Contains(err.Error(), "\n  - "+n+": ") {
			l.Errorf("the error does not name gate %s: %v", n, err)
		}
	}
	if got := names(not.Report.Shut()); !slices.Equal(got[:len(want)], want) && !slices.Equal(want, []string{"verification"}) {
		l.Errorf("run was refused by %q, want %q", got, want)
	}
	if after := l.state(migration); after != before {
		l.Fatalf("refused, and yet %s became %s", before, after)
	}
	return r
}

func names(gates []Gate) []string {
	var out []string
	for _, g := range gates {
		out = append(out, g.Name)
	}
	return out
}

// around writes without the sync.
func (l *life) around(statement string) {
	l.exec(`ALTER TABLE users DISABLE TRIGGER "~phased_sync"`, statement, `ALTER TABLE users ENABLE ALWAYS TRIGGER "~phased_sync"`)
}
