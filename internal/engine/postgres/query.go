package postgres

import (
	"context"
	"database/sql"
	"fmt"
)

// querier is what a pool, a connection and a transaction have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// look runs fn in a transaction that is always rolled back: what fn creates, it
// creates for looking at. Names outside pg_catalog are printed qualified. No lock
// is waited for longer than a moment.
func (e *Engine) look(ctx context.Context, fn func(tx *sql.Tx, path string) error) error {
	tx, err := e.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("begin looking at the catalog: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing is kept, whatever it says
	var path string
	if err := tx.QueryRowContext(ctx, `SELECT current_setting('search_path')`).Scan(&path); err != nil {
		return fmt.Errorf("read search_path: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `SET LOCAL lock_timeout = '500ms'; SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL search_path = '';
		SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 3`); err != nil {
		return fmt.Errorf("begin looking at the catalog: %w", err)
	}
	return fn(tx, path)
}

// strings1 reads one text column.
func strings1(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
