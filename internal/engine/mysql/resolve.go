package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/schema"
	"github.com/phasedb/phased/lockcheck"
)

// The timeouts of the steps. Whoever comes behind a step that waits for its metadata
// lock waits with it; the server counts that time in whole seconds. A step that builds
// or rebuilds takes as long as the table is large, and blocks nobody meanwhile.
const (
	lockTimeout      = time.Second
	statementTimeout = 10 * time.Second
	// lookTimeout is for looking, for which nobody waits.
	lookTimeout = 10 * time.Second
)

// Resolve renders a migration against the live catalog. The life of each change is gone
// through on a table like its own, which is dropped again; nothing else is touched.
func (e *Engine) Resolve(ctx context.Context, m *plan.Migration, links []plan.Link) (*plan.Plan, error) {
	srv, err := e.Server(ctx)
	if err != nil {
		return nil, err
	}
	r := &resolver{e: e, m: m, links: links, srv: srv, tables: map[string]*subject{}, created: map[string]bool{},
		p: &plan.Plan{Format: plan.Format, Migration: *m, Dialect: e.dialect, Server: srv.Name, Facts: &schema.Catalog{}, Direct: e.Direct(m)}}
	r.p.Require.MinVersion = minMySQL
	if e.mariadb() {
		r.p.Require.MinVersion = minMariaDB
	}
	err = e.with(ctx, pinned{lockWait: lookTimeout, idle: time.Minute, discard: true}, func(c *sql.Conn) error {
		r.c = c
		defer func() {
			for _, s := range r.tables {
				if s.copy != nil {
					s.copy.drop(ctx)
				}
			}
		}()
		return r.changes(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", m.Name, err)
	}
	if len(r.problems) > 0 {
		return nil, &engine.Refused{Migration: m.Name, Problems: r.problems}
	}
	r.p.Steps = inOrder(r.p.Steps)
	return r.p, nil
}

func (r *resolver) changes(ctx context.Context) error {
	if err := dropLeftovers(ctx, r.c); err != nil {
		return err
	}
	for i, s := range r.m.Statements {
		r.at, r.n = s, i+1
		if !r.here(s.Change.Target()) {
			continue
		}
		if err := r.change(ctx, s.Change); err != nil && !errors.Is(err, errNoted) {
			return err
		}
	}
	return r.checkServer(ctx)
}

// errNoted ends the rendering of a change whose problem has been noted.
var errNoted = errors.New("refused")

// resolver carries what one Resolve gathers.
type resolver struct {
	e     *Engine
	c     *sql.Conn // pinned
	srv   *engine.Server
	m     *plan.Migration
	p     *plan.Plan
	links []plan.Link

	at plan.Statement // the change at hand
	n  int            // its number, from 1

	tables   map[string]*subject
	created  map[string]bool // by this migration
	problems []engine.Problem
}

// subject is a table that the migration changes.
type subject struct {
	*schema.Table
	copy *emptyCopy
	// carried are indexes and constraints already carried over by an earlier change of this file.
	carried map[string]bool
}

func (s *subject) sql() string { return ident(s.Name) }

// here refuses a name in another database: a plan runs wherever the connection is.
func (r *resolver) here(n plan.Name) bool {
	if n.Schema == "" || n.Schema == r.srv.Database {
		return true
	}
	r.problem("other-database", fmt.Sprintf("%s is in database %s, and the connection's is %s", n, n.Schema, r.srv.Database), "connect to that database and leave its name out")
	return false
}

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

// hazard notes something that the author may accept.
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

// step adds a step of the change at hand. Each is one statement, or one change of the
// sync: nothing holds several together here.
func (r *resolver) step(s plan.Step) {
	s.Change, s.LockTimeout = r.n, lockTimeout
	if s.Lock == lockcheck.LockNone {
		s.Lock = lockcheck.LockMetadataExclusive
	}
	r.p.Steps = append(r.p.Steps, s)
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
func (r *resolver) subject(ctx context.Context, name string) (*subject, error) {
	found, err := find(ctx, r.c, name)
	if err != nil {
		return nil, err
	}
	if r.created[name] {
		r.problem("created-here", fmt.Sprintf("table %s is created by this migration", name), "write it in CREATE TABLE as it is meant to be")
		return nil, nil
	}
	if found == "" {
		way, err := r.unknownWay(ctx, name)
		r.problem("unknown-table", fmt.Sprintf("table %s does not exist in database %s", name, r.srv.Database), way)
		return nil, err
	}
	if s := r.tables[found]; s != nil {
		return s, nil
	}
	t, err := table(ctx, r.c, found)
	if err != nil {
		return nil, err
	}
	s := &subject{Table: t, carried: map[string]bool{}}
	if !r.checkTable(s) {
		return nil, nil
	}
	if s.copy, err = r.e.newCopy(ctx, r.c, t); err != nil {
		if mayNot(err) {
			r.problem("privilege", fmt.Sprintf("account %s may not prepare the change of %s: %v", r.srv.Role, t.Name, err), r.grant())
			return nil, nil
		}
		return nil, err
	}
	r.tables[found] = s
	r.p.Facts.Tables = append(r.p.Facts.Tables, t)
	return s, r.checkVersions(ctx, s)
}

func (r *resolver) grant() string {
	return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW ON %s.* to it", ident(r.srv.Database))
}

// unknownWay guesses what was meant.
func (r *resolver) unknownWay(ctx context.Context, name string) (string, error) {
	near, err := list(ctx, r.c, `SELECT /* phased */ TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND LOWER(TABLE_NAME) = LOWER(?) LIMIT 3`, name)
	if err == nil && len(near) > 0 {
		return fmt.Sprintf("did you mean %v? (this server tells names of tables apart by case)", near), nil
	}
	return "check the name and the connection's database", err
}

// checkTable refuses what no change can be planned for.
func (r *resolver) checkTable(s *subject) bool {
	before := len(r.problems)
	switch {
	case s.Kind != schema.KindTable && s.Kind != schema.KindPartitionedTable:
		r.problem("not-a-table", fmt.Sprintf("%s is a %s", s.Name, s.Kind), "only tables are planned; for another kind of relation mark the statement as-written")
	case s.Versioned:
		r.problem("system-versioned", fmt.Sprintf("%s is system-versioned: a change of its columns would change its history, and a backfill would write all of it once more", s.Name), "not supported yet")
	case !strings.EqualFold(s.Engine, "InnoDB"):
		r.problem("engine", fmt.Sprintf("%s is stored by %s, which copies the table for every change and has no transactions", s.Name, s.Engine), fmt.Sprintf("ALTER TABLE %s ENGINE = InnoDB first", s.sql()))
	}
	return len(r.problems) == before
}

// linked lists the pairs of columns in flight on the table.
func (r *resolver) linked(s *subject) []plan.Link {
	var out []plan.Link
	for _, l := range r.links {
		if l.Table == s.Name {
			out = append(out, l)
		}
	}
	return out
}

// column finds a column of the table, whose name the server compares without case; nil:
// a problem was noted.
func (r *resolver) column(s *subject, name string) *schema.Column {
	var have []string
	for i := range s.Columns {
		if strings.EqualFold(s.Columns[i].Name, name) {
			return &s.Columns[i]
		}
		have = append(have, s.Columns[i].Name)
	}
	r.problem("unknown-column", fmt.Sprintf("column %s does not exist in %s", name, s.Name), fmt.Sprintf("it has %v", have))
	return nil
}

// freshColumn refuses a new name that is taken or cannot be kept.
func (r *resolver) freshColumn(s *subject, name, from string) bool {
	if from != "" && name != from && strings.EqualFold(name, from) {
		r.problem("case-only", fmt.Sprintf("%s and %s are one name to the server, which compares names of columns without case: old and new code can use either now", from, name),
			fmt.Sprintf("to change what SELECT * shows: ALTER TABLE %s RENAME COLUMN %s TO %s, ALGORITHM=INSTANT, marked as-written", s.sql(), ident(from), ident(name)))
		return false
	}
	for _, c := range s.Columns {
		if strings.EqualFold(c.Name, name) {
			r.problem("duplicate-name", fmt.Sprintf("%s already has a column %s", s.Name, c.Name), "choose another name")
			return false
		}
	}
	return r.nameFits(name)
}

func (r *resolver) nameFits(name string) bool {
	n := utf8.RuneCountInString(name)
	switch {
	case n == 0 || n > maxName:
		r.problem("name-length", fmt.Sprintf("name %q has %d characters; the server keeps 1 to %d", name, n, maxName), "choose another name")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return c == 0 || c > 0xFFFF }) || strings.HasSuffix(name, " "):
		r.problem("name-characters", fmt.Sprintf("the server keeps no name like %q: no character beyond U+FFFF, none that is 0, no blank at the end", name), "choose another name")
	default:
		return true
	}
	return false
}

// freshRelation refuses the name of a table or view that is taken.
func (r *resolver) freshRelation(ctx context.Context, name string) (bool, error) {
	if !r.nameFits(name) {
		return false, nil
	}
	found, err := find(ctx, r.c, name)
	if err != nil || found == "" && !r.created[name] {
		return err == nil, err
	}
	r.problem("duplicate-name", fmt.Sprintf("a table or view %s already exists", name), "choose another name, or drop what is there")
	return false, nil
}
