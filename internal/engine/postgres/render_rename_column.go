package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
	"github.com/phasedb/phased/lockcheck"
)

// renameColumn plans the copy strategy: the new column beside the old one, both
// kept in step by value, filled, given everything the old one carries, and the old
// one hidden and dropped once code that uses it is gone.
func (r *resolver) renameColumn(ctx context.Context, c plan.RenameColumn) error {
	s, err := r.subject(ctx, c.Target())
	if err != nil || s == nil {
		return err
	}
	old := r.column(s, c.From)
	if old == nil || !r.freshColumn(s, c.To) {
		return nil
	}
	l := r.link(s, old, c)
	if err := r.checkRename(ctx, s, old, c, l); err != nil {
		return err
	}
	if err := s.copy.alter(ctx, fmt.Sprintf("RENAME COLUMN %s TO %s", ident(c.From), ident(c.To))); err != nil {
		return fmt.Errorf("rename %s on an empty copy of %s: %w", c.From, s.sql(), err)
	}
	s.renamed[c.From] = c.To
	after, err := s.copy.table(ctx)
	if err != nil {
		return err
	}
	r.expandRename(s, old, l)
	carried := r.carryOver(s, old, after, l)
	r.contractRename(s, old, l, carried)
	r.undoRename(s, l)
	key := s.Key()
	if key == nil {
		r.problem("no-key", fmt.Sprintf("%s.%s has no primary key and no valid unique index over NOT NULL columns, so its rows cannot be walked in order", s.Schema, s.Name),
			"add one (CREATE UNIQUE INDEX CONCURRENTLY over NOT NULL columns)")
		return nil
	}
	r.p.Fills = append(r.p.Fills, plan.Fill{Link: l, Key: key, Schema: s.Schema, Table: s.Name})
	return nil
}

func (r *resolver) link(s *subject, old *schema.Column, c plan.RenameColumn) plan.Link {
	l := plan.Link{
		ID: fmt.Sprintf("%s/%d", r.m.Name, r.n), Migration: r.m.Name, Schema: s.Schema, Table: s.Name,
		Old: c.From, New: c.To, Hidden: shortName("", c.From, "~hidden"), Type: old.Type, OldType: old.Type,
		Up: c.Up, Down: c.Down, ImageEqual: old.ImageEqual && c.Up == "" && c.Down == "", Serialize: c.SerializeInserts,
	}
	l.Evidence = qualified("phased", shortName("old writes ", l.ID, ""))
	if old.DefaultClass == schema.DefaultConstant && c.Up == "" {
		l.Default = old.Default
	}
	return l
}

// expandRename adds the new column and keeps it in step from its first instant.
// The default comes after ADD COLUMN, so that existing rows stay null and show as
// not filled yet.
func (r *resolver) expandRename(s *subject, old *schema.Column, l plan.Link) {
	add := fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", s.sql(), ident(l.New), l.Type)
	if old.Collation != "" {
		add += " COLLATE " + old.Collation
	}
	statements := []string{"CREATE SEQUENCE " + l.Evidence, "GRANT USAGE ON SEQUENCE " + l.Evidence + " TO PUBLIC"}
	statements = append(append(statements, carryFunctions(l)...), add)
	sync := &plan.SyncStep{Schema: s.Schema, Table: s.Name, Add: &l, At: len(statements)}
	if l.Default != "" {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", s.sql(), ident(l.New), l.Default))
	}
	statements = append(statements, columnExtras(s, old, l.New)...)
	step := r.alterStep(plan.PhaseExpand, s, fmt.Sprintf("add column %s and keep it in step with %s", l.New, l.Old), statements...)
	step.Sync = sync
	step.Undo = "rollback drops the column; nothing of the old side was touched"
	step.Done = both(doneColumn(s.sql(), l.New), doneLink(l.ID, true))
	r.step(step)
}

// columnExtras carries over what hangs on a column beside its type.
func columnExtras(s *subject, old *schema.Column, name string) []string {
	var out []string
	alter := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s ", s.sql(), ident(name))+fmt.Sprintf(format, args...))
	}
	if old.Storage != "" {
		alter("SET STORAGE %s", old.Storage)
	}
	if old.Compression != "" {
		alter("SET COMPRESSION %s", old.Compression)
	}
	if old.Statistics >= 0 {
		alter("SET STATISTICS %d", old.Statistics)
	}
	if len(old.Options) > 0 {
		alter("SET (%s)", strings.Join(old.Options, ", "))
	}
	if old.Comment != "" {
		out = append(out, fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s", s.sql(), ident(name), literal(old.Comment)))
	}
	for _, g := range old.Grants {
		var privs []string
		for _, p := range g.Privileges {
			privs = append(privs, fmt.Sprintf("%s (%s)", p, ident(name)))
		}
		out = append(out, fmt.Sprintf("GRANT %s ON %s TO %s%s", strings.Join(privs, ", "), s.sql(), grantee(g), grantOption(g)))
	}
	return out
}

func grantee(g schema.Grant) string {
	if g.Role == "" {
		return "PUBLIC"
	}
	return ident(g.Role)
}

func grantOption(g schema.Grant) string {
	if g.Grantable {
		return " WITH GRANT OPTION"
	}
	return ""
}

// contractRename hides the old column (its name goes, the sync goes on) and drops
// it. What was carried over takes the old names in the transaction that drops the
// old ones, so the end is the schema that a plain RENAME COLUMN gives.
func (r *resolver) contractRename(s *subject, old *schema.Column, l plan.Link, carried carriedOver) {
	hide := r.alterStep(plan.PhaseHide, s, fmt.Sprintf("hide column %s as %s; the sync goes on", l.Old, l.Hidden),
		fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", s.sql(), ident(l.Old), ident(l.Hidden)))
	hide.Sync = &plan.SyncStep{Schema: s.Schema, Table: s.Name, Hide: l.ID, At: 1}
	hide.Undo = fmt.Sprintf("rollback, or by hand: rename %s back to %s", l.Hidden, l.Old)
	hide.Done = doneColumn(s.sql(), l.Hidden)
	r.step(hide)

	var drop []string
	if old.OwnedSeq != "" {
		drop = append(drop, fmt.Sprintf("ALTER SEQUENCE %s OWNED BY %s.%s", old.OwnedSeq, s.sql(), ident(l.New)))
	}
	if old.DefaultClass == schema.DefaultVolatile {
		drop = append(drop, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", s.sql(), ident(l.New), old.Default))
	}
	if old.NotNull {
		drop = append(drop, notNullName(s, l))
	}
	drop = append(drop, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", s.sql(), ident(l.Hidden)))
	drop = append(drop, carried.atDrop...)
	drop = append(drop, r.forget(l)...)
	step := r.alterStep(plan.PhaseDrop, s, fmt.Sprintf("drop %s, the old side", l.Hidden), drop...)
	step.Sync = &plan.SyncStep{Schema: s.Schema, Table: s.Name, Remove: l.ID, At: 0}
	step.Done = both(doneNoColumn(s.sql(), l.Hidden), doneLink(l.ID, false))
	r.step(step)
}

// undoRename leads back from any phase before the drop, in time that does not
// depend on the table's size.
func (r *resolver) undoRename(s *subject, l plan.Link) {
	show := r.alterStep(plan.PhaseUndo, s, fmt.Sprintf("give column %s its name back, where it was hidden", l.Old),
		fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", s.sql(), ident(l.Hidden), ident(l.Old)))
	show.Sync = &plan.SyncStep{Schema: s.Schema, Table: s.Name, Show: l.ID, At: 1}
	show.Done = doneColumn(s.sql(), l.Old)
	r.step(show)

	statements := append([]string{fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", s.sql(), ident(l.New))}, r.forget(l)...)
	undo := r.alterStep(plan.PhaseUndo, s, fmt.Sprintf("end the sync and drop the new column %s", l.New), statements...)
	undo.Sync = &plan.SyncStep{Schema: s.Schema, Table: s.Name, Remove: l.ID, At: 0}
	undo.Done = both(doneNoColumn(s.sql(), l.New), doneLink(l.ID, false))
	r.step(undo)
}

// forget drops what only the link used.
func (r *resolver) forget(l plan.Link) []string {
	return append([]string{"DROP SEQUENCE IF EXISTS " + l.Evidence}, dropCarryFunctions(l)...)
}

// indexStep builds an index without blocking writes. It waits for every older
// snapshot in the database, which blocks nobody: no lock timeout.
func (r *resolver) indexStep(phase plan.Phase, s *subject, unique bool, name, definition string) {
	kind := "INDEX"
	if unique {
		kind = "UNIQUE INDEX"
	}
	r.step(plan.Step{
		Phase: phase, Change: r.n, Title: "build index " + name, Lock: lockcheck.LockShareUpdateExclusive, Relation: s.sql(),
		Statements: []string{fmt.Sprintf("CREATE %s CONCURRENTLY %s ON %s %s", kind, ident(name), s.sql(), definition)},
		Index:      qualified(s.Schema, name), Done: doneIndex(qualified(s.Schema, name)),
		Undo: "goes with the new column at rollback",
	})
}
