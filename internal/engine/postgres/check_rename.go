package postgres

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// checkRename looks at the whole life of a column rename before anything is
// touched: each later step that would fail or do harm is named with the way out.
func (r *resolver) checkRename(ctx context.Context, s *subject, old *schema.Column, c plan.RenameColumn, l plan.Link) error {
	col := s.Name + "." + old.Name
	switch {
	case old.Identity != "":
		r.problem("identity", fmt.Sprintf("%s is GENERATED %s AS IDENTITY: a second column cannot follow it", col, strings.ToUpper(old.Identity)), "renaming identity columns is not supported yet")
	case old.Generated != "":
		r.problem("generated-column", fmt.Sprintf("%s is a generated column: nothing is written to it that could be kept in step", col), "add a generated column of the new name and drop this one in a later migration")
	}
	if old.DomainWith != "" {
		r.problem("domain", fmt.Sprintf("%s has domain type %s with a %s: adding a column of it would rewrite the table or fill it", col, old.Type, old.DomainWith), "renaming columns of such a domain is not supported yet")
	}
	if old.DefaultClass == schema.DefaultVolatile && !old.NotNull {
		r.problem("volatile-default", fmt.Sprintf("%s is nullable and its default %s gives another value each time: an insert that sets the new column to null could not be told from one that leaves it out", col, old.Default),
			"make the column NOT NULL or drop its default first")
	}
	if schema.Has(s.PartitionKey, old.Name) || schema.Has(s.PartitionKey, "") {
		r.problem("partition-key", fmt.Sprintf("%s is, or may be, part of the partition key of %s", col, s.Name), "a partition key cannot be changed online; move the rows to a new table")
	}
	r.checkInFlight(s, old.Name, c.To)
	r.checkKeys(s, old, l)
	r.checkExpressions(s, old, l)
	r.checkTriggers(s, []string{old.Name})
	if s.Subscribed {
		r.note("subscription", fmt.Sprintf("%s is filled by logical replication; the sync fires for it too (ENABLE ALWAYS)", s.Name))
	}
	if s.Column(l.Hidden) != nil {
		r.problem("duplicate-name", fmt.Sprintf("%s.%s already has a column %s, the name under which %s would be hidden", s.Schema, s.Name, l.Hidden, old.Name), "rename or drop it first")
	}
	if err := r.checkDependents(ctx, s, old.Name); err != nil {
		return err
	}
	switch {
	case old.Identity != "", old.Generated != "", old.DomainWith != "":
		return nil // the trial would only say it again
	case expresses(l):
		return r.checkCarry(ctx, s, l)
	}
	return r.fireOnce(ctx, s, l)
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

// checkKeys looks at the indexes and constraints that the column carries.
func (r *resolver) checkKeys(s *subject, old *schema.Column, l plan.Link) {
	partitioned := s.Kind == schema.KindPartitionedTable
	for _, x := range s.Indexes {
		if !schema.Has(x.Columns, old.Name) {
			continue
		}
		switch {
		case s.carried[x.Name]:
			r.problem("shared-index", fmt.Sprintf("index %s also holds a column that this file renames already", x.Name), "put the second rename into a migration of its own, once the first is verified")
		case !x.Valid:
			r.problem("invalid-index", fmt.Sprintf("index %s is not valid", x.Name), "REINDEX INDEX CONCURRENTLY or drop it first")
		case x.Exclusion:
			r.problem("exclusion", fmt.Sprintf("exclusion constraint %s cannot be built online", x.Name), "not supported yet")
		case x.ReplicaIdentity:
			r.problem("replica-identity", fmt.Sprintf("index %s is the replica identity of %s: subscribers would lose their key when it goes", x.Name, s.Name), "set another REPLICA IDENTITY first")
		case partitioned:
			r.problem("partitioned-index", fmt.Sprintf("index %s is on partitioned table %s, where CREATE INDEX CONCURRENTLY is refused by the server", x.Name, s.Name), "not supported yet")
		}
		if x.Unique && !x.Primary {
			r.note("unique-upsert", fmt.Sprintf("%s is unique: from the end of the backfill until contract there are two unique indexes, and of concurrent INSERT … ON CONFLICT (%s) (old code's) or ON CONFLICT (%s) (new code's) of the same new value one can fail on the other index; "+
				"`-- phased:serialize-inserts %s.%s` makes such inserts wait for each other instead (one advisory lock a row: not for bulk inserts)", x.Name, old.Name, l.New, s.Name, old.Name))
		}
		s.carried[x.Name] = true
	}
	for _, k := range s.Constraints {
		if !schema.Has(k.Columns, old.Name) {
			continue
		}
		if s.carried[k.Name] && (k.Kind == schema.ConstraintCheck || k.Kind == schema.ConstraintForeign) {
			r.problem("shared-constraint", fmt.Sprintf("constraint %s also holds a column that this file renames already", k.Name), "put the second rename into a migration of its own, once the first is verified")
		}
		if !k.Valid {
			r.problem("not-valid", fmt.Sprintf("%s constraint %s is NOT VALID: rows may violate it, and its copy could not be validated", k.Kind, k.Name), fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s first", s.sql(), ident(k.Name)))
		}
		if k.Kind == schema.ConstraintForeign && partitioned {
			r.problem("partitioned-foreign-key", fmt.Sprintf("foreign key %s is on partitioned table %s, where NOT VALID is refused before PostgreSQL 18", k.Name, s.Name), "not supported yet")
		}
		if k.Kind == schema.ConstraintForeign && strings.Contains(k.Definition, "PERIOD ") {
			r.problem("temporal-key", fmt.Sprintf("foreign key %s is temporal (PERIOD)", k.Name), "not supported yet")
		}
		s.carried[k.Name] = true
	}
	for _, k := range s.ReferencedBy {
		if schema.Has(k.RefColumns, old.Name) {
			r.problem("referenced", fmt.Sprintf("foreign key %s of %s references %s.%s: it hangs on the index that goes with the old column", k.Name, k.Table, s.Name, old.Name),
				"renaming a referenced key is not supported yet")
		}
	}
}

// checkExpressions refuses what a value that is not taken as it is cannot carry over.
func (r *resolver) checkExpressions(s *subject, old *schema.Column, l plan.Link) {
	if l.Up == "" && l.Down == "" {
		return
	}
	var bound []string
	if old.NotNull {
		bound = append(bound, "NOT NULL")
	}
	for _, x := range s.Indexes {
		if x.Unique && schema.Has(x.Columns, old.Name) {
			bound = append(bound, "unique index "+x.Name)
		}
	}
	for _, k := range s.Constraints {
		if schema.Has(k.Columns, old.Name) && (k.Kind == schema.ConstraintCheck || k.Kind == schema.ConstraintForeign) {
			bound = append(bound, string(k.Kind)+" "+k.Name)
		}
	}
	if len(bound) > 0 {
		r.problem("expression-and-constraint", fmt.Sprintf("%s.%s has up and down expressions and also %s: old code could be refused because of the new side", s.Name, l.Old, strings.Join(bound, ", ")),
			"constraints are carried over only where the value is taken as it is")
	}
}

// checkTriggers looks at other people's triggers: those that would run behind the
// sync, that assign a synced column, and that fire on the backfill's updates.
func (r *resolver) checkTriggers(s *subject, columns []string) {
	for _, g := range s.Triggers {
		switch {
		case g.Enabled == "D" || !g.Row:
			continue
		case g.Before && g.Name > syncTrigger && (g.Insert || g.Update):
			r.problem("trigger-order", fmt.Sprintf("trigger %s runs behind the sync (row triggers fire in the order of their names, and the sync is called %s), so what it changes would not be carried over", g.Name, syncTrigger),
				fmt.Sprintf("rename it: ALTER TRIGGER %s ON %s RENAME TO …", ident(g.Name), s.sql()))
		}
		for _, c := range columns {
			if g.Before && (g.Insert || g.Update) && assigns(g.Source, c) {
				r.hazard("trigger-assigns-column", fmt.Sprintf("trigger %s (%s) assigns %s: it would not see what new code writes to the new column, and what it assigns would count as old code's write", g.Name, g.Function, c),
					"make it act on both columns, or move the work into the application")
			}
			if schema.Has(g.Columns, c) {
				r.hazard("trigger-of-column", fmt.Sprintf("trigger %s fires on UPDATE OF %s only: not when new code writes the new column, although the sync changes %s then", g.Name, c, c),
					"make it fire on both columns, or on every update; it must be gone or changed before contract")
			}
		}
		if g.Update && len(g.Columns) == 0 {
			r.hazard("trigger-fires-on-backfill", fmt.Sprintf("trigger %s (%s) fires for every row that the backfill updates", g.Name, g.Function),
				"give it a WHEN clause that compares the columns it is about, such as WHEN (OLD.x IS DISTINCT FROM NEW.x)")
		}
	}
}

// assigns looks for NEW.column := … or = … in a function's source. It is a guess on
// the safe side: other languages than PL/pgSQL are not read.
func assigns(source, column string) bool {
	pattern := `(?i)\bnew\s*\.\s*"?` + regexp.QuoteMeta(column) + `"?\s*(:=|=)|(?i)\binto\s+[^;]*\bnew\s*\.\s*"?` + regexp.QuoteMeta(column) + `\b`
	ok, err := regexp.MatchString(pattern, source)
	return ok && err == nil
}

// checkDependents names what DROP COLUMN would need CASCADE for, or would break.
func (r *resolver) checkDependents(ctx context.Context, s *subject, column string) error {
	deps, err := r.e.dependents(ctx, r.tx, s.Schema, s.Name, column)
	if err != nil {
		return err
	}
	for _, d := range deps {
		switch {
		case d.Kind == "partition key", d.Kind == "foreign key": // refused by checks of their own
		case d.Blocks:
			r.hazard("dependent-"+strings.ReplaceAll(d.Kind, " ", "-"), fmt.Sprintf("%s %s uses %s.%s: contract stays shut while it does", d.Kind, d.Name, s.Name, column),
				"make it use the new column once that is verified, before contract")
		default:
			r.note("dependent-"+strings.ReplaceAll(d.Kind, " ", "-"), fmt.Sprintf("%s %s uses %s.%s", d.Kind, d.Name, s.Name, column))
		}
	}
	return nil
}
