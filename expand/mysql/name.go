package mysql

import (
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/myquery"
	"github.com/phasedb/phased/internal/sqlfile"
)

// checkIdents refuses names that no server takes.
func checkIdents(s myquery.Statement) *refusal {
	for _, id := range s.Names {
		switch n := id.Chars(); {
		case n == 0:
			return &refusal{Line: id.Line, What: "a quoted name is empty", Way: "write the name between the backticks"}
		case n > plan.MaxNameChars:
			return &refusal{Line: id.Line, What: fmt.Sprintf("the name %q has %d characters, and the server takes %d", id.Name, n, plan.MaxNameChars), Way: "shorten it"}
		case id.Wide():
			return &refusal{Line: id.Line, What: fmt.Sprintf("the name %q holds a character beyond U+FFFF, which the server does not take in names", id.Name), Way: "choose another name"}
		}
	}
	return nil
}

// sameName reports whether two names mean the same column, or the same index of a
// table: the case of their letters does not matter.
func sameName(a, b string) bool { return fold(a) == fold(b) }

func fold(name string) string { return strings.ToLower(name) }

func (grammar) SameColumn(a, b string) bool { return sameName(a, b) }

// Names are those of a change. Indexes are named within their table. Whether the case
// of a table's name matters depends on the server: here it does.
func (grammar) Names(c plan.Change) (gives, leaves sqlfile.Given) {
	var none sqlfile.Given
	switch c := c.(type) {
	case plan.RenameColumn:
		return within("column", c.Target(), c.To), within("column", c.Target(), c.From)
	case plan.AddColumn:
		return within("column", c.Target(), c.Column), none
	case plan.DropColumn:
		return none, within("column", c.Target(), c.Column)
	case plan.RenameTable:
		return table(c.Schema, c.To), table(c.Schema, c.From)
	case plan.CreateTable:
		return table(c.Schema, c.Name), none
	case plan.CreateIndex:
		return within("index", c.Target(), c.Name), none
	}
	return none, none
}

func within(what string, t plan.Name, name string) sqlfile.Given {
	key := plan.ColumnName{Schema: t.Schema, Table: t.Name, Column: fold(name)}
	words := plan.ColumnName{Schema: t.Schema, Table: t.Name, Column: name}
	return sqlfile.Given{Key: what + " " + sqlfile.ShowColumn(grammar{}, key), Words: what + " " + sqlfile.ShowColumn(grammar{}, words)}
}

func table(schema, name string) sqlfile.Given {
	words := "table " + sqlfile.ShowTable(grammar{}, plan.Name{Schema: schema, Name: name})
	return sqlfile.Given{Key: words, Words: words}
}

// ShowName quotes what is not a plain name.
func (grammar) ShowName(s string) string { return showName(s) }

func show(r myquery.Relation) string {
	return sqlfile.ShowTable(grammar{}, plan.Name{Schema: r.Schema, Name: r.Name})
}

func showName(s string) string {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80 || i > 0 && (c >= '0' && c <= '9' || c == '$') {
			continue
		}
		return "`" + strings.ReplaceAll(s, "`", "``") + "`"
	}
	return s
}
