package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// renaming is a column rename while it is rendered.
type renaming struct {
	*course
	old  *schema.Column
	l    plan.Link
	json bool // a check lets JSON in only
	// own is the old column's own default, without one that an earlier change in flight
	// gave it for a while.
	own   string
	class schema.DefaultClass
}

// renameColumn plans the copy strategy: the new column beside the old one, both
// kept in step by value, filled, given everything the old one carries, and the old
// one hidden and dropped once code that uses it is gone.
func (r *resolver) renameColumn(ctx context.Context, c plan.RenameColumn) error {
	s, err := r.subject(ctx, c.Table)
	if err != nil || s == nil {
		return err
	}
	old := r.column(s, c.From)
	if old == nil || !r.freshColumn(s, c.To, old.Name) {
		return nil
	}
	course, err := r.course(ctx, s)
	if err != nil {
		return err
	}
	n := &renaming{course: course, old: old, json: isJSON(s.Table, old), own: old.Default, class: old.DefaultClass}
	for _, l := range r.linked(s) {
		if l.New == old.Name && l.Temporary {
			n.own, n.class = "", schema.DefaultNone
		}
	}
	n.l = r.link(s, old, c)
	if ok, err := r.checkRename(ctx, n, c); err != nil || !ok {
		return err
	}
	key := s.Key()
	if key == nil {
		r.problem("no-key", fmt.Sprintf("%s has no primary key and no unique index over whole NOT NULL columns, so its rows cannot be walked in order", s.Name),
			"add one (ALTER TABLE … ADD PRIMARY KEY … or ADD UNIQUE INDEX …, ALGORITHM=INPLACE, LOCK=NONE)")
		return nil
	}
	for _, render := range []func(context.Context) error{n.expand, n.finish, n.hide} {
		if err := render(ctx); err != nil {
			return err
		}
	}
	hidden, links, sync := len(n.done), n.links, n.sync
	if err := n.undo(ctx); err != nil {
		return err
	}
	if err := n.again(ctx, hidden); err != nil {
		return err
	}
	n.links, n.sync = links, sync
	if err := n.drop(ctx); err != nil {
		return err
	}
	r.p.Fills = append(r.p.Fills, plan.Fill{Link: n.l, Key: key, Table: s.Name})
	return nil
}

// link is the pair of columns. Its default is settled when the new column is rendered.
func (r *resolver) link(s *subject, old *schema.Column, c plan.RenameColumn) plan.Link {
	return plan.Link{
		ID: fmt.Sprintf("%s/%d", r.m.Name, r.n), Migration: r.m.Name, Table: s.Name,
		Old: old.Name, New: c.To, Hidden: shortName("", old.Name, "~hidden"), Type: old.Type, OldType: old.Type,
		Up: c.Up, Down: c.Down, ImageEqual: classOf(old.Type) == classExact && c.Up == "" && c.Down == "", Serialize: c.SerializeInserts,
	}
}

// isJSON reports MariaDB's JSON: a text with a check.
func isJSON(t *schema.Table, c *schema.Column) bool {
	k := t.Constraint(c.Name)
	return k != nil && k.Kind == schema.ConstraintCheck && k.Definition == jsonCheck(c.Name)
}

func jsonCheck(column string) string { return "CHECK (json_valid(" + ident(column) + "))" }

// definition is a column as DDL.
type definition struct {
	name, typ, def, comment string
	notNull, invisible      bool
	json                    bool
}

func (d definition) String() string {
	out := ident(d.name) + " " + d.typ
	if d.notNull {
		out += " NOT NULL"
	} else {
		out += " NULL"
	}
	if d.def != "" {
		out += " DEFAULT " + d.def
	}
	if d.invisible {
		out += " INVISIBLE"
	}
	if d.comment != "" {
		out += " COMMENT " + literal(d.comment)
	}
	if d.json {
		out += " " + jsonCheck(d.name)
	}
	return out
}

// like is the old column's definition under a name.
func (n *renaming) like(name string) definition {
	return definition{name: name, typ: n.old.Declared, notNull: n.old.NotNull && !expresses(n.l), invisible: n.old.Invisible, comment: n.old.Comment, json: n.json}
}

// setDefault sets a default, in the form that the type allows.
func (n *renaming) setDefault(name, def string) string {
	if n.r.e.needsExpression(n.old.Type) || strings.HasPrefix(def, "(") || isNow(def) {
		d := n.like(name)
		d.def = def
		return "MODIFY COLUMN " + d.String()
	}
	return fmt.Sprintf("ALTER COLUMN %s SET DEFAULT %s", ident(name), def)
}

func (n *renaming) dropDefault(name string) string {
	if n.r.e.needsExpression(n.old.Type) {
		return "MODIFY COLUMN " + n.like(name).String()
	}
	return fmt.Sprintf("ALTER COLUMN %s DROP DEFAULT", ident(name))
}

// mandatory reports that an insert must name the column.
func (n *renaming) mandatory() bool {
	return n.old.NotNull && n.own == ""
}

// expand adds the new column and keeps it in step. What old code's inserts meet in
// between, and what both sides' inserts meet later, has a default.
func (n *renaming) expand(ctx context.Context) error {
	t, e := n.s.Name, n.r.e
	zero, ok := e.zeroValue(n.old.Type, n.json)
	if n.old.NotNull && !expresses(n.l) && !ok {
		n.r.problem("type", fmt.Sprintf("%s.%s is NOT NULL and its type %s has no value that could stand in rows that are not filled yet", t, n.old.Name, n.old.Type), "make it nullable first")
		return errNoted
	}
	if n.mandatory() {
		n.r.note("temporary-default", fmt.Sprintf("%s.%s must be given by every insert; from expand until contract an insert that leaves it out gets the default %s instead of an error", t, n.old.Name, zero))
		if err := n.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: fmt.Sprintf("give %s a default for a while, so that new code's inserts can leave it out", n.old.Name),
			Done: columnIs(t, n.old.Name, "COLUMN_DEFAULT IS NOT NULL"), Undo: "rollback takes the default away"}, n.setDefault(n.old.Name, zero)); err != nil {
			return err
		}
	}
	d := n.like(n.l.New)
	set := n.own // the default that the new column gets in a second step
	if n.class == schema.DefaultVolatile {
		set = ""
	}
	swap := d.notNull && e.needsExpression(n.old.Type)
	switch {
	case expresses(n.l):
		set = ""
	case swap:
		d.notNull, set = false, ""
	case d.notNull:
		likely := false
		if d.def, likely = e.placeholder(n.old.Type, n.json); !likely {
			n.notePlaceholder(d.def)
		}
		if set == "" {
			set, n.l.Temporary = zero, true
		}
	}
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: fmt.Sprintf("add column %s beside %s", n.l.New, n.old.Name),
		Done: doneColumn(t, n.l.New), Undo: "rollback drops the column"}, "ADD COLUMN "+d.String()); err != nil {
		return err
	}
	if set != "" {
		if err := n.early(ctx, set); err != nil {
			return err
		}
	}
	l := n.l
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseExpand, Title: fmt.Sprintf("keep %s in step with %s", l.New, l.Old), Done: doneAdded(l.ID),
		Undo: "rollback ends it; nothing of the old side is touched", Sync: &plan.SyncStep{Add: &l}}); err != nil {
		return err
	}
	if swap {
		n.notePlaceholder(zero)
		return n.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: fmt.Sprintf("make %s NOT NULL, by a new column in its place", l.New), Done: columnIs(t, l.New, "IS_NULLABLE = 'NO'"),
			Undo: "rollback drops the column"}, fmt.Sprintf("DROP COLUMN %s, ADD COLUMN %s", ident(l.New), n.like(l.New)))
	}
	return n.try(ctx)
}

func (n *renaming) notePlaceholder(def string) {
	n.r.note("placeholder", fmt.Sprintf("until the backfill is verified, %s.%s holds %s in rows that are not filled yet: new code that writes exactly this value into such a row would be taken for one that writes nothing", n.s.Name, n.l.New, def))
}

// early gives the new column its default, under a sync that already carries up what old
// code inserts. Without it such a row would hold the default and not be filled: new
// code that writes the default there would be taken for one that writes nothing.
func (n *renaming) early(ctx context.Context, def string) error {
	at := len(n.r.p.Steps)
	if err := n.newDefault(ctx, def); err != nil {
		return err
	}
	l := n.l
	l.Early = true
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseExpand, Title: fmt.Sprintf("carry what old code writes to %s", l.New), Done: doneLink(l.ID),
		Undo: "rollback ends it; nothing of the old side is touched", Sync: &plan.SyncStep{Add: &l}}); err != nil {
		return err
	}
	// The default was tried first, to know how the sync compares it.
	steps := n.r.p.Steps
	steps[at], steps[at+1] = steps[at+1], steps[at]
	return nil
}

// newDefault gives the new column its default once existing rows have the placeholder,
// and makes sure that the sync can tell it.
func (n *renaming) newDefault(ctx context.Context, def string) error {
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseExpand, Title: fmt.Sprintf("give %s its default for new rows", n.l.New), Undo: "rollback drops the column"}, n.setDefault(n.l.New, def)); err != nil {
		return err
	}
	var raw *string
	if err := n.r.c.QueryRowContext(ctx, "SELECT COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE "+inTable(n.s.copy.name)+" AND "+exactly("COLUMN_NAME", n.l.New)).Scan(&raw); err != nil {
		return fmt.Errorf("read the default of %s: %w", n.l.New, err)
	}
	if raw != nil {
		n.r.p.Steps[len(n.r.p.Steps)-1].Done = columnIs(n.s.Name, n.l.New, exactly("COLUMN_DEFAULT", *raw))
	}
	var ok bool
	if n.l.Default, ok = comparable(n.l.Type, def); ok && !isNow(def) {
		told, err := n.s.copy.tells(ctx, n.l)
		if err != nil {
			return fmt.Errorf("try the default of %s on a copy: %w", n.l.New, err)
		}
		ok = told
	}
	if !ok {
		n.r.problem("default", fmt.Sprintf("%s.%s: it cannot be told whether a row has the default %s of a column of type %s", n.s.Name, n.old.Name, def, n.l.Type), "drop the default first, or give it in another form")
		return errNoted
	}
	return nil
}

// try fires the triggers on the copy.
func (n *renaming) try(ctx context.Context) error {
	if err := n.s.copy.fire(ctx, n.l); err != nil {
		if number(err) == 0 {
			return fmt.Errorf("try the sync of %s on an empty copy: %w", n.s.Name, err)
		}
		n.r.problem("sync-trial", fmt.Sprintf("the sync of %s.%s and %s does not work on an empty copy of the table: %s", n.s.Name, n.old.Name, n.l.New, message(err)), "see the message; a function may be missing or misspelt, or may not be executed")
		return errNoted
	}
	return nil
}

// hide takes the old column's name away while the sync goes on. Triggers name the
// column, so they work under both names from before the change until after it; the
// new name is held by a column of its own until then, because a trigger can be created
// only on columns that are there.
func (n *renaming) hide(ctx context.Context) error {
	t, l := n.s.Name, n.l
	gone := both(doneNoColumn(t, l.Old), doneColumn(t, l.Hidden))
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseHide, Title: fmt.Sprintf("hold the name %s, under which %s will be hidden", l.Hidden, l.Old), Done: doneColumn(t, l.Hidden),
		Undo: "rollback drops it"}, "ADD COLUMN "+n.holder(l.Hidden)); err != nil {
		return err
	}
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseHide, Title: fmt.Sprintf("make the sync work under both names, %s and %s", l.Old, l.Hidden), Done: gone,
		Undo: "the next change of the sync replaces it", Sync: &plan.SyncStep{Swap: l.ID, To: plan.NameHidden}}); err != nil {
		return err
	}
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseHide, Title: fmt.Sprintf("hide column %s as %s; the sync goes on", l.Old, l.Hidden), Done: gone, Check: isTemporary(t, l.Hidden),
		Undo: fmt.Sprintf("rollback gives %s its name back", l.Old)}, fmt.Sprintf("DROP COLUMN %s, RENAME COLUMN %s TO %s", ident(l.Hidden), ident(l.Old), ident(l.Hidden))); err != nil {
		return err
	}
	return n.change(ctx, plan.Step{Phase: plan.PhaseHide, Title: fmt.Sprintf("make the sync work under the name %s alone", l.Hidden), Done: doneHidden(l.ID),
		Undo: "rollback makes it work under both names first", Sync: &plan.SyncStep{Hide: l.ID}})
}

// holder is a column that holds a name's place.
func (n *renaming) holder(name string) string {
	return definition{name: name, typ: n.old.Declared, invisible: true, comment: temporaryName}.String()
}

// drop removes the old side. What was carried over takes the old names, so the end is
// the schema that a plain RENAME COLUMN gives.
func (n *renaming) drop(ctx context.Context) error {
	t, l := n.s.Name, n.l
	// While the sync goes on: new code's rows would meet the keys with the hidden column's default.
	if err := n.dropOldKeys(ctx); err != nil {
		return err
	}
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("end the sync of %s and %s", l.New, l.Hidden), Done: not(doneLink(l.ID)), Sync: &plan.SyncStep{Remove: l.ID}}); err != nil {
		return err
	}
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("drop %s, the old side", l.Hidden), Done: doneNoColumn(t, l.Hidden),
		Check: both(doneNoColumn(t, n.old.Name), not(isTemporary(t, l.Hidden)))}, "DROP COLUMN "+ident(l.Hidden)); err != nil {
		return err
	}
	if err := n.finalNames(ctx); err != nil {
		return err
	}
	return n.finalDefault(ctx)
}

// finalDefault gives the new column the default that the old one had of its own. Where
// the new column is an old side itself by now, its default stays as long as that is.
func (n *renaming) finalDefault(ctx context.Context) error {
	t, l := n.s.Name, n.l
	older := linkWith(t, "old", l.New, l.ID)
	switch {
	case n.own != "" && n.own != n.setTo():
		step := plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("give %s the default that %s had", l.New, n.old.Name)}
		return n.alter(ctx, step, n.setDefault(l.New, n.own))
	case n.l.Temporary:
		return n.alter(ctx, plan.Step{Phase: plan.PhaseDrop, Title: fmt.Sprintf("take the default of %s away, which it had for a while", l.New),
			Done: either(not(columnIs(t, l.New, "COLUMN_DEFAULT IS NOT NULL")), older)}, n.dropDefault(l.New))
	}
	return nil
}

// setTo is the default that expand gave the new column; empty where it gave none of the
// old column's own.
func (n *renaming) setTo() string {
	if n.class == schema.DefaultConstant && n.l.Default != "" {
		return n.own
	}
	return ""
}

// undo leads back from any phase before the drop, in time that does not depend on the
// table's size unless a key has to be built anew.
func (n *renaming) undo(ctx context.Context) error {
	t, l := n.s.Name, n.l
	back := either(doneNoColumn(t, l.Hidden), isTemporary(t, l.Hidden))
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("hold the name %s again, where it was hidden", l.Old),
		Done: either(doneColumn(t, l.Old), doneNoColumn(t, l.Hidden))}, "ADD COLUMN "+n.holder(l.Old)); err != nil {
		return err
	}
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("make the sync work under both names, %s and %s", l.Hidden, l.Old), Done: back,
		Sync: &plan.SyncStep{Swap: l.ID, To: plan.NameShown}}); err != nil {
		return err
	}
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("give column %s its name back, where it was hidden", l.Old), Done: back, Check: isTemporary(t, l.Old)},
		fmt.Sprintf("DROP COLUMN %s, RENAME COLUMN %s TO %s", ident(l.Old), ident(l.Hidden), ident(l.Old))); err != nil {
		return err
	}
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("make the sync work under the name %s alone", l.Old), Sync: &plan.SyncStep{Show: l.ID}}); err != nil {
		return err
	}
	if err := n.dropHolder(ctx); err != nil {
		return err
	}
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("make the sync of %s and %s work with and without %[1]s", l.New, l.Old), Done: doneNoColumn(t, l.New),
		Sync: &plan.SyncStep{Swap: l.ID, To: plan.NameGone}}); err != nil {
		return err
	}
	if err := n.dropNewKeys(ctx); err != nil {
		return err
	}
	if err := n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("drop the new column %s", l.New), Done: doneNoColumn(t, l.New)}, "DROP COLUMN "+ident(l.New)); err != nil {
		return err
	}
	if err := n.change(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("end the sync of %s and %s", l.New, l.Old), Done: not(doneLink(l.ID)), Sync: &plan.SyncStep{Remove: l.ID}}); err != nil {
		return err
	}
	if !n.mandatory() {
		return nil
	}
	return n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("take the default of %s away, which it had for a while", l.Old),
		Done: either(not(columnIs(t, l.Old, "COLUMN_DEFAULT IS NOT NULL")), linkWith(t, "new", l.Old, l.ID))}, n.dropDefault(l.Old))
}

// dropHolder drops the column that held the hidden name, where hiding was broken off.
func (n *renaming) dropHolder(ctx context.Context) error {
	t, l := n.s.Name, n.l
	// On the copy it is not there at this point, as mostly in life.
	add := "ADD COLUMN " + n.holder(l.Hidden)
	if err := n.run(ctx, func(ctx context.Context) error {
		_, err := n.s.copy.alter(ctx, add)
		return err
	}); err != nil {
		return n.refused(plan.Step{Title: "hold the name " + l.Hidden}, add, err)
	}
	return n.alter(ctx, plan.Step{Phase: plan.PhaseUndo, Title: fmt.Sprintf("drop %s, where it only held the name", l.Hidden), Done: doneNoColumn(t, l.Hidden), Check: isTemporary(t, l.Hidden)},
		"DROP COLUMN "+ident(l.Hidden))
}
