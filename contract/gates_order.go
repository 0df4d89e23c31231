package contract

import (
	"context"
	"fmt"

	"github.com/phasedb/phased/expand/plan"
)

// orderGate keeps changes that share a column from breaking each other's sync: it is
// composed by name. Stacked renames a → b → c go oldest first.
func orderGate(ctx context.Context, s *subject) (Gate, error) {
	first := func(l plan.Link, why string) (Gate, error) {
		return unmet(fmt.Sprintf("contract %s to its end first, or roll it back", l.Migration), "%s keeps %s.%s in step with %s, %s", l.Migration, l.Table, l.Old, l.New, why)
	}
	for _, l := range s.all {
		if l.Migration == s.row.Name {
			continue
		}
		for _, own := range s.links {
			if l.Schema == own.Schema && l.Table == own.Table && l.New == own.Old {
				return first(l, "the old side here")
			}
		}
		for _, st := range s.p.Migration.Statements {
			t := st.Change.Target()
			if t.Name != l.Table || t.Schema != "" && t.Schema != l.Schema {
				continue
			}
			switch c := st.Change.(type) {
			case plan.DropColumn:
				if c.Column == l.Old || c.Column == l.New || c.Column == l.Shown {
					return first(l, "one of which is dropped here")
				}
			case plan.RenameTable:
				return first(l, "in the table that is renamed here")
			}
		}
	}
	if other, err := s.sharesRenamedTable(ctx); err != nil || other != "" {
		g, _ := unmet(fmt.Sprintf("contract %s to its end first, or roll it back", other), "%s is in flight too, and finds its table by the name that goes here", other)
		return g, err
	}
	return met("no change in flight stands in the way")
}

// sharesRenamedTable names another migration in flight whose steps find a table by
// the name that this one takes away.
func (s *subject) sharesRenamedTable(ctx context.Context) (string, error) {
	names := map[string]bool{}
	for _, st := range s.p.Migration.Statements {
		if c, ok := st.Change.(plan.RenameTable); ok && s.half == HalfHide {
			names[c.From], names[c.To] = true, true
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	ov, err := s.eng.Overview(ctx)
	if err != nil {
		return "", err
	}
	for _, row := range ov.Migrations {
		if row.Name == s.row.Name || !hasOldSide(row) {
			continue
		}
		p, err := s.eng.Plan(ctx, row.Name)
		if err != nil {
			return "", err
		}
		if p == nil {
			continue
		}
		for _, st := range p.Migration.Statements {
			if names[st.Change.Target().Name] {
				return row.Name, nil
			}
		}
	}
	return "", nil
}
