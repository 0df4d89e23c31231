package postgres

import (
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/pgquery"
	"github.com/phasedb/phased/internal/sqlfile"
)

// checkIdents refuses names that the server would not keep as they are written.
func checkIdents(s pgquery.Statement, asWritten bool) *refusal {
	for _, id := range s.Names {
		switch {
		case id.Unicode && asWritten:
		case id.Unicode:
			return &refusal{Line: id.Line, What: fmt.Sprintf(`the name U&"%s" is written with escapes`, id.Name), Way: "write its characters themselves"}
		case len(id.Name) > plan.MaxNameBytes:
			return &refusal{Line: id.Line, What: fmt.Sprintf("the name %q has %d bytes, and PostgreSQL keeps %d without a word", id.Name, len(id.Name), plan.MaxNameBytes), Way: "shorten it"}
		}
	}
	return nil
}

// Names are those of a change. Tables and indexes share theirs.
func (grammar) Names(c plan.Change) (gives, leaves sqlfile.Given) {
	switch c := c.(type) {
	case plan.RenameColumn:
		return column(c.Target(), c.To), column(c.Target(), c.From)
	case plan.AddColumn:
		return column(c.Target(), c.Column), sqlfile.Given{}
	case plan.DropColumn:
		return sqlfile.Given{}, column(c.Target(), c.Column)
	case plan.RenameTable:
		return relation(c.Schema, c.To), relation(c.Schema, c.From)
	case plan.CreateTable:
		return relation(c.Schema, c.Name), sqlfile.Given{}
	case plan.CreateIndex:
		return relation(c.Schema, c.Name), sqlfile.Given{}
	}
	return sqlfile.Given{}, sqlfile.Given{}
}

func column(t plan.Name, name string) sqlfile.Given {
	words := "column " + sqlfile.ShowColumn(grammar{}, plan.ColumnName{Schema: t.Schema, Table: t.Name, Column: name})
	return sqlfile.Given{Key: words, Words: words}
}

func relation(schema, name string) sqlfile.Given {
	words := "relation " + sqlfile.ShowTable(grammar{}, plan.Name{Schema: schema, Name: name})
	return sqlfile.Given{Key: words, Words: words}
}

// ShowName quotes what is not a small name.
func (grammar) ShowName(s string) string { return showName(s) }

func show(r pgquery.Relation) string {
	return sqlfile.ShowTable(grammar{}, plan.Name{Schema: r.Schema, Name: r.Name})
}

func showName(s string) string {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c == '_' || c >= 0x80 || i > 0 && (c >= '0' && c <= '9' || c == '$') {
			continue
		}
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}
