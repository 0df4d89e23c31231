package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// look runs fn on a pinned session that only reads: there text is UTF-8, whatever the
// pool's character set is, and nothing is seen through an old snapshot.
func (e *Engine) look(ctx context.Context, doing string, fn func(c *sql.Conn) error) error {
	return privilege(e.with(ctx, pinned{}, fn), doing)
}

// Plan reads a stored plan.
func (e *Engine) Plan(ctx context.Context, name string) (p *plan.Plan, err error) {
	err = e.look(ctx, "read the plan of "+name, func(c *sql.Conn) error {
		var raw []byte
		err := c.QueryRowContext(ctx, `SELECT plan FROM phased_migration WHERE name = ?`, name).Scan(&raw)
		if err == nil && raw != nil {
			p, err = plan.Decode(raw)
		}
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return p, err
}

// Steps reads what is recorded of each step.
func (e *Engine) Steps(ctx context.Context, name string) (out []engine.StepRecord, err error) {
	err = e.look(ctx, "read the steps of "+name, func(c *sql.Conn) (err error) {
		out, err = records(ctx, c, func(r *sql.Rows) (s engine.StepRecord, err error) {
			var at sql.NullString
			if err = r.Scan(&s.N, &s.Phase, &s.Title, &s.Done, &at, &s.Attempts, &s.Error); err == nil {
				s.DoneAt, err = readTime(at)
			}
			return s, err
		}, `SELECT n, phase, title, done, `+timeText("done_at")+`, attempts, error FROM phased_step WHERE migration = ? ORDER BY n`, name)
		return err
	})
	return out, err
}

// Links reads the pairs in flight with the names that their columns have now.
func (e *Engine) Links(ctx context.Context, schemaName, table string) (out []plan.Link, err error) {
	err = e.look(ctx, "read what is kept in step", func(c *sql.Conn) (err error) {
		out, err = e.links(ctx, c, table)
		return err
	})
	if missing(err) {
		return nil, engine.ErrNoState
	}
	return out, err
}

// links is Links of one table, or of all with "", on a session of the caller's. Where an
// old column is about to change its name, the catalog says which one it has.
func (e *Engine) links(ctx context.Context, q querier, table string) ([]plan.Link, error) {
	all, err := records(ctx, q, func(r *sql.Rows) (l plan.Link, err error) {
		var raw []byte
		var hidden bool
		if err = r.Scan(&raw, &hidden); err == nil {
			err = json.Unmarshal(raw, &l)
		}
		if hidden {
			l = l.Hide()
		}
		return l, err
	}, `SELECT /* phased */ CAST(link AS BINARY), hidden FROM phased_link ORDER BY position`)
	if err != nil {
		return nil, fmt.Errorf("read what is kept in step: %w", err)
	}
	var out []plan.Link
	for _, l := range all {
		if table != "" && l.Table != table {
			continue
		}
		if l.Swap == plan.NameHidden || l.Swap == plan.NameShown {
			shown, err := list(ctx, q, `SELECT /* phased */ COLUMN_NAME FROM information_schema.COLUMNS
				WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ? AND COLUMN_COMMENT <> ?`, l.Table, l.Show().Old, temporaryName)
			if err != nil {
				return nil, fmt.Errorf("read what is kept in step: %w", err)
			}
			if l = l.Hide(); len(shown) > 0 {
				l = l.Show()
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// temporaryName is the comment of a column that only keeps a name for another one.
const temporaryName = "phased: temporary name"

// Events reads the log of a migration, latest first.
func (e *Engine) Events(ctx context.Context, name string, limit int) (out []engine.Event, err error) {
	err = e.look(ctx, "read the events of "+name, func(c *sql.Conn) (err error) {
		out, err = records(ctx, c, func(r *sql.Rows) (ev engine.Event, err error) {
			var at sql.NullString
			if err = r.Scan(&at, &ev.Migration, &ev.What, &ev.Detail); err == nil {
				ev.At, err = readTime(at)
			}
			return ev, err
		}, `SELECT `+timeText("at")+`, migration, what, detail FROM phased_event WHERE ? = '' OR migration = ? ORDER BY id DESC LIMIT ?`, name, name, limit)
		return err
	})
	return out, err
}

// records runs a query and gives what read makes of each row.
func records[T any](ctx context.Context, q querier, read func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := read(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
