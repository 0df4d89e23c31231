package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// RunDirect runs a plan's direct statements on an empty database and records the
// migration. DDL commits by itself, so each statement is recorded before and after: a
// run that ended in the middle goes on where it was.
func (e *Engine) RunDirect(ctx context.Context, token int64, p *plan.Plan, s engine.State) error {
	name := p.Migration.Name
	err := e.inStep(ctx, token, pinned{lockWait: 5 * time.Second, discard: true}, func(c *sql.Conn) error {
		for i, statement := range p.Direct {
			if err := direct(ctx, c, token, name, i, statement); err != nil {
				return err
			}
		}
		return begin(ctx, c, func() error {
			if err := checkToken(ctx, c, token); err != nil {
				return err
			}
			if _, err := c.ExecContext(ctx, "DELETE FROM phased_step WHERE migration = ?", name); err != nil {
				return err
			}
			return insertPlan(ctx, c, p, s, true)
		})
	})
	if err != nil {
		return fmt.Errorf("run %s on an empty database: %w", name, err)
	}
	return nil
}

// direct runs one statement, where it has not been run.
func direct(ctx context.Context, c *sql.Conn, token int64, migration string, n int, statement string) error {
	var begun, done bool
	note := func(done int) error {
		if err := checkToken(ctx, c, token); err != nil {
			return err
		}
		_, err := c.ExecContext(ctx, `INSERT INTO phased_step (migration, n, phase, title, done, attempts, error) VALUES (?, ?, 'direct', '', ?, 1, '')
			ON DUPLICATE KEY UPDATE done = VALUES(done)`, migration, n, done)
		return err
	}
	rows, err := c.QueryContext(ctx, "SELECT attempts > 0, done FROM phased_step WHERE migration = ? AND n = ?", migration, n)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := rows.Scan(&begun, &done); err != nil {
			rows.Close()
			return err
		}
	}
	if err := rows.Close(); err != nil || done {
		return err
	}
	if writesRows(statement) {
		return begin(ctx, c, func() error {
			if err := note(1); err != nil {
				return err
			}
			_, err := c.ExecContext(ctx, statement)
			return err
		})
	}
	if err := begin(ctx, c, func() error { return note(0) }); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, statement); err != nil && !(begun && alreadySo(err)) {
		return err
	}
	return begin(ctx, c, func() error { return note(1) })
}

// writesRows tells statements that a transaction protects from DDL, which commits.
func writesRows(statement string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(statement), " ")
	switch strings.ToUpper(word) {
	case "INSERT", "UPDATE", "DELETE", "REPLACE":
		return true
	}
	return false
}

// alreadySo reports what DDL says that was done before.
func alreadySo(err error) bool {
	switch number(err) {
	case errTableExists, errDuplicateColumn, errDuplicateKeyName, errCantDrop, errUnknownColumn, errUnknownTable, 1051, 1826, 3822:
		return true
	}
	return false
}
