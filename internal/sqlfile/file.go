// Package sqlfile reads a migration file as far as that is the same in every SQL
// dialect: its directives, which mark belongs to which statement, and the names that
// its statements give and take. What a statement says, a [Grammar] tells.
package sqlfile

import (
	"fmt"
	"path"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// Grammar is what reading a file needs to know of a dialect.
type Grammar interface {
	// Dialect tells how comments, quotes and names are written.
	Dialect() plan.Dialect
	// Statements splits a text, whose lines end with "\n". The error is a *Problem
	// with line and statement.
	Statements(sql string) ([]Statement, error)
	// CheckExpression says what is wrong with an up or down expression, as a clause
	// that follows the directive's name. Column is the one that it may read.
	CheckExpression(expr, column string) *Problem
	// CheckSerialize says why inserts are not serialized; nil: they can be.
	CheckSerialize() *Problem
	// SameColumn reports whether two names mean the same column.
	SameColumn(a, b string) bool
	// Gives and leaves are the names that a change gives and takes away; zero: none.
	Names(c plan.Change) (gives, leaves Given)
	// ShowName writes a name for an error, quoted where its end would not be seen.
	ShowName(name string) string
}

// Statement is one statement of a text.
type Statement struct {
	Index      int // from 1; empty statements do not count
	Line       int // of its first word, from 1
	Start, End int // of its first and behind its last word, in bytes
	SQL        string
	// Changes says what the statement means. Mark is the as-written mark before it, or nil.
	Changes func(mark *plan.AsWrittenMark) ([]plan.Change, *Problem)
}

// Given is a name that a change gives or takes away.
type Given struct {
	Key   string // equal exactly for what shares a name on the server
	Words string // for an error: "column users.email"
}

// Problem is what is wrong, and the way out.
type Problem struct {
	Line, Statement int // 0: those of the statement at hand
	What, Way       string
}

// Error is what is wrong.
func (p *Problem) Error() string { return p.What }

// Read reads one migration file. Every error is a *plan.InputError. The same text
// with other line ends gives the same changes.
func Read(g Grammar, file, sql string) (*plan.Migration, error) {
	f := reader{Grammar: g, file: file, sql: strings.ReplaceAll(sql, "\r\n", "\n")}
	m := &plan.Migration{
		Name:     strings.TrimSuffix(path.Base(file), ".sql"),
		Checksum: plan.Checksum(sql),
		SQL:      sql,
	}
	if file == "" || m.Name == "" {
		return nil, &plan.InputError{File: file, Problem: "a migration is named by its file, and this file has no name"}
	}
	var err error
	if m.Directives, f.marks, err = plan.ParseDirectives(g.Dialect(), file, f.sql); err != nil {
		return nil, err
	}
	stmts, err := g.Statements(f.sql)
	if err != nil {
		return nil, f.unreadable(err)
	}
	if m.Statements, err = f.statements(stmts); err != nil {
		return nil, err
	}
	if err := f.apply(m.Directives, m.Statements); err != nil {
		return nil, err
	}
	if len(m.Statements) == 0 && len(m.Directives.Contracts) == 0 {
		return nil, &plan.InputError{File: file, Problem: "says nothing: no statement and no phased:contract line", Way: "delete the file or write what it is for"}
	}
	if err := f.checkNames(m.Statements); err != nil {
		return nil, err
	}
	return m, nil
}

// reader reads one file.
type reader struct {
	Grammar
	file, sql string
	marks     []plan.AsWrittenMark
}

// statements turns what the file says into changes, in order.
func (f *reader) statements(stmts []Statement) ([]plan.Statement, error) {
	var out []plan.Statement
	for _, s := range stmts {
		mark, err := f.takeMark(s)
		if err != nil {
			return nil, err
		}
		changes, no := s.Changes(mark)
		if no != nil {
			return nil, f.refused(s, no)
		}
		for _, c := range changes {
			out = append(out, plan.Statement{Change: c, File: f.file, Line: s.Line, Index: s.Index, SQL: s.SQL})
		}
	}
	if len(f.marks) > 0 {
		return nil, &plan.InputError{File: f.file, Line: f.marks[0].Line, Problem: "phased:as-written is followed by no statement", Way: "put it on the line before its statement"}
	}
	return out, nil
}

// takeMark returns the as-written mark before a statement, if there is one.
func (f *reader) takeMark(s Statement) (*plan.AsWrittenMark, error) {
	var mark *plan.AsWrittenMark
	for len(f.marks) > 0 && f.marks[0].Offset < s.End {
		next := f.marks[0]
		f.marks = f.marks[1:]
		switch {
		case next.Offset > s.Start:
			return nil, &plan.InputError{File: f.file, Line: next.Line, Statement: s.Index, Problem: "phased:as-written stands inside a statement", Way: "put it on the line before its statement"}
		case mark != nil:
			return nil, &plan.InputError{File: f.file, Line: next.Line, Statement: s.Index,
				Problem: fmt.Sprintf("phased:as-written for this statement stands on line %d already", mark.Line), Way: "keep one of them"}
		}
		mark = &next
	}
	return mark, nil
}

func (f *reader) unreadable(err error) error {
	p, ok := err.(*Problem)
	if !ok {
		return err
	}
	return &plan.InputError{File: f.file, Line: p.Line, Statement: p.Statement, Problem: p.What, Way: p.Way}
}

func (f *reader) refused(s Statement, no *Problem) error {
	line := no.Line
	if line == 0 {
		line = s.Line
	}
	return &plan.InputError{File: f.file, Line: line, Statement: s.Index, Problem: no.What, Way: no.Way}
}
