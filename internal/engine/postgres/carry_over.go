package postgres

import (
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
	"github.com/phasedb/phased/lockcheck"
)

// carriedOver is what the drop has to do for what was carried over.
type carriedOver struct{ atDrop []string }

// newMark ends the names of what is carried over, until the old one is gone.
const newMark = "~new"

// interim is the name that an index or a constraint has beside the old one, and
// final the one it takes at the end. Stacked renames find names that are interim
// themselves.
func interim(name string) (interimName, final string) {
	base := name
	for strings.HasSuffix(base, newMark) {
		base = strings.TrimSuffix(base, newMark)
	}
	marks := strings.Repeat(newMark, (len(name)-len(base))/len(newMark)+1)
	return shortName("", base, marks), base
}

// carryOver gives the new column, after the backfill, what the old one carries:
// indexes, UNIQUE and PRIMARY KEY, CHECK, FOREIGN KEY, NOT NULL, each online.
func (r *resolver) carryOver(s *subject, old *schema.Column, after *schema.Table, l plan.Link) carriedOver {
	var out carriedOver
	for _, x := range s.Indexes {
		if schema.Has(x.Columns, l.Old) {
			r.carryIndex(s, x, after, l, &out)
		}
	}
	for _, k := range s.Constraints {
		if !schema.Has(k.Columns, l.Old) {
			continue
		}
		switch k.Kind {
		case schema.ConstraintCheck:
			def := ""
			if a := after.Constraint(k.Name); a != nil {
				def = a.Definition
			}
			r.carryConstraint(s, k, def, lockcheck.LockAccessExclusive, l, &out)
		case schema.ConstraintForeign:
			r.carryConstraint(s, k, foreignKey(k, l), lockcheck.LockShareRowExclusive, l, &out)
		}
	}
	if old.NotNull {
		r.carryNotNull(s, l)
	}
	return out
}

func (r *resolver) carryIndex(s *subject, x schema.Index, after *schema.Table, l plan.Link, out *carriedOver) {
	y, ok := s.copy.indexAfter(after, x.Name)
	if !ok {
		r.problem("index", fmt.Sprintf("index %s could not be found again on an empty copy of %s", x.Name, s.sql()), "drop or recreate it first")
		return
	}
	name, final := interim(x.Name)
	r.indexStep(plan.PhaseFinish, s, x.Unique, name, y.Definition)
	if x.Comment != "" {
		out.atDrop = append(out.atDrop, fmt.Sprintf("COMMENT ON INDEX %s IS %s", qualified(s.Schema, name), literal(x.Comment)))
	}
	k := s.Constraint(x.Constraint)
	switch {
	case k == nil:
		out.atDrop = append(out.atDrop, fmt.Sprintf("ALTER INDEX %s RENAME TO %s", qualified(s.Schema, name), ident(final)))
	case k.Kind == schema.ConstraintPrimary:
		// There can be one primary key: it changes hands in the transaction that drops the old one.
		out.atDrop = append(out.atDrop, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s%s", s.sql(), ident(final), ident(name), deferral(*k)))
	default:
		step := r.alterStep(plan.PhaseFinish, s, fmt.Sprintf("make index %s the constraint %s", name, name),
			fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s%s", s.sql(), ident(name), ident(name), deferral(*k)))
		step.Done = doneConstraint(s.sql(), name, false)
		step.Undo = "goes with the new column at rollback"
		r.step(step)
		out.atDrop = append(out.atDrop, fmt.Sprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", s.sql(), ident(name), ident(final)))
	}
	if k != nil && k.Comment != "" {
		out.atDrop = append(out.atDrop, fmt.Sprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", ident(final), s.sql(), literal(k.Comment)))
	}
}

func deferral(k schema.Constraint) string {
	switch {
	case k.Deferred:
		return " DEFERRABLE INITIALLY DEFERRED"
	case k.Deferrable:
		return " DEFERRABLE"
	}
	return ""
}

// carryConstraint adds a CHECK or FOREIGN KEY without looking at the rows, and
// validates it in a transaction of its own.
func (r *resolver) carryConstraint(s *subject, k schema.Constraint, def string, lock lockcheck.LockMode, l plan.Link, out *carriedOver) {
	if def == "" {
		r.problem("constraint", fmt.Sprintf("constraint %s could not be found again on an empty copy of %s", k.Name, s.sql()), "drop or recreate it first")
		return
	}
	name, final := interim(k.Name)
	add := r.alterStep(plan.PhaseFinish, s, fmt.Sprintf("add %s %s, not yet validated", k.Kind, name),
		fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", s.sql(), ident(name), def))
	add.Lock = lock
	add.Done = doneConstraint(s.sql(), name, false)
	add.Undo = "goes with the new column at rollback"
	if k.Comment != "" {
		add.Statements = append(add.Statements, fmt.Sprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", ident(name), s.sql(), literal(k.Comment)))
	}
	r.step(add)
	r.validate(s, name)
	out.atDrop = append(out.atDrop, fmt.Sprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", s.sql(), ident(name), ident(final)))
}

// validate reads the whole table under ShareUpdateExclusive, which blocks neither
// reads nor writes; it may take long, so it is no transaction with the lease.
func (r *resolver) validate(s *subject, name string) {
	r.step(plan.Step{
		Phase: plan.PhaseFinish, Change: r.n, Title: "validate constraint " + name, Lock: lockcheck.LockShareUpdateExclusive, Relation: s.sql(),
		LockTimeout: lockTimeout, Done: doneConstraint(s.sql(), name, true), Undo: "goes with the new column at rollback",
		Statements: []string{fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", s.sql(), ident(name))},
	})
}

// foreignKey renders the key with the new column in place of the old one.
func foreignKey(k schema.Constraint, l plan.Link) string {
	swap := func(cols []string) []string {
		out := make([]string, len(cols))
		for i, c := range cols {
			if out[i] = c; c == l.Old {
				out[i] = l.New
			}
		}
		return out
	}
	def := fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s)%s", idents(swap(k.Columns)), k.References, idents(k.RefColumns), k.Tail)
	if len(k.SetColumns) > 0 {
		def += " (" + idents(swap(k.SetColumns)) + ")"
	}
	return def + deferral(k)
}

// carryNotNull uses a CHECK that is validated online: SET NOT NULL skips its scan
// where a valid CHECK proves it (PostgreSQL 12 and later).
func (r *resolver) carryNotNull(s *subject, l plan.Link) {
	name := shortName("", s.Name+"_"+l.New, "~notnull")
	notNull := fmt.Sprintf("SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(%s) AND attname = %s AND attnotnull)", literal(s.sql()), literal(l.New))
	add := r.alterStep(plan.PhaseFinish, s, fmt.Sprintf("check that %s is not null, not yet validated", l.New),
		fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID", s.sql(), ident(name), ident(l.New)))
	add.Done = either(notNull, doneConstraint(s.sql(), name, false))
	r.step(add)
	r.validate(s, name)
	last := &r.p.Steps[len(r.p.Steps)-1]
	last.Done = either(notNull, last.Done)
	set := r.alterStep(plan.PhaseFinish, s, fmt.Sprintf("make %s NOT NULL, which the validated check proves", l.New),
		fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", s.sql(), ident(l.New)),
		fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", s.sql(), ident(name)))
	set.Done = notNull
	r.step(set)
}

// notNullName gives the new column's NOT NULL the name of the old one's. NOT NULL is a
// constraint with a name from PostgreSQL 18 on; before, nothing is found and nothing
// done, so that a plan is the same for every version.
func notNullName(s *subject, l plan.Link) string {
	named := func(column string) string {
		return fmt.Sprintf("(SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = %[1]s::pg_catalog.regclass AND contype = 'n' AND conkey = ARRAY[(SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = %[1]s::pg_catalog.regclass AND attname = %[2]s)]::int2[])",
			literal(s.sql()), literal(column))
	}
	rename := func(from, to string) string {
		return fmt.Sprintf("    EXECUTE pg_catalog.format('ALTER TABLE %%s RENAME CONSTRAINT %%I TO %%I', %s, %s, %s);\n", literal(s.sql()), from, to)
	}
	return "DO " + dollar(fmt.Sprintf("\nDECLARE was text := %s;\n  now text := %s;\nBEGIN\n  IF was IS NOT NULL AND now IS NOT NULL THEN\n%s%s  END IF;\nEND\n",
		named(l.Hidden), named(l.New), rename("was", "'phased~' || pg_catalog.md5(was)"), rename("now", "was")))
}
