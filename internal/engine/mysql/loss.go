package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"time"

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
			ask = fmt.Sprintf("SELECT /* phased */ 1 FROM %s AS %s WHERE %s LIMIT 1", ident(c.Table), ident(rowAlias), written(c))
			what = fmt.Sprintf("rows of %s hold values in %s, which would go with the column", c.Table, c.Column)
		case plan.CreateTable:
			ask = fmt.Sprintf("SELECT /* phased */ 1 FROM %s AS %s LIMIT 1", ident(c.Name), ident(rowAlias))
			what = fmt.Sprintf("table %s holds rows", c.Name)
		default:
			continue
		}
		var found []string
		err := e.with(ctx, pinned{limit: lossLimit}, func(c *sql.Conn) (err error) {
			found, err = list(ctx, c, ask)
			return err
		})
		switch n := number(err); {
		case missing(err) || n == errUnknownColumn: // not there: nothing to lose
			continue
		case n == errStatementTime || n == errExecutionTime || n == errLockWait:
			found = []string{"careful"}
		case err != nil:
			return nil, fmt.Errorf("look for what a rollback would lose: %w", err)
		}
		if len(found) > 0 {
			out = append(out, what)
		}
	}
	return out, nil
}

// lossLimit is for how long Loss looks at one table.
const lossLimit = 10 * time.Second

// A statement that ran for too long: MariaDB's and MySQL's.
const (
	errStatementTime = 1969
	errExecutionTime = 3024
)

// written is a condition: somebody wrote into the column that was added. A value counts
// that is not, to the last bit, what the column held when it was new.
func written(c plan.AddColumn) string {
	col, def := ident(c.Column), c.Default
	if def == "" && !c.NotNull {
		return col + " IS NOT NULL"
	}
	if def == "" {
		// Existing rows got the zero value of the type.
		switch classOf(c.Type) {
		case classText, classBytes:
			return col + " <> '' OR LENGTH(" + col + ") > 0"
		case classExact, classFloat:
			if !temporal[baseType(c.Type)] {
				return col + " <> 0"
			}
		}
		return "1"
	}
	if classOf(c.Type) == classText {
		return fmt.Sprintf("NOT (%s <=> (%s)) OR CAST(CONVERT(%[1]s USING utf8mb4) AS BINARY) <> CAST(CONVERT((%[2]s) USING utf8mb4) AS BINARY)", col, def)
	}
	return fmt.Sprintf("NOT (%s <=> (%s))", col, def)
}

var temporal = map[string]bool{"date": true, "datetime": true, "time": true, "timestamp": true, "year": true, "uuid": true, "inet4": true, "inet6": true}
