package mysql

import (
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/myquery"
	"github.com/phasedb/phased/internal/sqlfile"
)

// Parser returns the parser of the migration files of MySQL and MariaDB. It holds no
// state and may be used by several goroutines.
func Parser() plan.Parser { return fileParser{} }

type fileParser struct{}

// Parse reads one migration file. Every error is a *plan.InputError. The same
// text with other line ends gives the same changes.
func (fileParser) Parse(file, sql string) (*plan.Migration, error) {
	return sqlfile.Read(grammar{}, file, sql)
}

// grammar is what package sqlfile asks about both servers: their files are written in
// the same way, and what only one of them knows, that server tells.
type grammar struct{}

func (grammar) Dialect() plan.Dialect { return plan.DialectMySQL }

func (grammar) Statements(sql string) ([]sqlfile.Statement, error) {
	stmts, err := myquery.Split(sql)
	if err != nil {
		no := unreadable(err)
		no.What = err.Error() // it is read without a grammar
		return nil, no
	}
	out := make([]sqlfile.Statement, len(stmts))
	for i, s := range stmts {
		out[i] = sqlfile.Statement{Index: s.Index, Line: s.Line, Start: s.Start, End: s.End, SQL: s.SQL,
			Changes: func(mark *plan.AsWrittenMark) ([]plan.Change, *refusal) {
				if mark != nil {
					return asWritten(s, mark.Reason)
				}
				return changesOf(s)
			}}
	}
	return out, nil
}

// CheckExpression refuses what would not give the same value again: on these servers
// nobody else can tell.
func (grammar) CheckExpression(expr, column string) *refusal {
	err := myquery.CheckExpression(expr, column)
	if err == nil {
		return nil
	}
	if unfit, ok := err.(*myquery.Unfit); ok {
		return refuse(unfit.Message, unfit.Way)
	}
	return refuse("the expression is unreadable: "+err.Error(), "write one expression over "+showName(column))
}

func (grammar) CheckSerialize() *refusal {
	return refuse("it is not needed: ON DUPLICATE KEY UPDATE looks at every unique index", "leave it away")
}

// unreadable says what cannot be read, and where.
func unreadable(err error) *refusal {
	no := &refusal{Line: 1, Statement: 1, What: "unreadable: " + err.Error(), Way: "write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, " + wayMark}
	if at, ok := err.(*myquery.Error); ok {
		no.Line, no.Statement = at.Line, at.Statement
		if at.Way != "" {
			no.Way = at.Way
		}
	}
	return no
}
