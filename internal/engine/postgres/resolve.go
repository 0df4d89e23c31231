package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/schema"
	"github.com/phasedb/phased/lockcheck"
)

// The timeouts of the steps. A lock timeout below deadlock_timeout (1 s) keeps the
// queue behind a waiting step short; the runner raises it where autovacuum is in
// the way, which gives way only after deadlock_timeout.
const (
	lockTimeout      = 500 * time.Millisecond
	statementTimeout = 10 * time.Second
)

// Resolve renders a migration against the live catalog. Everything it creates, it
// creates in a transaction that is rolled back.
func (e *Engine) Resolve(ctx context.Context, m *plan.Migration, links []plan.Link) (*plan.Plan, error) {
	srv, err := e.Server(ctx)
	if err != nil {
		return nil, err
	}
	r := &resolver{e: e, m: m, links: links, srv: srv, tables: map[string]*subject{}, created: map[string]bool{},
		p: &plan.Plan{Format: plan.Format, Migration: *m, Dialect: plan.DialectPostgres, Server: srv.Name, Facts: &schema.Catalog{}, Direct: e.Direct(m)}}
	if err := e.look(ctx, func(tx *sql.Tx, path string) error {
		r.tx, r.path = tx, path
		for i, s := range m.Statements {
			r.at, r.n = s, i+1
			if err := r.change(ctx, s.Change); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("plan %s: %w", m.Name, err)
	}
	if len(r.problems) > 0 {
		return nil, &engine.Refused{Migration: m.Name, Problems: r.problems}
	}
	r.p.Steps = inOrder(r.p.Steps)
	return r.p, nil
}

// resolver carries what one Resolve gathers.
type resolver struct {
	e     *Engine
	tx    *sql.Tx
	path  string // the user's search_path
	srv   *engine.Server
	m     *plan.Migration
	p     *plan.Plan
	links []plan.Link

	at plan.Statement // the change at hand
	n  int            // its number, from 1

	tables   map[string]*subject
	created  map[string]bool // by this migration
	blind    bool            // a statement as written came before: not everything can be tried
	problems []engine.Problem
}

// subject is a table that the migration changes.
type subject struct {
	*schema.Table
	copy    *emptyCopy
	renamed map[string]string // columns that the copy knows by their new names already
	carried map[string]bool   // indexes and constraints already carried over by an earlier change of this file
}

func (s *subject) sql() string { return qualified(s.Schema, s.Name) }

func (r *resolver) change(ctx context.Context, c plan.Change) error {
	switch c := c.(type) {
	case plan.RenameColumn:
		return r.renameColumn(ctx, c)
	case plan.RenameTable:
		return r.renameTable(ctx, c)
	case plan.AddColumn:
		return r.addColumn(ctx, c)
	case plan.DropColumn:
		return r.dropColumn(ctx, c)
	case plan.CreateTable:
		return r.createTable(ctx, c)
	case plan.CreateIndex:
		return r.createIndex(ctx, c)
	case plan.AsWritten:
		return r.asWritten(c)
	}
	r.problem("kind", fmt.Sprintf("no plan for %T", c), "")
	return nil
}

// problem notes a reason to refuse the migration.
func (r *resolver) problem(hazard, text, way string) {
	r.problems = append(r.problems, engine.Problem{Where: r.at.Where(), Hazard: hazard, Text: text, Way: way})
}

// hazard notes something that the author may accept, and reports whether he did.
func (r *resolver) hazard(hazard, text, way string) {
	if reason, ok := r.m.Directives.Accepted(hazard); ok {
		r.p.Notes = append(r.p.Notes, plan.Note{Hazard: hazard, Text: text, Reason: reason})
		return
	}
	r.problems = append(r.problems, engine.Problem{Where: r.at.Where(), Hazard: hazard, Text: text, Way: way, Accept: true})
}

// note tells the reader of the plan something that does not stop the change.
func (r *resolver) note(hazard, text string) {
	r.p.Notes = append(r.p.Notes, plan.Note{Hazard: hazard, Text: text})
}

// step adds a step.
func (r *resolver) step(s plan.Step) {
	if s.InTx && s.LockTimeout == 0 {
		s.LockTimeout = lockTimeout
	}
	if s.InTx && s.StatementTimeout == 0 {
		s.StatementTimeout = statementTimeout
	}
	if s.Sync != nil {
		s.Sync.Composed = r.e.Compose(s.Sync.Schema, s.Sync.Table, r.after(s.Sync))
	}
	r.p.Steps = append(r.p.Steps, s)
}

// after gives the links of the step's table once the step has run, going by the
// links in flight and those that this migration has added so far.
func (r *resolver) after(sync *plan.SyncStep) []plan.Link {
	var links []plan.Link
	for _, l := range r.links {
		if l.Schema == sync.Schema && l.Table == sync.Table {
			links = append(links, l)
		}
	}
	for _, l := range r.p.Links() {
		if l.Schema == sync.Schema && l.Table == sync.Table {
			links = append(links, l)
		}
	}
	return sync.Apply(links)
}

// inOrder sorts steps by phase and turns the undo around: what was done last is taken back first.
func inOrder(steps []plan.Step) []plan.Step {
	var out []plan.Step
	for _, phase := range plan.Phases {
		var some []plan.Step
		for _, s := range steps {
			if s.Phase == phase {
				some = append(some, s)
			}
		}
		if phase == plan.PhaseUndo {
			some = undoOrder(some)
		}
		out = append(out, some...)
	}
	return out
}

// undoOrder reverses the changes, but keeps the steps of one change in order
// (first the old side comes back, then the new one goes).
func undoOrder(steps []plan.Step) []plan.Step {
	var out []plan.Step
	for end := len(steps); end > 0; {
		begin := end - 1
		for begin > 0 && steps[begin-1].Change == steps[end-1].Change {
			begin--
		}
		out = append(out, steps[begin:end]...)
		end = begin
	}
	return out
}

// subject finds the table of a change and checks what every change asks of it. Nil
// without error: a problem was noted.
func (r *resolver) subject(ctx context.Context, n plan.Name) (*subject, error) {
	oid, err := find(ctx, r.tx, r.path, n)
	if err != nil {
		return nil, err
	}
	if oid == 0 {
		r.problem("unknown-table", fmt.Sprintf("table %s does not exist in database %s", n, r.srv.Database), r.unknownWay(ctx, n))
		return nil, nil
	}
	t, err := table(ctx, r.tx, oid)
	if err != nil {
		return nil, err
	}
	key := qualified(t.Schema, t.Name)
	if s := r.tables[key]; s != nil {
		return s, nil
	}
	s := &subject{Table: t, renamed: map[string]string{}, carried: map[string]bool{}}
	r.tables[key] = s
	if !r.checkTable(s) {
		return nil, nil
	}
	if !r.created[key] {
		r.p.Facts.Tables = append(r.p.Facts.Tables, t)
	}
	if s.copy, err = newCopy(ctx, r.tx, len(r.tables), t); err != nil {
		return nil, err
	}
	return s, nil
}

// unknownWay guesses what was meant.
func (r *resolver) unknownWay(ctx context.Context, n plan.Name) string {
	near, err := strings1(ctx, r.tx, `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'phased') AND n.nspname !~ '^pg_t' AND lower(c.relname) = lower($1) LIMIT 3`, n.Name)
	if err == nil && len(near) > 0 {
		return fmt.Sprintf("did you mean %v? (search_path is %s; a name in double quotes keeps its case)", near, r.path)
	}
	return "check the name and the connection's database and search_path (" + r.path + ")"
}

// checkTable refuses what no change can be planned for.
func (r *resolver) checkTable(s *subject) bool {
	before := len(r.problems)
	switch {
	case s.Kind != schema.KindTable && s.Kind != schema.KindPartitionedTable:
		r.problem("not-a-table", fmt.Sprintf("%s.%s is a %s", s.Schema, s.Name, s.Kind), "only tables are planned; for another kind of relation mark the statement as-written")
	case s.Temporary:
		r.problem("temporary", fmt.Sprintf("%s.%s is temporary", s.Schema, s.Name), "")
	case s.IsPartition:
		r.problem("partition-child", fmt.Sprintf("%s.%s is a partition of %s", s.Schema, s.Name, s.Parent), "change the partitioned table: its partitions follow")
	case s.Parent != "" || s.HasChildren:
		r.problem("inheritance", fmt.Sprintf("%s.%s is part of an inheritance tree, whose triggers and constraints are each child's own", s.Schema, s.Name), "not supported yet; mark the statement as-written if a lock is acceptable")
	}
	if !s.MayAlter {
		r.problem("privilege", fmt.Sprintf("role %s does not own %s.%s (%s does), so it may not alter it", r.srv.Role, s.Schema, s.Name, s.Owner),
			fmt.Sprintf("run migrations as %s, or GRANT %s TO %s", s.Owner, ident(s.Owner), ident(r.srv.Role)))
	}
	for _, gid := range s.Prepared {
		r.problem("prepared-transaction", fmt.Sprintf("prepared transaction %q holds a lock on %s.%s: every step would wait for it", gid, s.Schema, s.Name),
			fmt.Sprintf("COMMIT PREPARED %s or ROLLBACK PREPARED %s first", literal(gid), literal(gid)))
	}
	return len(r.problems) == before
}

// linked lists the pairs of columns in flight on the table.
func (r *resolver) linked(s *subject) []plan.Link {
	var out []plan.Link
	for _, l := range r.links {
		if l.Schema == s.Schema && l.Table == s.Name {
			out = append(out, l)
		}
	}
	return out
}

// column finds a column of the table; nil: a problem was noted.
func (r *resolver) column(s *subject, name string) *schema.Column {
	if c := s.Column(name); c != nil {
		return c
	}
	var have []string
	for _, c := range s.Columns {
		have = append(have, c.Name)
	}
	r.problem("unknown-column", fmt.Sprintf("column %s does not exist in %s.%s", name, s.Schema, s.Name), fmt.Sprintf("it has %v", have))
	return nil
}

// freshColumn refuses a new name that is taken or cannot be kept.
func (r *resolver) freshColumn(s *subject, name string) bool {
	if s.Column(name) != nil {
		r.problem("duplicate-name", fmt.Sprintf("%s.%s already has a column %s", s.Schema, s.Name, name), "choose another name")
		return false
	}
	if schema.Has([]string{"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}, name) {
		r.problem("duplicate-name", fmt.Sprintf("%s is a system column of every table", name), "choose another name")
		return false
	}
	return r.nameFits(name)
}

func (r *resolver) nameFits(name string) bool {
	if name == "" || len(name) > maxName {
		r.problem("name-length", fmt.Sprintf("name %q has %d bytes; PostgreSQL keeps %d and would cut the rest in silence", name, len(name), maxName), "choose a shorter name")
		return false
	}
	return true
}

// freshRelation refuses a relation name that is taken.
func (r *resolver) freshRelation(ctx context.Context, schemaName, name string) (bool, error) {
	if !r.nameFits(name) {
		return false, nil
	}
	oid, err := find(ctx, r.tx, r.path, plan.Name{Schema: schemaName, Name: name})
	if err != nil || oid == 0 {
		return err == nil, err
	}
	r.problem("duplicate-name", fmt.Sprintf("relation %s.%s already exists", schemaName, name), "choose another name, or drop what is there")
	return false, nil
}

// alterStep is a step in one transaction under AccessExclusive, which it holds for
// catalog work only.
func (r *resolver) alterStep(phase plan.Phase, s *subject, title string, statements ...string) plan.Step {
	return plan.Step{Phase: phase, Change: r.n, Title: title, Statements: statements, Lock: lockcheck.LockAccessExclusive, Relation: s.sql(), InTx: true}
}

// The questions that steps ask the catalog. Names are constants in them.
func doneColumn(t, column string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(%s) AND attname = %s AND NOT attisdropped)", literal(t), literal(column))
}

func doneNoColumn(t, column string) string {
	return fmt.Sprintf("SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(%s) AND attname = %s AND NOT attisdropped)", literal(t), literal(column))
}

func doneLink(id string, present bool) string {
	not := ""
	if !present {
		not = "NOT "
	}
	return fmt.Sprintf("SELECT %sEXISTS (SELECT FROM phased.link WHERE id = %s)", not, literal(id))
}

func doneConstraint(t, name string, valid bool) string {
	q := fmt.Sprintf("SELECT FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass(%s) AND conname = %s", literal(t), literal(name))
	if valid {
		q += " AND convalidated"
	}
	return "SELECT EXISTS (" + q + ")"
}

func doneIndex(index string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass(%s) AND indisvalid AND indisready)", literal(index))
}

// both joins two questions.
func both(a, b string) string   { return "SELECT (" + a + ") AND (" + b + ")" }
func either(a, b string) string { return "SELECT (" + a + ") OR (" + b + ")" }
