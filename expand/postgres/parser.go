package postgres

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/pgquery"
)

// Parser returns the parser of PostgreSQL's migration files. It holds no state and
// may be used by several goroutines.
func Parser() plan.Parser { return fileParser{} }

type fileParser struct{}

// Parse reads one migration file. Every error is a *plan.InputError. The same
// text with other line ends gives the same changes.
func (fileParser) Parse(file, sql string) (*plan.Migration, error) {
	f := reader{file: file, sql: strings.ReplaceAll(sql, "\r\n", "\n")}
	m := &plan.Migration{
		Name:     strings.TrimSuffix(path.Base(file), ".sql"),
		Checksum: plan.Checksum(sql),
		SQL:      sql,
	}
	if file == "" || m.Name == "" {
		return nil, &plan.InputError{File: file, Problem: "a migration is named by its file, and this file has no name"}
	}
	var err error
	if m.Directives, f.marks, err = plan.ParseDirectives(file, f.sql); err != nil {
		return nil, err
	}
	stmts, err := pgquery.Parse(f.sql)
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
	file, sql string
	marks     []plan.AsWrittenMark
}

// statements turns what the file says into changes, in order.
func (f *reader) statements(stmts []pgquery.Statement) ([]plan.Statement, error) {
	var out []plan.Statement
	for _, s := range stmts {
		mark, err := f.takeMark(s)
		if err != nil {
			return nil, err
		}
		if err := f.checkIdents(s, mark != nil); err != nil {
			return nil, err
		}
		var changes []plan.Change
		var no *refusal
		if mark != nil {
			changes, no = asWritten(s, mark.Reason)
		} else {
			changes, no = changesOf(s)
		}
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
func (f *reader) takeMark(s pgquery.Statement) (*plan.AsWrittenMark, error) {
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
	e := &plan.InputError{File: f.file, Line: 1, Statement: 1, Problem: "unreadable: " + err.Error(), Way: "write it so that PostgreSQL 16 reads it"}
	var at *pgquery.Error
	if errors.As(err, &at) {
		e.Line, e.Statement = at.Line, at.Statement
	}
	return e
}

func (f *reader) refused(s pgquery.Statement, no *refusal) error {
	return &plan.InputError{File: f.file, Line: s.Line, Statement: s.Index, Problem: no.problem, Way: no.way}
}
