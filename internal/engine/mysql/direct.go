package mysql

import (
	"fmt"

	"github.com/phasedb/phased/expand/plan"
)

// Direct is the migration as plain statements: what its author wrote, for a
// database that holds no rows and that no old code uses.
func (e *Engine) Direct(m *plan.Migration) []string {
	var out []string
	for _, s := range m.Statements {
		switch c := s.Change.(type) {
		case plan.RenameColumn:
			out = append(out, fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", ident(c.Table), ident(c.From), ident(c.To)))
		case plan.RenameTable:
			out = append(out, fmt.Sprintf("RENAME TABLE %s TO %s", ident(c.From), ident(c.To)))
		case plan.AddColumn:
			out = append(out, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s", ident(c.Table), columnDefinition(c)))
		case plan.DropColumn:
			out = append(out, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", ident(c.Table), ident(c.Column)))
		case plan.CreateTable:
			out = append(out, c.SQL)
		case plan.CreateIndex:
			out = append(out, fmt.Sprintf("ALTER TABLE %s %s", ident(c.Table), indexClause(c)))
		case plan.AsWritten:
			out = append(out, c.SQL)
		}
	}
	return out
}

// columnDefinition is a new column as written.
func columnDefinition(c plan.AddColumn) string {
	def := ident(c.Column) + " " + c.Type
	if c.Collate != "" {
		def += " COLLATE " + c.Collate
	}
	if c.NotNull {
		def += " NOT NULL"
	}
	if c.Default != "" {
		def += " DEFAULT " + c.Default
	}
	return def
}

// indexClause is a new index as written.
func indexClause(c plan.CreateIndex) string {
	unique := ""
	if c.Unique {
		unique = "UNIQUE "
	}
	return fmt.Sprintf("ADD %sINDEX %s %s", unique, ident(c.Name), c.Definition)
}
