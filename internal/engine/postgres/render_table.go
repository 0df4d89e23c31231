package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
	"github.com/phasedb/phased/lockcheck"
)

// viewSecurity is the first version whose views can run with their user's rights.
const viewSecurity = 150000

// renameTable shows the table under its new name as an updatable view; contract
// swaps the two names in one transaction. Nothing is copied and nothing is filled.
func (r *resolver) renameTable(ctx context.Context, c plan.RenameTable) error {
	s, err := r.subject(ctx, c.Target())
	if err != nil || s == nil {
		return err
	}
	if ok, err := r.freshRelation(ctx, s.Schema, c.To); err != nil || !ok {
		return err
	}
	for _, l := range r.linked(s) {
		r.problem("in-flight", fmt.Sprintf("migration %s keeps columns of %s in step", l.Migration, s.Name), "contract it first: "+l.Migration)
	}
	if len(r.m.Statements) > 1 {
		r.problem("alone", "a table rename stands in a migration of its own: other changes would not show under both names", "move the other statements into another file")
	}
	options := ""
	switch {
	case r.srv.Version >= viewSecurity:
		options = " WITH (security_invoker = true)"
		r.p.Require.MinVersion = viewSecurity
	case s.RowSecurity:
		r.problem("row-security", fmt.Sprintf("%s has row security, and before PostgreSQL 15 a view runs with its owner's rights: the new name would show rows that policies hide", s.Name), "upgrade to PostgreSQL 15 or later, or rename as-written in a maintenance window")
	default:
		r.p.Require.MaxVersion = viewSecurity - 1
	}
	r.note("copy-into-view", fmt.Sprintf("until contract %s is a view: SELECT, INSERT, UPDATE, DELETE, ON CONFLICT and RETURNING work through it; COPY %s FROM, TRUNCATE, LOCK TABLE and new foreign keys to it do not", c.To, c.To))
	for _, x := range s.Columns {
		if x.Identity == "always" || x.Generated != "" {
			r.note("view-defaults", fmt.Sprintf("%s is filled by the table through the view too", x.Name))
		}
	}
	view := qualified(s.Schema, c.To)
	var cols []string
	for _, x := range s.Columns {
		cols = append(cols, ident(x.Name))
	}
	create := []string{
		fmt.Sprintf("CREATE VIEW %s%s AS SELECT %s FROM %s", view, options, strings.Join(cols, ", "), s.sql()),
		fmt.Sprintf("ALTER VIEW %s OWNER TO %s", view, ident(s.Owner)),
	}
	create = append(create, viewGrants(s, view)...)
	isView := doneRelkind(view, "v")
	moved := doneRelkind(view, "r", "p")
	expand := plan.Step{Phase: plan.PhaseExpand, Change: r.n, Title: fmt.Sprintf("show %s under its new name %s, as an updatable view", c.From, c.To), Statements: create,
		Lock: lockcheck.LockAccessShare, Relation: s.sql(), InTx: true, Done: isView, Undo: "DROP VIEW " + view}
	r.step(expand)

	hide := r.alterStep(plan.PhaseHide, s, fmt.Sprintf("swap: %s takes the name %s, the view goes", c.From, c.To),
		"DROP VIEW "+view, fmt.Sprintf("ALTER TABLE %s RENAME TO %s", s.sql(), ident(c.To)))
	hide.Done, hide.Undo = moved, "rollback renames the table back and creates the view again"
	r.step(hide)

	show := r.alterStep(plan.PhaseUndo, s, fmt.Sprintf("give the table its name %s back, where it was swapped", c.From),
		append([]string{fmt.Sprintf("ALTER TABLE %s RENAME TO %s", view, ident(c.From))}, create...)...)
	show.Relation = view
	show.Done = doneRelkind(s.sql(), "r", "p")
	r.step(show)
	undo := r.alterStep(plan.PhaseUndo, s, "drop the view "+c.To, "DROP VIEW IF EXISTS "+view)
	undo.Relation = view
	undo.Done = fmt.Sprintf("SELECT pg_catalog.to_regclass(%s) IS NULL", literal(view))
	r.step(undo)
	return nil
}

// viewGrants gives the view what the table grants, as far as views know it.
func viewGrants(s *subject, view string) []string {
	var out []string
	for _, g := range s.Grants {
		var privs []string
		for _, p := range g.Privileges {
			switch p {
			case "SELECT", "INSERT", "UPDATE", "DELETE":
				privs = append(privs, p)
			}
		}
		if len(privs) > 0 {
			out = append(out, fmt.Sprintf("GRANT %s ON %s TO %s%s", strings.Join(privs, ", "), view, grantee(g), grantOption(g)))
		}
	}
	for _, c := range s.Columns {
		for _, g := range c.Grants {
			var privs []string
			for _, p := range g.Privileges {
				if p != "REFERENCES" {
					privs = append(privs, fmt.Sprintf("%s (%s)", p, ident(c.Name)))
				}
			}
			if len(privs) > 0 {
				out = append(out, fmt.Sprintf("GRANT %s ON %s TO %s%s", strings.Join(privs, ", "), view, grantee(g), grantOption(g)))
			}
		}
	}
	return out
}

func doneRelkind(name string, kinds ...string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(%s) AND relkind IN ('%s'))", literal(name), strings.Join(kinds, "', '"))
}

// createTable runs the statement as it stands, after it was tried.
func (r *resolver) createTable(ctx context.Context, c plan.CreateTable) error {
	in, err := createSchema(ctx, r.tx, r.path, c.Target())
	if err != nil {
		r.problem("schema", err.Error(), "")
		return nil
	}
	if ok, err := r.freshRelation(ctx, in, c.Name); err != nil || !ok {
		return err
	}
	name := qualified(in, c.Name)
	if err := r.try(ctx, c.SQL); err != nil {
		switch {
		case r.blind, r.e.LockTimeout(err):
			r.note("not-tried", fmt.Sprintf("%s could not be tried beforehand: %s", c.Describe(), detail(err)))
		case code(err) == "":
			return fmt.Errorf("try %s: %w", c.Describe(), err)
		default:
			r.problem("create-table", "the server refuses it: "+detail(err), "")
			return nil
		}
	} else {
		r.created[name] = true
	}
	r.step(plan.Step{Phase: plan.PhaseExpand, Change: r.n, Title: c.Describe(), Statements: []string{c.SQL}, InTx: true, UserPath: true,
		// A table it references is locked for a moment.
		Lock: lockcheck.LockShareRowExclusive, Relation: name, Undo: "DROP TABLE " + name, Done: doneRelkind(name, "r", "p")})
	r.step(plan.Step{Phase: plan.PhaseUndo, Change: r.n, Title: "drop table " + c.Name, Statements: []string{"DROP TABLE IF EXISTS " + name}, InTx: true,
		Lock: lockcheck.LockAccessExclusive, Relation: name, Done: fmt.Sprintf("SELECT pg_catalog.to_regclass(%s) IS NULL", literal(name))})
	return nil
}

// try runs a statement of the user's under his search_path, inside the transaction
// that is rolled back; on error it leaves no trace.
func (r *resolver) try(ctx context.Context, statement string) error {
	if _, err := r.tx.ExecContext(ctx, "SAVEPOINT phased_statement"); err != nil {
		return err
	}
	if _, err := r.tx.ExecContext(ctx, "SET LOCAL search_path = "+r.path); err != nil {
		return err
	}
	_, err := r.tx.ExecContext(ctx, statement)
	back := "SET LOCAL search_path = ''"
	if err != nil {
		back = "ROLLBACK TO SAVEPOINT phased_statement; " + back
	}
	if _, e := r.tx.ExecContext(ctx, back); e != nil {
		return e
	}
	return err
}

// createIndex builds it without blocking writes.
func (r *resolver) createIndex(ctx context.Context, c plan.CreateIndex) error {
	s, err := r.subject(ctx, c.Target())
	if err != nil || s == nil {
		return err
	}
	if ok, err := r.freshRelation(ctx, s.Schema, c.Name); err != nil || !ok {
		return err
	}
	if s.Kind == schema.KindPartitionedTable {
		r.problem("partitioned-index", fmt.Sprintf("%s is partitioned, and the server refuses CREATE INDEX CONCURRENTLY there", s.Name),
			fmt.Sprintf("for now: CREATE INDEX … ON ONLY %s (as-written), then the same CONCURRENTLY on each partition and ALTER INDEX … ATTACH PARTITION", s.sql()))
		return nil
	}
	if err := r.try(ctx, fmt.Sprintf("CREATE INDEX ON %s %s", s.copy.name, c.Definition)); err != nil {
		if code(err) == "" {
			return fmt.Errorf("try %s on an empty copy: %w", c.Describe(), err)
		}
		r.problem("create-index", "the server refuses it: "+detail(err), "")
		return nil
	}
	r.indexStep(plan.PhaseExpand, s, c.Unique, c.Name, c.Definition)
	r.p.Steps[len(r.p.Steps)-1].UserPath = true // the definition is the user's, and was tried so
	r.p.Steps[len(r.p.Steps)-1].Undo = "DROP INDEX CONCURRENTLY " + qualified(s.Schema, c.Name)
	r.step(plan.Step{Phase: plan.PhaseUndo, Change: r.n, Title: "drop index " + c.Name, Lock: lockcheck.LockShareUpdateExclusive, Relation: s.sql(),
		Statements: []string{"DROP INDEX CONCURRENTLY IF EXISTS " + qualified(s.Schema, c.Name)},
		Done:       fmt.Sprintf("SELECT pg_catalog.to_regclass(%s) IS NULL", literal(qualified(s.Schema, c.Name)))})
	return nil
}

// asWritten runs a statement because its author says so. Nothing is known of it,
// so the strongest lock is written down.
func (r *resolver) asWritten(c plan.AsWritten) error {
	if strings.TrimSpace(c.Reason) == "" {
		r.problem("as-written", "a statement as written needs a reason", `-- phased:as-written reason="…"`)
		return nil
	}
	r.blind = true
	relation := ""
	if c.Table != "" {
		relation = ident(c.Table)
		if c.Schema != "" {
			relation = qualified(c.Schema, c.Table)
		}
	}
	r.note("as-written", fmt.Sprintf("statement %d runs as written: %s", r.at.Index, c.Reason))
	r.step(plan.Step{Phase: plan.PhaseExpand, Change: r.n, Title: c.Describe(), Statements: []string{c.SQL}, InTx: true, UserPath: true,
		Lock: lockcheck.LockAccessExclusive, Relation: relation})
	return nil
}
