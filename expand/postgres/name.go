package postgres

import (
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/pgquery"
)

// checkIdents refuses names that the server would not keep as they are written.
func (f *reader) checkIdents(s pgquery.Statement, asWritten bool) error {
	for _, id := range s.Names {
		switch {
		case id.Unicode && asWritten:
		case id.Unicode:
			return &plan.InputError{File: f.file, Line: id.Line, Statement: s.Index,
				Problem: fmt.Sprintf(`the name U&"%s" is written with escapes`, id.Name), Way: "write its characters themselves"}
		case len(id.Name) > plan.MaxNameBytes:
			return &plan.InputError{File: f.file, Line: id.Line, Statement: s.Index,
				Problem: fmt.Sprintf("the name %q has %d bytes, and PostgreSQL keeps %d without a word", id.Name, len(id.Name), plan.MaxNameBytes), Way: "shorten it"}
		}
	}
	return nil
}

// checkNames refuses a name that the file gives twice, or that is still in use
// by an old side of the same file. Names with and without schema are not
// compared: which schema is meant, the connection decides.
func (f *reader) checkNames(stmts []plan.Statement) error {
	given, left := map[string]plan.Statement{}, map[string]plan.Statement{}
	for _, s := range stmts {
		gives, leaves := namesOf(s.Change)
		if leaves != "" {
			if first, ok := left[leaves]; ok {
				return f.twice(s, fmt.Sprintf("%s is renamed or dropped by %s already", leaves, other(s, first)), "say once what happens to it")
			}
			left[leaves] = s
		}
		if gives == "" {
			continue
		}
		if first, ok := given[gives]; ok {
			return f.twice(s, fmt.Sprintf("%s is made by %s already", gives, other(s, first)), "give one of them another name")
		}
		given[gives] = s
	}
	for _, s := range stmts {
		gives, _ := namesOf(s.Change)
		if gives == "" {
			continue
		}
		if old, ok := left[gives]; ok {
			return f.twice(s, fmt.Sprintf("%s is the old side of %s, which keeps the name until contract", gives, other(s, old)), "give the new one another name, or make it in a later file")
		}
	}
	return nil
}

func other(s, of plan.Statement) string {
	if s.Index == of.Index {
		return "the same statement"
	}
	return fmt.Sprintf("statement %d", of.Index)
}

func (f *reader) twice(s plan.Statement, problem, way string) error {
	return &plan.InputError{File: f.file, Line: s.Line, Statement: s.Index, Problem: problem, Way: way}
}

// namesOf returns the name that a change gives and the one that it takes away, in
// words that are equal exactly for what shares a name on the server. Tables and
// indexes share theirs.
func namesOf(c plan.Change) (gives, leaves string) {
	switch c := c.(type) {
	case plan.RenameColumn:
		return columnWords(c.Target(), c.To), columnWords(c.Target(), c.From)
	case plan.AddColumn:
		return columnWords(c.Target(), c.Column), ""
	case plan.DropColumn:
		return "", columnWords(c.Target(), c.Column)
	case plan.RenameTable:
		return relationWords(c.Schema, c.To), relationWords(c.Schema, c.From)
	case plan.CreateTable:
		return relationWords(c.Schema, c.Name), ""
	case plan.CreateIndex:
		return relationWords(c.Schema, c.Name), ""
	}
	return "", ""
}

func columnWords(t plan.Name, column string) string {
	return "column " + showColumn(plan.ColumnName{Schema: t.Schema, Table: t.Name, Column: column})
}

func relationWords(schema, name string) string {
	return "relation " + show(pgquery.Relation{Schema: schema, Name: name})
}

// show writes a name for an error; quoted where its end would not be seen.
func show(r pgquery.Relation) string {
	if r.Schema == "" {
		return showName(r.Name)
	}
	return showName(r.Schema) + "." + showName(r.Name)
}

func showColumn(c plan.ColumnName) string {
	return show(pgquery.Relation{Schema: c.Schema, Name: c.Table}) + "." + showName(c.Column)
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
