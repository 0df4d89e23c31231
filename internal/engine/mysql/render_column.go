package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// addColumn adds a column that no row has to be written for.
func (r *resolver) addColumn(ctx context.Context, c plan.AddColumn) error {
	if c.NotNull && c.Default == "" {
		r.problem("not-null", fmt.Sprintf("column %s is NOT NULL without a default: old code's inserts would be refused, and every existing row would hold a value that nobody wrote", c.Column), "give it a constant default, or add it nullable")
		return nil
	}
	if r.created[c.Table] {
		if r.nameFits(c.Column) {
			r.ownTable(c.Table, c.Describe(), "ADD COLUMN "+columnDefinition(c), doneColumn(c.Table, c.Column))
		}
		return nil
	}
	s, err := r.subject(ctx, c.Table)
	if err != nil || s == nil || !r.freshColumn(s, c.Column, "") {
		return err
	}
	before, err := table(ctx, r.c, s.copy.name)
	if err != nil {
		return err
	}
	course, err := r.course(ctx, s)
	if err != nil {
		return err
	}
	if err := course.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: c.Describe(), Done: doneColumn(s.Name, c.Column),
		Undo: fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", s.sql(), ident(c.Column))}, "ADD COLUMN "+columnDefinition(c)); err != nil {
		return r.trialAs(err, "add-column")
	}
	after, err := table(ctx, r.c, s.copy.name)
	if err != nil {
		return err
	}
	added := after.Column(c.Column)
	switch {
	case added == nil:
		r.problem("add-column", fmt.Sprintf("column %s is not there after it was added to an empty copy: its definition says something else", c.Column), "write the type alone")
		return nil
	case added.DefaultClass == schema.DefaultVolatile:
		r.problem("rewrite", fmt.Sprintf("the default %s of %s gives another value for each row: every row of %s would have to be written", c.Default, c.Column, s.Name), "add the column without it, set the default in a later migration, and fill old rows")
		return nil
	case len(after.Columns) != len(before.Columns)+1, len(after.Indexes) != len(before.Indexes), len(after.Constraints) != len(before.Constraints) && !isJSON(after, added):
		r.problem("add-column", fmt.Sprintf("the definition of %s brings an index, a constraint or another column along", c.Column), "write that as a statement of its own")
		return nil
	case added.NotNull != c.NotNull && added.Generated == "":
		r.problem("add-column", fmt.Sprintf("the definition of %s says NOT NULL in its type", c.Column), "say it beside the type")
		return nil
	}
	return course.andBack(ctx, plan.Step{Phase: plan.PhaseUndo, Title: "drop column " + c.Column, Done: doneNoColumn(s.Name, c.Column)}, "DROP COLUMN "+ident(c.Column))
}

// dropColumn makes the column optional first, so that new code can leave it out,
// then hides it, then drops it.
func (r *resolver) dropColumn(ctx context.Context, c plan.DropColumn) error {
	s, err := r.subject(ctx, c.Table)
	if err != nil || s == nil {
		return err
	}
	old := r.column(s, c.Column)
	if old == nil {
		return nil
	}
	hidden := shortName("", old.Name, "~hidden")
	if ok, err := r.checkDrop(ctx, s, old, hidden); err != nil || !ok {
		return err
	}
	course, err := r.course(ctx, s)
	if err != nil {
		return err
	}
	n := &renaming{course: course, old: old, json: isJSON(s.Table, old), own: old.Default}
	mandatory := n.mandatory() && old.Identity == "" && old.Generated == ""
	zero, hasZero := r.e.zeroValue(old.Type, n.json)
	if mandatory {
		if err := r.optional(ctx, n, zero, hasZero); err != nil {
			return err
		}
	}
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseHide, Title: fmt.Sprintf("hide column %s as %s", old.Name, hidden), Done: doneColumn(s.Name, hidden),
		Undo: fmt.Sprintf("rollback, or by hand: rename %s back to %s", hidden, old.Name)}, fmt.Sprintf("RENAME COLUMN %s TO %s", ident(old.Name), ident(hidden))); err != nil {
		return err
	}
	done := len(n.done)
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("give column %s its name back, where it was hidden", old.Name), Done: doneColumn(s.Name, old.Name)},
		fmt.Sprintf("RENAME COLUMN %s TO %s", ident(hidden), ident(old.Name))); err != nil {
		return err
	}
	if mandatory && !n.bound() && hasZero {
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("take the default of %s away, which it had for a while", old.Name),
			Done: not(columnIs(s.Name, old.Name, "COLUMN_DEFAULT IS NOT NULL"))}, n.dropDefault(old.Name)); err != nil {
			return err
		}
	}
	if err := n.again(ctx, done); err != nil {
		return err
	}
	n.l.Hidden = hidden
	if err := n.dropOldKeys(ctx); err != nil {
		return err
	}
	return n.alter(ctx, plan.Step{Phase: plan.PhaseDrop, Title: "drop " + hidden, Done: doneNoColumn(s.Name, hidden), Check: doneNoColumn(s.Name, old.Name)}, "DROP COLUMN "+ident(hidden))
}

// bound reports that a default would get in the way: rows of new code would all have it.
func (n *renaming) bound() bool {
	for _, x := range n.indexes() {
		if x.Unique {
			return true
		}
	}
	return len(n.foreignKeys()) > 0
}

// optional lets inserts leave the column out.
func (r *resolver) optional(ctx context.Context, n *renaming, zero string, hasZero bool) error {
	t, name := n.s.Name, n.old.Name
	title := fmt.Sprintf("make %s optional, so that new code can leave it out", name)
	if !n.bound() && hasZero {
		r.note("temporary-default", fmt.Sprintf("until contract old code reads %s from %s in rows that new code wrote", zero, name))
		return n.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: title, Done: columnIs(t, name, "COLUMN_DEFAULT IS NOT NULL"), Undo: "rollback takes the default away"}, n.setDefault(name, zero))
	}
	d := n.like(name)
	d.notNull = false
	r.note("stays-nullable", fmt.Sprintf("until contract old code may read null from %s in rows that new code wrote; after a rollback the column stays nullable", name))
	return n.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: title, Done: columnIs(t, name, "IS_NULLABLE = 'YES'"), Undo: "stays nullable after rollback: rows of new code may hold null by then"}, "MODIFY COLUMN "+d.String())
}

// checkDrop refuses to drop a key, and says what else goes.
func (r *resolver) checkDrop(ctx context.Context, s *subject, old *schema.Column, hidden string) (bool, error) {
	before := len(r.problems)
	column := old.Name
	r.checkInFlight(s, column, "")
	for _, l := range r.linked(s) {
		if l.New == column {
			r.problem("in-flight", fmt.Sprintf("%s.%s is the new side of migration %s, which is not contracted yet", s.Name, column, l.Migration), "contract or roll back that migration first")
		}
	}
	if s.Column(hidden) != nil {
		r.problem("duplicate-name", fmt.Sprintf("%s already has a column %s, the name under which %s would be hidden", s.Name, hidden, column), "rename or drop it first")
	}
	r.checkUses(s, old)
	var also []string
	for _, x := range s.Indexes {
		if !schema.Has(x.Columns, column) {
			continue
		}
		if x.Primary {
			r.problem("primary-key", fmt.Sprintf("%s.%s is part of the primary key", s.Name, column), "dropping key columns is not supported yet")
		}
		if len(x.Columns) > 1 {
			also = append(also, "index "+x.Name)
		}
	}
	if len(also) > 0 {
		r.hazard("drops-others", fmt.Sprintf("with column %s also go %s, which other columns share", column, strings.Join(also, ", ")), "build what should stay without the column first, in an earlier migration")
	}
	return len(r.problems) == before, r.checkDependents(ctx, s, column)
}
