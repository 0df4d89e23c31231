package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// synced is a database with tables whose columns are kept in step, as the plans of
// its changes say; their expand phases have run, nothing is filled.
type synced struct {
	*Engine
	t     testing.TB
	d     *scratch.Database
	db    *sql.DB
	plans []*plan.Plan
	links []plan.Link // in flight
}

// newSynced runs setup and expands the changes, each a migration of its own.
func newSynced(t testing.TB, setup string, changes ...plan.Change) *synced {
	t.Helper()
	d := scratch.Postgres(t)
	s := &synced{Engine: New(d.DB, d.PastPooler(), nil), t: t, d: d, db: d.DB}
	s.exec(stateTables)
	s.exec(setup)
	for _, c := range changes {
		s.expand(c)
	}
	return s
}

// expand plans one more change and runs its expand phase.
func (s *synced) expand(c plan.Change, accept ...string) *plan.Plan {
	s.t.Helper()
	p := s.resolve(c, accept...)
	s.run(p, plan.PhaseExpand)
	return p
}

func (s *synced) resolve(c plan.Change, accept ...string) *plan.Plan {
	s.t.Helper()
	m := migration(fmt.Sprintf("%04d", len(s.plans)+1), c)
	for _, hazard := range accept {
		m.Directives.Accepts = append(m.Directives.Accepts, plan.Accept{Hazard: hazard, Reason: "it is a test"})
	}
	p, err := s.Resolve(s.t.Context(), m, s.links)
	if err != nil {
		s.t.Fatal(err)
	}
	s.plans = append(s.plans, p)
	return p
}

// run runs one phase of a plan by hand, with the sync composed from what is in flight.
func (s *synced) run(p *plan.Plan, phase plan.Phase) {
	s.t.Helper()
	for _, step := range p.Of(phase) {
		for _, text := range s.compose(step) {
			s.exec(text)
		}
	}
}

// compose gives a step as the texts to send, and takes its links to be in flight from now on.
func (s *synced) compose(step plan.Step) []string {
	if step.Sync != nil {
		now := *step.Sync
		var here, elsewhere []plan.Link
		for _, l := range s.links {
			if l.Schema == now.Schema && l.Table == now.Table {
				here = append(here, l)
			} else {
				elsewhere = append(elsewhere, l)
			}
		}
		here = now.Apply(here)
		s.links = append(elsewhere, here...)
		now.Composed = s.Compose(now.Schema, now.Table, here)
		step.Sync = &now
	}
	if !step.InTx {
		return step.All()
	}
	if step.UserPath {
		return []string{strings.Join(step.All(), ";\n")}
	}
	return []string{"SET LOCAL search_path = ''; " + strings.Join(step.All(), ";\n")}
}

// fill brings every row in step, as the backfill does, oldest link first.
func (s *synced) fill() {
	s.t.Helper()
	for _, l := range s.links {
		s.exec(fmt.Sprintf("UPDATE %s AS t SET %s = %s WHERE %s", qualified(l.Schema, l.Table), ident(l.New), fillValue(l, "t"), outOfStep(l, "t")))
	}
}

// outside counts the rows that are out of step for any link.
func (s *synced) outside() int {
	s.t.Helper()
	n := 0
	for _, l := range s.links {
		var c int
		if err := s.db.QueryRowContext(s.t.Context(), fmt.Sprintf("SELECT count(*) FROM %s AS t WHERE %s", qualified(l.Schema, l.Table), outOfStep(l, "t"))).Scan(&c); err != nil {
			s.t.Fatal(err)
		}
		n += c
	}
	return n
}

func (s *synced) exec(text string) {
	s.t.Helper()
	if _, err := s.db.ExecContext(s.t.Context(), text); err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
}

// asIs runs a statement without the sync, to make rows in every state.
func (s *synced) asIs(table, text string) {
	s.t.Helper()
	s.exec(fmt.Sprintf(`ALTER TABLE %[1]s DISABLE TRIGGER "~phased_sync"; %[2]s; ALTER TABLE %[1]s ENABLE ALWAYS TRIGGER "~phased_sync"`, table, text))
}

// fails runs a statement that must be refused with a SQLSTATE, and returns the error's text.
func (s *synced) fails(state, text string) string {
	s.t.Helper()
	_, err := s.db.ExecContext(s.t.Context(), text)
	if code(err) != state {
		s.t.Fatalf("%s: got %v, want SQLSTATE %s", text, err, state)
	}
	return err.Error()
}

// text runs a query and gives its rows as lines, columns joined by blanks, null as "-".
func (s *synced) text(query string, args ...any) string {
	s.t.Helper()
	return queryText(s.t, s.db, query, args...)
}

func queryText(t testing.TB, q querier, query string, args ...any) string {
	t.Helper()
	rows, err := q.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values := make([]sql.NullString, len(cols))
		into := make([]any, len(cols))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out := make([]string, len(cols))
		for i, v := range values {
			out[i] = "-"
			if v.Valid {
				out[i] = v.String
			}
		}
		lines = append(lines, strings.Join(out, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return strings.Join(lines, ", ")
}

// want compares what a query gives with a text.
func (s *synced) want(want, query string, args ...any) {
	s.t.Helper()
	if got := s.text(query, args...); got != want {
		s.t.Errorf("%s\n got %s\nwant %s", query, got, want)
	}
}

// evidence is how often an old side was seen to be written.
func (s *synced) evidence(l plan.Link) string {
	s.t.Helper()
	return s.text("SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM " + l.Evidence)
}

// session is a connection with a session of its own.
func (s *synced) session() *sql.Conn {
	s.t.Helper()
	c, err := s.d.DirectDB().Conn(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func on(t testing.TB, c interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, text string) {
	t.Helper()
	if _, err := c.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

func rename(table, from, to string) plan.RenameColumn {
	return plan.RenameColumn{Table: table, From: from, To: to}
}

const emailTable = "CREATE TABLE users (id bigint PRIMARY KEY, email text, n int DEFAULT 0);"

// refusedBy asserts that a change is refused for exactly these hazards, and returns the error's text.
func refusedBy(t testing.TB, s *synced, c plan.Change, hazards ...string) string {
	t.Helper()
	_, err := s.Resolve(t.Context(), migration("0001", c), s.links)
	var refused *engine.Refused
	if !errors.As(err, &refused) {
		t.Fatalf("%s: got %v, want a refusal by %v", c.Describe(), err, hazards)
	}
	var got []string
	for _, p := range refused.Problems {
		got = append(got, p.Hazard)
	}
	slices.Sort(got)
	slices.Sort(hazards)
	if !slices.Equal(got, hazards) {
		t.Errorf("%s: refused by %v, want %v\n%v", c.Describe(), got, hazards, err)
	}
	return err.Error()
}

// cleanup runs statements when the test's context is over.
type cleanup struct{ db *sql.DB }

func (c cleanup) ExecContext(_ context.Context, text string, args ...any) (sql.Result, error) {
	return c.db.ExecContext(context.Background(), text, args...)
}
