package postgres

import (
	"context"
	"fmt"

	"github.com/phasedb/phased/expand/plan"
)

// Loss names what a rollback would lose: rows that hold values in a column that has
// no old side, or a table's rows. It reads up to the first such row, for at most ten
// seconds, after which it takes the careful answer.
func (e *Engine) Loss(ctx context.Context, p *plan.Plan) ([]string, error) {
	var out []string
	for _, s := range p.Migration.Statements {
		var ask, what string
		switch c := s.Change.(type) {
		case plan.AddColumn:
			t := p.Relation(s.Change)
			def := c.Default
			if def == "" {
				def = "NULL"
			}
			ask = fmt.Sprintf("SELECT /* phased */ EXISTS (SELECT FROM %s WHERE %s IS DISTINCT FROM (%s))", t, ident(c.Column), def)
			what = fmt.Sprintf("rows of %s hold values in %s, which would go with the column", t, c.Column)
		case plan.CreateTable:
			t := p.Relation(s.Change)
			ask = fmt.Sprintf("SELECT /* phased */ EXISTS (SELECT FROM %s)", t)
			what = fmt.Sprintf("table %s holds rows", t)
		default:
			continue
		}
		var lost bool
		tx, err := e.db.BeginTx(ctx, nil)
		if err != nil {
			return nil, fmt.Errorf("look for what a rollback would lose: %w", err)
		}
		if _, err = tx.ExecContext(ctx, "SET LOCAL statement_timeout = '10s'"); err == nil {
			err = tx.QueryRowContext(ctx, ask).Scan(&lost)
		}
		_ = tx.Rollback() // nothing was changed
		switch {
		case code(err) == "42P01" || code(err) == "42703": // not there: nothing to lose
			continue
		case code(err) == "57014":
			lost = true
		case err != nil:
			return nil, fmt.Errorf("look for what a rollback would lose: %w", err)
		}
		if lost {
			out = append(out, what)
		}
	}
	return out, nil
}
