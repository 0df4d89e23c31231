package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// renameTable shows the table under its new name as an updatable view; contract swaps
// the two names in one statement. Nothing is copied and nothing is filled.
func (r *resolver) renameTable(ctx context.Context, c plan.RenameTable) error {
	s, err := r.subject(ctx, c.From)
	if err != nil || s == nil {
		return err
	}
	hidden := shortName("", c.To, "~hidden")
	for _, name := range []string{c.To, hidden} {
		if ok, err := r.freshRelation(ctx, name); err != nil || !ok {
			return err
		}
	}
	for _, l := range r.linked(s) {
		r.problem("in-flight", fmt.Sprintf("migration %s keeps columns of %s in step", l.Migration, s.Name), "contract it first: "+l.Migration)
	}
	if len(r.m.Statements) > 1 {
		r.problem("alone", "a table rename stands in a migration of its own: other changes would not show under both names", "move the other statements into another file")
	}
	r.note("copy-into-view", fmt.Sprintf("until contract %s is a view: SELECT, INSERT, UPDATE, DELETE and ON DUPLICATE KEY UPDATE work through it; TRUNCATE, ALTER TABLE and new foreign keys to it do not", c.To))
	var columns, invisible []string
	for _, x := range s.Columns {
		columns = append(columns, ident(x.Name))
		if x.Invisible {
			invisible = append(invisible, x.Name)
		}
	}
	if len(invisible) > 0 {
		r.hazard("invisible-column", fmt.Sprintf("%s of %s are invisible, and a view shows every column: SELECT * and INSERT without a list of columns meet them under the name %s until contract", strings.Join(invisible, ", "), s.Name, c.To), "name the columns in new code's statements")
	}
	if err := r.checkGrants(ctx, s, "", c.To); err != nil {
		return err
	}
	if err := r.tryView(ctx, s, columns); err != nil {
		return err
	}
	isView, moved := doneRelation(c.To, "VIEW"), doneRelation(c.To, "BASE TABLE")
	step := func(relation string, p plan.Step) {
		p.Relation, p.StatementTimeout = ident(relation), statementTimeout
		r.step(p)
	}
	step(c.To, plan.Step{Phase: plan.PhaseExpand, Title: fmt.Sprintf("show %s under its new name %s, as an updatable view", s.Name, c.To), Done: isView, Undo: "DROP VIEW " + ident(c.To),
		Statements: []string{viewText(c.To, columns, s.Name)}})
	step(s.Name, plan.Step{Phase: plan.PhaseHide, Title: fmt.Sprintf("swap: %s takes the name %s, the view goes aside", s.Name, c.To), Done: moved, Undo: "rollback swaps them back",
		Statements: []string{fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s", ident(c.To), ident(hidden), s.sql(), ident(c.To))}})
	step(hidden, plan.Step{Phase: plan.PhaseDrop, Title: "drop the view that showed the table under two names", Done: not(doneRelation(hidden, "VIEW")), Statements: []string{"DROP VIEW " + ident(hidden)}})
	step(c.To, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("give the table its name %s back, where it was swapped", s.Name), Done: doneRelation(s.Name, "BASE TABLE"),
		Statements: []string{fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s", ident(c.To), s.sql(), ident(hidden), ident(c.To))}})
	step(c.To, plan.Step{Phase: plan.PhaseUndo, Title: "drop the view " + c.To, Done: not(isView), Statements: []string{"DROP VIEW " + ident(c.To)}})
	return nil
}

// viewText creates the view. It runs with its user's rights, so the new name lets
// nobody see more than the old one.
func viewText(name string, columns []string, table string) string {
	return fmt.Sprintf("CREATE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW %s AS SELECT %s FROM %s", ident(name), strings.Join(columns, ", "), ident(table))
}

// tryView creates the view over the copy, and drops it.
func (r *resolver) tryView(ctx context.Context, s *subject, columns []string) error {
	name := s.copy.name + "~v"
	_, err := r.c.ExecContext(ctx, viewText(name, columns, s.copy.name))
	if err == nil {
		_, err = r.c.ExecContext(ctx, "DROP VIEW "+ident(name))
	}
	switch {
	case err == nil:
		return nil
	case number(err) == 0:
		return fmt.Errorf("try a view over an empty copy of %s: %w", s.Name, err)
	case mayNot(err):
		r.problem("privilege", fmt.Sprintf("account %s may not create the view: %s", r.srv.Role, message(err)), r.grant())
	default:
		r.problem("trial", "the server refuses a view over an empty copy of the table: "+message(err), "see the message")
	}
	return nil
}

// createTable runs the statement as it stands. It is not tried: a table would be seen by
// others for a moment.
func (r *resolver) createTable(ctx context.Context, c plan.CreateTable) error {
	if ok, err := r.freshRelation(ctx, c.Name); err != nil || !ok {
		return err
	}
	r.created[c.Name] = true
	r.note("not-tried", fmt.Sprintf("%s is not tried beforehand: the server would show the table to everybody", c.Describe()))
	name := ident(c.Name)
	r.step(plan.Step{Phase: plan.PhaseExpand, Title: c.Describe(), Statements: []string{c.SQL}, UserPath: true, Relation: name, StatementTimeout: statementTimeout,
		Undo: "DROP TABLE " + name, Done: doneRelation(c.Name, "BASE TABLE")})
	r.step(plan.Step{Phase: plan.PhaseUndo, Title: "drop table " + c.Name, Statements: []string{"DROP TABLE " + name}, Relation: name, StatementTimeout: statementTimeout,
		Done: not(doneRelation(c.Name, "BASE TABLE"))})
	return nil
}

// createIndex builds it without blocking writes.
func (r *resolver) createIndex(ctx context.Context, c plan.CreateIndex) error {
	if !r.nameFits(c.Name) {
		return nil
	}
	if r.created[c.Table] {
		r.ownTable(c.Table, c.Describe(), indexClause(c), doneIndex(c.Table, c.Name))
		return nil
	}
	s, err := r.subject(ctx, c.Table)
	if err != nil || s == nil {
		return err
	}
	for _, x := range s.Indexes {
		if strings.EqualFold(x.Name, c.Name) {
			r.problem("duplicate-name", fmt.Sprintf("%s already has an index %s", s.Name, x.Name), "choose another name, or drop what is there")
			return nil
		}
	}
	course, err := r.course(ctx, s)
	if err != nil {
		return err
	}
	if c.Unique {
		r.note("unique-late", fmt.Sprintf("if two rows of %s have the same value when the index is built, its build ends with error 1062 and nothing is changed", s.Name))
	}
	if err := course.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: c.Describe(), Done: doneIndex(s.Name, c.Name), Undo: "DROP INDEX " + ident(c.Name) + " ON " + s.sql(), Index: ident(c.Name)},
		indexClause(c)); err != nil {
		return r.trialAs(err, "create-index")
	}
	return course.andBack(ctx, plan.Step{Phase: plan.PhaseUndo, Title: "drop index " + c.Name, Done: not(doneIndex(s.Name, c.Name))}, "DROP INDEX "+ident(c.Name))
}

// trialAs names the last problem, found by a trial, after what was tried.
func (r *resolver) trialAs(err error, hazard string) error {
	if last := len(r.problems) - 1; errors.Is(err, errNoted) && r.problems[last].Hazard == "trial" {
		r.problems[last].Hazard = hazard
	}
	return err
}

// ownTable changes a table that this migration creates: nobody uses it, and it goes as
// a whole at rollback.
func (r *resolver) ownTable(table, title, clause, done string) {
	r.note("not-tried", fmt.Sprintf("%s is not tried beforehand: the table is created by this migration", title))
	r.step(plan.Step{Phase: plan.PhaseExpand, Title: title, Statements: []string{fmt.Sprintf("ALTER TABLE %s %s", ident(table), clause)}, Relation: ident(table), StatementTimeout: statementTimeout,
		Done: done, Undo: "goes with the table"})
}

// asWritten runs a statement because its author says so. Nothing is known of it,
// so the strongest lock is written down.
func (r *resolver) asWritten(c plan.AsWritten) error {
	if strings.TrimSpace(c.Reason) == "" {
		r.problem("as-written", "a statement as written needs a reason", `-- phased:as-written reason="…"`)
		return nil
	}
	relation := ""
	if c.Table != "" {
		relation = ident(c.Table)
	}
	r.note("as-written", fmt.Sprintf("statement %d runs as written: %s", r.at.Index, c.Reason))
	r.step(plan.Step{Phase: plan.PhaseExpand, Title: c.Describe(), Statements: []string{c.SQL}, UserPath: true, Relation: relation})
	return nil
}

// checkGrants names grants on a table or a column, which do not follow a rename here.
func (r *resolver) checkGrants(ctx context.Context, s *subject, column, to string) error {
	query, args, what := `SELECT /* phased */ DISTINCT CONCAT(User, '@', Host) FROM mysql.tables_priv WHERE Db = DATABASE() AND Table_name = ? AND Table_priv <> ''`, []any{s.Name}, s.Name
	if column != "" {
		query, args, what = `SELECT /* phased */ DISTINCT CONCAT(User, '@', Host) FROM mysql.columns_priv WHERE Db = DATABASE() AND Table_name = ? AND Column_name = ?`, []any{s.Name, column}, s.Name+"."+column
	}
	accounts, err := list(ctx, r.c, query, args...)
	switch {
	case mayNot(err):
		return nil // an account that may not see grants cannot be told about them
	case err != nil:
		return fmt.Errorf("look for grants on %s: %w", what, err)
	case len(accounts) == 0:
		return nil
	}
	r.hazard("grants", fmt.Sprintf("%s have privileges on %s itself, which do not go over to %s", strings.Join(accounts, ", "), what, to),
		"GRANT them the same on the new name once it is there, before new code uses it, or grant on the whole database")
	return nil
}
