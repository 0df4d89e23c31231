package postgres

import (
	"fmt"

	"github.com/phasedb/phased/expand/plan"
)

// Direct is the migration as plain statements: what its author wrote, for a
// database that holds no rows and that no old code uses. Names are left to the
// connection's search_path, as in the file.
func (e *Engine) Direct(m *plan.Migration) []string {
	var out []string
	for _, s := range m.Statements {
		switch c := s.Change.(type) {
		case plan.RenameColumn:
			out = append(out, fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", written(c.Target()), ident(c.From), ident(c.To)))
		case plan.RenameTable:
			out = append(out, fmt.Sprintf("ALTER TABLE %s RENAME TO %s", written(c.Target()), ident(c.To)))
		case plan.AddColumn:
			out = append(out, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s", written(c.Target()), columnDefinition(c)))
		case plan.DropColumn:
			out = append(out, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", written(c.Target()), ident(c.Column)))
		case plan.CreateTable:
			out = append(out, c.SQL)
		case plan.CreateIndex:
			unique := ""
			if c.Unique {
				unique = "UNIQUE "
			}
			out = append(out, fmt.Sprintf("CREATE %sINDEX %s ON %s %s", unique, ident(c.Name), written(c.Target()), c.Definition))
		case plan.AsWritten:
			out = append(out, c.SQL)
		}
	}
	return out
}

// written quotes a name as the file gives it: without a schema where it has none.
func written(n plan.Name) string {
	if n.Schema == "" {
		return ident(n.Name)
	}
	return qualified(n.Schema, n.Name)
}
