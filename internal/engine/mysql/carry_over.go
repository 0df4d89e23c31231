package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// newMark ends the names of what is carried over, until the old one is gone.
const newMark = "~new"

// interim is the name that an index or a foreign key has beside the old one, and final
// the one it takes at the end. Stacked renames find names that are interim themselves.
func interim(name string) (interimName, final string) {
	base := name
	for strings.HasSuffix(base, newMark) {
		base = strings.TrimSuffix(base, newMark)
	}
	marks := strings.Repeat(newMark, (len(name)-len(base))/len(newMark)+1)
	return shortName("", base, marks), base
}

// oldNames are the names that what is carried over may have when it is dropped: an
// earlier change in flight gives it its final name when that is contracted.
func oldNames(name string) []string {
	out := []string{name}
	for strings.HasSuffix(name, newMark) {
		name = strings.TrimSuffix(name, newMark)
		out = append(out, name)
	}
	return out
}

// indexes are those that hold the old column.
func (n *renaming) indexes() []schema.Index {
	var out []schema.Index
	for _, x := range n.s.Indexes {
		if schema.Has(x.Columns, n.old.Name) {
			out = append(out, x)
		}
	}
	return out
}

// foreignKeys are those of the table that hold the old column.
func (n *renaming) foreignKeys() []schema.Constraint {
	var out []schema.Constraint
	for _, k := range n.s.Constraints {
		if k.Kind == schema.ConstraintForeign && schema.Has(k.Columns, n.old.Name) {
			out = append(out, k)
		}
	}
	return out
}

// finish gives the new column, after the backfill, the indexes and foreign keys of the
// old one, without blocking writes.
func (n *renaming) finish(ctx context.Context) error {
	t, l := n.s.Name, n.l
	for _, x := range n.indexes() {
		name, _ := interim(x.Name)
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseFinish, Title: "build index " + name, Done: doneIndex(t, name), Undo: "rollback drops it", Index: ident(name)},
			n.addIndex(x, name)); err != nil {
			return err
		}
		if x.Unique {
			n.r.note("unique-late", fmt.Sprintf("index %s is unique: if two rows of new code's have the same value by then, its build ends with error 1062 and is tried again", name))
		}
	}
	for _, k := range n.foreignKeys() {
		name, _ := interim(k.Name)
		n.r.note("foreign-key-not-scanned", fmt.Sprintf("foreign key %s is added without looking at the rows, which would block writes: %s is in step with %s, which has that key", name, l.New, l.Old))
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseFinish, Title: fmt.Sprintf("add foreign key %s, which the old column's proves", name), Done: doneForeignKey(t, name), Undo: "rollback drops it"},
			n.addForeignKey(k, copyKey(name)), withoutChecks); err != nil {
			return err
		}
	}
	return nil
}

// withoutChecks is a step's session in which a foreign key is added without a scan.
const withoutChecks = "SET SESSION foreign_key_checks = 0"

// addIndex is the index with the new column in the old one's place.
func (n *renaming) addIndex(x schema.Index, name string) string {
	list, rest, _ := parens(x.Definition)
	unique := ""
	if x.Unique {
		unique = "UNIQUE "
	}
	return fmt.Sprintf("ADD %sINDEX %s (%s)%s", unique, ident(name), renamed(list, n.old.Name, n.l.New), spaced(rest))
}

// addForeignKey is the key with the new column in the old one's place. name is marked.
func (n *renaming) addForeignKey(k schema.Constraint, name string) string {
	columns := make([]string, len(k.Columns))
	for i, c := range k.Columns {
		if columns[i] = c; c == n.old.Name {
			columns[i] = n.l.New
		}
	}
	return fmt.Sprintf("ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)%s", name, idents(columns), other(k.References), idents(k.RefColumns), spaced(k.Tail))
}

// dropOldKeys drops what hangs on the old column, before the column: dropping a column
// with an index would build the table anew.
func (n *renaming) dropOldKeys(ctx context.Context) error {
	t, l := n.s.Name, n.l
	for _, k := range n.foreignKeys() {
		for i, name := range oldNames(k.Name) {
			if err := n.dropOne(ctx, i > 0, plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("drop foreign key %s of the old side", name), Done: not(foreignKeyOn(t, name, l.Hidden))},
				"DROP FOREIGN KEY "+copyKey(name)); err != nil {
				return err
			}
		}
	}
	for _, x := range n.indexes() {
		for i, name := range oldNames(x.Name) {
			if err := n.dropOne(ctx, i > 0, plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("drop index %s of the old side", name), Done: not(indexOn(t, name, l.Hidden))},
				"DROP INDEX "+ident(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropOne renders a step that, where it is another name for the same thing, cannot be
// tried: then it runs as the one before it.
func (n *renaming) dropOne(ctx context.Context, alias bool, s plan.Step, clauses string) error {
	if !alias {
		return n.alter(ctx, s, clauses)
	}
	last := n.r.p.Steps[len(n.r.p.Steps)-1]
	text := last.Statements[0]
	s.Statements = []string{alterText(clauses, text[strings.LastIndex(text, "ALGORITHM="):]).real(n.s.Name)}
	s.Relation, s.StatementTimeout = last.Relation, last.StatementTimeout
	n.r.step(s)
	return nil
}

// finalNames gives what was carried over the old names. A foreign key cannot be renamed:
// it changes its name in one statement that adds and drops it.
func (n *renaming) finalNames(ctx context.Context) error {
	t := n.s.Name
	for _, x := range n.indexes() {
		name, final := interim(x.Name)
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("give index %s the name %s", name, final), Done: not(doneIndex(t, name))},
			fmt.Sprintf("RENAME INDEX %s TO %s", ident(name), finalName(final))); err != nil {
			return err
		}
	}
	for _, k := range n.foreignKeys() {
		name, final := interim(k.Name)
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("give foreign key %s the name %s", name, final), Done: not(doneForeignKey(t, name))},
			fmt.Sprintf("DROP FOREIGN KEY %s, %s", copyKey(name), n.addForeignKey(k, finalName(final))), withoutChecks); err != nil {
			return err
		}
	}
	return nil
}

// dropNewKeys drops what was carried over, at rollback.
func (n *renaming) dropNewKeys(ctx context.Context) error {
	t := n.s.Name
	for _, k := range n.foreignKeys() {
		name, _ := interim(k.Name)
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: "drop foreign key " + name, Done: not(doneForeignKey(t, name))}, "DROP FOREIGN KEY "+copyKey(name)); err != nil {
			return err
		}
	}
	for _, x := range n.indexes() {
		name, _ := interim(x.Name)
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: "drop index " + name, Done: not(doneIndex(t, name))}, "DROP INDEX "+ident(name)); err != nil {
			return err
		}
	}
	return nil
}
