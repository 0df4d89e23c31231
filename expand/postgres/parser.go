package postgres

import (
	"errors"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/pgquery"
	"github.com/phasedb/phased/internal/sqlfile"
)

// Parser returns the parser of PostgreSQL's migration files. It holds no state and
// may be used by several goroutines.
func Parser() plan.Parser { return fileParser{} }

type fileParser struct{}

// Parse reads one migration file. Every error is a *plan.InputError. The same
// text with other line ends gives the same changes.
func (fileParser) Parse(file, sql string) (*plan.Migration, error) {
	return sqlfile.Read(grammar{}, file, sql)
}

// grammar is what package sqlfile asks about PostgreSQL.
type grammar struct{}

func (grammar) Dialect() plan.Dialect { return plan.DialectPostgres }

func (grammar) Statements(sql string) ([]sqlfile.Statement, error) {
	stmts, err := pgquery.Parse(sql)
	if err != nil {
		no := &refusal{Line: 1, Statement: 1, What: "unreadable: " + err.Error(), Way: "write it so that PostgreSQL 16 reads it"}
		var at *pgquery.Error
		if errors.As(err, &at) {
			no.Line, no.Statement = at.Line, at.Statement
		}
		return nil, no
	}
	out := make([]sqlfile.Statement, len(stmts))
	for i, s := range stmts {
		out[i] = sqlfile.Statement{Index: s.Index, Line: s.Line, Start: s.Start, End: s.End, SQL: s.SQL,
			Changes: func(mark *plan.AsWrittenMark) ([]plan.Change, *refusal) {
				if no := checkIdents(s, mark != nil); no != nil {
					return nil, no
				}
				if mark != nil {
					return asWritten(s, mark.Reason)
				}
				return changesOf(s)
			}}
	}
	return out, nil
}

// CheckExpression leaves to the server which columns are read.
func (grammar) CheckExpression(expr, _ string) *refusal {
	if err := pgquery.CheckExpression(expr); err != nil {
		return refuse("the expression is unreadable: "+err.Error(), "write one expression over the other side's columns")
	}
	return nil
}

func (grammar) CheckSerialize() *refusal { return nil }

func (grammar) SameColumn(a, b string) bool { return a == b }
