package sqlfile

import (
	"fmt"

	"github.com/phasedb/phased/expand/plan"
)

// checkNames refuses a name that the file gives twice, or that is still in use
// by an old side of the same file. Names with and without schema are not
// compared: which schema is meant, the connection decides.
func (f *reader) checkNames(stmts []plan.Statement) error {
	given, left := map[string]plan.Statement{}, map[string]plan.Statement{}
	for _, s := range stmts {
		gives, leaves := f.Names(s.Change)
		if leaves.Key != "" {
			if first, ok := left[leaves.Key]; ok {
				return f.twice(s, fmt.Sprintf("%s is renamed or dropped by %s already", leaves.Words, other(s, first)), "say once what happens to it")
			}
			left[leaves.Key] = s
		}
		if gives.Key == "" {
			continue
		}
		if first, ok := given[gives.Key]; ok {
			return f.twice(s, fmt.Sprintf("%s is made by %s already", gives.Words, other(s, first)), "give one of them another name")
		}
		given[gives.Key] = s
	}
	for _, s := range stmts {
		gives, _ := f.Names(s.Change)
		if gives.Key == "" {
			continue
		}
		if old, ok := left[gives.Key]; ok {
			return f.twice(s, fmt.Sprintf("%s is the old side of %s, which keeps the name until contract", gives.Words, other(s, old)), "give the new one another name, or make it in a later file")
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

// ShowTable writes a table's name for an error.
func ShowTable(g Grammar, n plan.Name) string {
	if n.Schema == "" {
		return g.ShowName(n.Name)
	}
	return g.ShowName(n.Schema) + "." + g.ShowName(n.Name)
}

// ShowColumn writes a column's name for an error.
func ShowColumn(g Grammar, c plan.ColumnName) string {
	return ShowTable(g, plan.Name{Schema: c.Schema, Name: c.Table}) + "." + g.ShowName(c.Column)
}
