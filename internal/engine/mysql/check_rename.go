package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// checkRename looks at the whole life of a column rename before anything is tried: what
// the copy cannot show, and what it would show in words that help nobody. Where it
// notes a problem that the copy would only repeat, ok is false.
func (r *resolver) checkRename(ctx context.Context, n *renaming, c plan.RenameColumn) (ok bool, err error) {
	before := len(r.problems)
	s, old := n.s, n.old
	r.checkType(s, old)
	r.checkUses(s, old)
	r.checkInFlight(s, old.Name, c.To)
	r.checkKeys(n)
	r.checkExpressions(n)
	if n.class == schema.DefaultVolatile && !old.NotNull {
		r.problem("volatile-default", fmt.Sprintf("%s.%s is nullable and its default %s gives another value each time: an insert that sets the new column to null could not be told from one that leaves it out", s.Name, old.Name, n.own),
			"make the column NOT NULL or drop its default first")
	}
	if s.Column(n.l.Hidden) != nil {
		r.problem("duplicate-name", fmt.Sprintf("%s already has a column %s, the name under which %s would be hidden", s.Name, n.l.Hidden, old.Name), "rename or drop it first")
	}
	if c.SerializeInserts {
		r.problem("serialize-inserts", "inserts cannot be made to wait for each other here", "leave serialize-inserts out: one unique index more costs a retry at most")
	}
	ok = len(r.problems) == before
	if err := r.checkTriggers(ctx, s, old.Name); err != nil {
		return false, err
	}
	if err := r.checkGrants(ctx, s, old.Name, n.l.New); err != nil {
		return false, err
	}
	if err := r.checkDependents(ctx, s, old.Name); err != nil || !ok || !expresses(n.l) {
		return ok, err
	}
	return ok, r.checkCarry(ctx, s, n.l)
}

// checkType refuses columns that cannot have a second one beside them.
func (r *resolver) checkType(s *subject, old *schema.Column) {
	col := s.Name + "." + old.Name
	if old.Identity != "" {
		r.problem("identity", fmt.Sprintf("%s is AUTO_INCREMENT: a table has one such column, and it cannot follow another", col), "renaming AUTO_INCREMENT columns is not supported yet")
	}
	if old.OnUpdate != "" {
		r.problem("on-update", fmt.Sprintf("%s changes by itself ON UPDATE %s: the sync could not tell that from a write of old code's", col, old.OnUpdate), "take ON UPDATE off the column first and let the application write it")
	}
	if classOf(old.Type) == classUnknown {
		r.problem("type", fmt.Sprintf("%s has type %s, whose values cannot be kept in step yet", col, old.Type), "not supported yet")
	}
	if len(old.Options) > 0 {
		r.problem("column-option", fmt.Sprintf("%s is declared with %s, which would not be carried over", col, strings.Join(old.Options, " ")), "not supported yet")
	}
}

// checkUses refuses a column that something of the table itself is made of: the server
// would not let its name change, or would copy the table.
func (r *resolver) checkUses(s *subject, old *schema.Column) {
	col := s.Name + "." + old.Name
	if old.Generated != "" {
		r.problem("generated-column", fmt.Sprintf("%s is a generated column: nothing is written to it", col), "add a generated column of the new name, and drop this one as-written later")
	}
	for _, c := range s.Columns {
		if c.Expression != "" && schema.Has(namesIn(c.Expression), old.Name) {
			r.problem("dependent-generated-column", fmt.Sprintf("generated column %s uses %s", c.Name, col), "drop that column first")
		}
	}
	for _, x := range s.Indexes {
		if schema.Has(x.Columns, old.Name) && !schema.Has(x.Key, old.Name) {
			r.problem("functional-index", fmt.Sprintf("index %s has an expression over %s", x.Name, col), "drop that index first")
		}
	}
	for _, k := range s.Constraints {
		if k.Kind == schema.ConstraintCheck && schema.Has(k.Columns, old.Name) && !(k.Name == old.Name && isJSON(s.Table, old)) {
			r.problem("check", fmt.Sprintf("%s uses %s: the server cannot add a CHECK for another column without copying the table", strings.TrimSpace(k.Name+" "+k.Definition), col), fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s first", s.sql(), ident(k.Name)))
		}
	}
	if schema.Has(s.PartitionKey, old.Name) {
		r.problem("partition-key", fmt.Sprintf("%s is part of the partition key of %s", old.Name, s.Name), "a partition key cannot be changed online; move the rows to a new table")
	}
	for _, k := range s.ReferencedBy {
		if schema.Has(k.RefColumns, old.Name) {
			r.problem("referenced", fmt.Sprintf("foreign key %s of %s references %s", k.Name, k.Table, col), "drop that foreign key first")
		}
	}
}

// checkInFlight refuses to build on a side of another change that is going to go.
func (r *resolver) checkInFlight(s *subject, from, to string) {
	for _, l := range r.linked(s) {
		switch {
		case from == l.Old:
			r.problem("in-flight", fmt.Sprintf("%s.%s is the old side of migration %s, which is not contracted yet", s.Name, from, l.Migration), "use its new side "+l.New+", or contract or roll back that migration first")
		case from == l.Hidden, to != "" && (to == l.Hidden || to == l.Old || to == l.Shown):
			r.problem("in-flight", fmt.Sprintf("%s.%s belongs to migration %s, which is not contracted yet", s.Name, to, l.Migration), "contract or roll back that migration first")
		}
	}
}

// checkKeys looks at the indexes and foreign keys that the column carries.
func (r *resolver) checkKeys(n *renaming) {
	s, old := n.s, n.old
	for _, x := range n.indexes() {
		switch {
		case x.Primary:
			r.problem("primary-key", fmt.Sprintf("%s.%s is part of the primary key, by which the table is stored", s.Name, old.Name), "renaming key columns is not supported yet")
		case x.Type != "":
			r.problem(x.Type+"-index", fmt.Sprintf("index %s is a %s index, which cannot be built without blocking writes", x.Name, strings.ToUpper(x.Type)), "not supported yet")
		case s.carried[x.Name]:
			r.problem("shared-index", fmt.Sprintf("index %s also holds a column that this file renames already", x.Name), "put the second rename into a migration of its own, once the first is verified")
		}
		s.carried[x.Name] = true
	}
	for _, k := range n.foreignKeys() {
		if s.carried["key "+k.Name] {
			r.problem("shared-constraint", fmt.Sprintf("foreign key %s also holds a column that this file renames already", k.Name), "put the second rename into a migration of its own, once the first is verified")
		}
		s.carried["key "+k.Name] = true
		if tail := strings.ToUpper(k.Tail); strings.Contains(tail, "ON UPDATE CASCADE") || strings.Contains(tail, "SET NULL") || strings.Contains(tail, "SET DEFAULT") {
			r.problem("foreign-key-action", fmt.Sprintf("foreign key %s changes %s.%s by itself (%s), and no trigger fires for that: the new column would not follow", k.Name, s.Name, old.Name, k.Tail), "make it RESTRICT or ON DELETE CASCADE first")
		}
	}
}

// checkDependents names what would break when the column goes.
func (r *resolver) checkDependents(ctx context.Context, s *subject, column string) error {
	found, err := r.e.dependents(ctx, r.c, s.Name, column)
	if err != nil {
		return err
	}
	for _, d := range found {
		switch d.Kind {
		case "generated column", "check", "functional index", "foreign key", "partition key": // refused by checks of their own
			continue
		}
		hazard, text := "dependent-"+strings.ReplaceAll(d.Kind, " ", "-"), fmt.Sprintf("%s %s uses %s.%s", d.Kind, d.Name, s.Name, column)
		if d.Blocks {
			r.hazard(hazard, text+": contract stays shut while it does", "make it use the new column once that is verified, before contract")
		} else {
			r.note(hazard, text)
		}
	}
	return nil
}
