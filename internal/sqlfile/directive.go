package sqlfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// apply puts what the directives say about columns into the renames they are about.
func (f *reader) apply(d plan.Directives, stmts []plan.Statement) error {
	for _, e := range d.Expressions {
		if err := f.expression(e, stmts); err != nil {
			return err
		}
	}
	for _, c := range d.SerializeInserts {
		const word = "phased:serialize-inserts"
		line := f.lineOf(c)
		if no := f.CheckSerialize(); no != nil {
			return &plan.InputError{File: f.file, Line: line, Problem: word + " " + f.show(c) + ": " + no.What, Way: no.Way}
		}
		i, err := f.match(word, c, line, "old or new", stmts, func(r plan.RenameColumn) bool {
			return f.SameColumn(r.To, c.Column) || f.SameColumn(r.From, c.Column)
		})
		if err != nil {
			return err
		}
		r := stmts[i].Change.(plan.RenameColumn)
		r.SerializeInserts = true
		stmts[i].Change = r
	}
	return f.checkPairs(stmts)
}

func (f *reader) expression(e plan.Expression, stmts []plan.Statement) error {
	word := "phased:" + string(e.Direction)
	up := e.Direction == plan.DirectionUp
	side := "old"
	if up {
		side = "new"
	}
	i, err := f.match(word, e.Column, e.Line, side, stmts, func(r plan.RenameColumn) bool {
		return up && f.SameColumn(r.To, e.Column.Column) || !up && f.SameColumn(r.From, e.Column.Column)
	})
	if err != nil {
		return err
	}
	r := stmts[i].Change.(plan.RenameColumn)
	into, reads := &r.Down, r.To
	if up {
		into, reads = &r.Up, r.From
	}
	if no := f.CheckExpression(e.SQL, reads); no != nil {
		return &plan.InputError{File: f.file, Line: e.Line, Problem: fmt.Sprintf("%s %s: %s", word, f.show(e.Column), no.What), Way: no.Way}
	}
	if *into != "" {
		return &plan.InputError{File: f.file, Line: e.Line, Problem: fmt.Sprintf("%s %s is the second one for statement %d", word, f.show(e.Column), stmts[i].Index), Way: "keep one of them"}
	}
	*into = e.SQL
	stmts[i].Change = r
	return nil
}

func (f *reader) show(c plan.ColumnName) string { return ShowColumn(f, c) }

// lineOf finds the line of a serialize-inserts directive, for an error.
func (f *reader) lineOf(c plan.ColumnName) int {
	for i, text := range strings.Split(f.sql, "\n") {
		d, _, err := plan.ParseDirectives(f.Dialect(), f.file, text)
		if err == nil && slices.Contains(d.SerializeInserts, c) {
			return i + 1
		}
	}
	return 1
}

// match finds the one rename that a directive is about. A directive without
// schema is about a table of any schema.
func (f *reader) match(word string, c plan.ColumnName, line int, side string, stmts []plan.Statement, is func(plan.RenameColumn) bool) (int, error) {
	found := -1
	for i, s := range stmts {
		r, ok := s.Change.(plan.RenameColumn)
		if !ok || r.Table != c.Table || c.Schema != "" && r.Schema != c.Schema || !is(r) {
			continue
		}
		if found >= 0 {
			return 0, &plan.InputError{File: f.file, Line: line, Problem: fmt.Sprintf("%s %s may be about statement %d or %d", word, f.show(c), stmts[found].Index, s.Index), Way: "write the schema"}
		}
		found = i
	}
	if found >= 0 {
		return found, nil
	}
	way := fmt.Sprintf("name the %s column of a RENAME COLUMN in this file", side)
	for _, s := range stmts {
		if r, ok := s.Change.(plan.RenameColumn); ok && r.Table == c.Table {
			switch side {
			case "new":
				way += fmt.Sprintf(": %s", f.show(plan.ColumnName{Schema: r.Schema, Table: r.Table, Column: r.To}))
			case "old":
				way += fmt.Sprintf(": %s", f.show(plan.ColumnName{Schema: r.Schema, Table: r.Table, Column: r.From}))
			}
			break
		}
	}
	return 0, &plan.InputError{File: f.file, Line: line, Problem: fmt.Sprintf("%s %s matches no statement", word, f.show(c)), Way: way}
}

// checkPairs refuses a way up without a way down, and the reverse.
func (f *reader) checkPairs(stmts []plan.Statement) error {
	for _, s := range stmts {
		r, ok := s.Change.(plan.RenameColumn)
		if !ok || (r.Up == "") == (r.Down == "") {
			continue
		}
		have, miss, column := "up", "down", r.From
		if r.Up == "" {
			have, miss, column = "down", "up", r.To
		}
		return &plan.InputError{File: f.file, Line: s.Line, Statement: s.Index,
			Problem: fmt.Sprintf("%s has phased:%s, but no phased:%s: writes of one side would not reach the other", r.Describe(), have, miss),
			Way:     fmt.Sprintf("add -- phased:%s %s = …", miss, f.show(plan.ColumnName{Schema: r.Schema, Table: r.Table, Column: column}))}
	}
	return nil
}
