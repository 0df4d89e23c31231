package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// addColumn adds a column that no row has to be written for. The server shows on an
// empty copy whether it would rewrite the table.
func (r *resolver) addColumn(ctx context.Context, c plan.AddColumn) error {
	s, err := r.subject(ctx, c.Target())
	if err != nil || s == nil {
		return err
	}
	if !r.freshColumn(s, c.Column) {
		return nil
	}
	if c.NotNull && c.Default == "" {
		r.problem("not-null", fmt.Sprintf("column %s is NOT NULL without a default: every existing row would violate it, and so would old code's inserts", c.Column), "give it a constant default, or add it nullable")
		return nil
	}
	before, err := s.copy.fileNode(ctx)
	if err != nil {
		return err
	}
	clause := "ADD COLUMN " + columnDefinition(c)
	if err := r.try(ctx, "ALTER TABLE "+s.copy.name+" "+clause); err != nil {
		if code(err) == "" {
			return fmt.Errorf("try %s on an empty copy: %w", c.Describe(), err)
		}
		r.problem("add-column", "the server refuses it: "+detail(err), "")
		return nil
	}
	after, err := s.copy.fileNode(ctx)
	if err != nil {
		return err
	}
	now, err := s.copy.table(ctx)
	if err != nil {
		return err
	}
	added := now.Column(c.Column)
	switch {
	case added == nil:
		r.problem("add-column", fmt.Sprintf("column %s is not there after it was added to an empty copy: the server folded its name", c.Column), "quote the name")
		return nil
	case before != after || added.DefaultClass == schema.DefaultVolatile:
		why := "its default is volatile"
		if added.DefaultClass != schema.DefaultVolatile {
			why = fmt.Sprintf("its type %s brings a constraint", added.Type)
		}
		r.problem("rewrite", fmt.Sprintf("adding %s would rewrite all of %s under an AccessExclusive lock: %s", c.Column, s.Name, why), "not supported yet; add the column without it, set the default in a later migration, and fill old rows")
		return nil
	}
	step := r.alterStep(plan.PhaseExpand, s, c.Describe(), fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s", s.sql(), qualifiedDefinition(c, added)))
	step.Done = doneColumn(s.sql(), c.Column)
	step.Undo = fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", s.sql(), ident(c.Column))
	r.step(step)
	undo := r.alterStep(plan.PhaseUndo, s, "drop column "+c.Column, fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", s.sql(), ident(c.Column)))
	undo.Done = doneNoColumn(s.sql(), c.Column)
	r.step(undo)
	return nil
}

// columnDefinition is the column as written.
func columnDefinition(c plan.AddColumn) string {
	def := ident(c.Column) + " " + c.Type
	if c.Collate != "" {
		def += " COLLATE " + c.Collate
	}
	return def + defaultAndNull(c.Default, c.NotNull)
}

// qualifiedDefinition is the column as the server understood it, free of search_path.
func qualifiedDefinition(c plan.AddColumn, added *schema.Column) string {
	def := ident(c.Column) + " " + added.Type
	if added.Collation != "" {
		def += " COLLATE " + added.Collation
	}
	return def + defaultAndNull(added.Default, c.NotNull)
}

func defaultAndNull(def string, notNull bool) string {
	out := ""
	if def != "" {
		out = " DEFAULT " + def
	}
	if notNull {
		out += " NOT NULL"
	}
	return out
}

// dropColumn makes the column optional first, so that new code can leave it out,
// then hides it, then drops it.
func (r *resolver) dropColumn(ctx context.Context, c plan.DropColumn) error {
	s, err := r.subject(ctx, c.Target())
	if err != nil || s == nil {
		return err
	}
	old := r.column(s, c.Column)
	if old == nil {
		return nil
	}
	r.checkInFlight(s, c.Column, "")
	for _, l := range r.linked(s) {
		if l.New == c.Column {
			r.problem("in-flight", fmt.Sprintf("%s.%s is the new side of migration %s, which is not contracted yet", s.Name, c.Column, l.Migration), "contract or roll back that migration first")
		}
	}
	hidden := shortName("", c.Column, "~hidden")
	if s.Column(hidden) != nil {
		r.problem("duplicate-name", fmt.Sprintf("%s.%s already has a column %s, the name under which %s would be hidden", s.Schema, s.Name, hidden, c.Column), "rename or drop it first")
	}
	r.checkDropKeys(s, c.Column)
	if schema.Has(s.PartitionKey, c.Column) || schema.Has(s.PartitionKey, "") {
		r.problem("partition-key", fmt.Sprintf("%s is, or may be, part of the partition key of %s", c.Column, s.Name), "a partition key cannot be dropped; move the rows to a new table")
	}
	if err := r.checkDependents(ctx, s, c.Column); err != nil {
		return err
	}
	if old.NotNull && old.Default == "" && old.Identity == "" && old.Generated == "" {
		step := r.alterStep(plan.PhaseExpand, s, fmt.Sprintf("make %s optional, so that new code can leave it out", c.Column),
			fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", s.sql(), ident(c.Column)))
		step.Done = fmt.Sprintf("SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(%s) AND attname = %s AND NOT attnotnull)", literal(s.sql()), literal(c.Column))
		step.Undo = "stays nullable after rollback: rows of new code may hold null by then"
		r.step(step)
		r.note("stays-nullable", fmt.Sprintf("until contract old code may read null from %s in rows that new code wrote; after a rollback the column stays nullable", c.Column))
	}
	hide := r.alterStep(plan.PhaseHide, s, fmt.Sprintf("hide column %s as %s", c.Column, hidden), fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", s.sql(), ident(c.Column), ident(hidden)))
	hide.Done = doneColumn(s.sql(), hidden)
	hide.Undo = fmt.Sprintf("rollback, or by hand: rename %s back to %s", hidden, c.Column)
	r.step(hide)
	drop := r.alterStep(plan.PhaseDrop, s, fmt.Sprintf("drop %s", hidden), fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", s.sql(), ident(hidden)))
	drop.Done = doneNoColumn(s.sql(), hidden)
	r.step(drop)
	undo := r.alterStep(plan.PhaseUndo, s, fmt.Sprintf("give column %s its name back, where it was hidden", c.Column), fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", s.sql(), ident(hidden), ident(c.Column)))
	undo.Done = doneColumn(s.sql(), c.Column)
	r.step(undo)
	return nil
}

// checkDropKeys refuses to drop a key, and says what else goes.
func (r *resolver) checkDropKeys(s *subject, column string) {
	for _, k := range s.ReferencedBy {
		if schema.Has(k.RefColumns, column) {
			r.problem("referenced", fmt.Sprintf("foreign key %s of %s references %s.%s", k.Name, k.Table, s.Name, column), "drop that foreign key first")
		}
	}
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
	for _, k := range s.Constraints {
		if k.Kind == schema.ConstraintCheck && schema.Has(k.Columns, column) && len(k.Columns) > 1 {
			also = append(also, "constraint "+k.Name)
		}
	}
	if len(also) > 0 {
		r.hazard("drops-others", fmt.Sprintf("with column %s also go %s, which other columns share", column, strings.Join(also, ", ")), "build what should stay without the column first, in an earlier migration")
	}
}
