package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// The walk ends at the key that was the last one when it began; the last range is not
// open. What counts is that every row version from before the sync is met.
//
//   - CREATE TRIGGER waits for every transaction that has touched the table, so the
//     writers from before have committed when the last key is read, and READ COMMITTED
//     shows all of their rows. Whatever lies behind that key was inserted later, or moved
//     there later by an update of its key, and both fire the sync, which puts the row in
//     step whatever the statement has changed. The same is true of a row that moves behind
//     the cursor.
//   - What writes without firing the sync can put rows out of step anywhere, not only
//     behind the end: an ON UPDATE CASCADE on a key, a transaction that was prepared (XA)
//     before the sync and is committed now. An open last range would not meet them either; the
//     verification counts them, and another pass fills them.
//
// It also ends: an open last range would follow a table that grows faster than it is
// walked.

const (
	readTimeout = 30 * time.Second
	// counted is how many rows are counted rather than estimated.
	counted = 100000
)

// Start fixes where the walk ends and how large the table is, once. In the same
// transaction the migration's state becomes backfilling.
func (e *Engine) Start(ctx context.Context, id string, token int64) (*engine.Fill, error) {
	f, err := e.fill(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.State == engine.FillWalked || f.State == engine.FillComplete {
		return f, nil
	}
	var k *keyset
	var upper []string
	var estimate int64
	// The session is not given back: MySQL keeps the sizes of tables for a day, unless it is told not to.
	err = e.with(ctx, pinned{limit: readTimeout, discard: !e.mariadb()}, func(c *sql.Conn) error {
		if k, err = e.keyset(ctx, c, f.Spec); err != nil {
			return err
		}
		if upper, err = k.scan(c.QueryRowContext(ctx, k.lastSQL()), nil); err != nil {
			return err
		}
		estimate, err = e.estimate(ctx, c, f.Spec.Table)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("start backfill %s: %w", id, err)
	}
	// Two fills of one migration may start at once, and both go on to change its row.
	err = e.fenced(ctx, "start", fence{id: id, token: token, lock: "FOR UPDATE", states: []engine.FillState{engine.FillPending, engine.FillRunning}}, func(c *sql.Conn, at standing) error {
		if !at.started {
			if _, err := c.ExecContext(ctx, `UPDATE phased_fill SET started = 1, state = 'running', upper_key = ?, estimate = ?,
				started_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6) WHERE id = ?`, keyJSON(upper), estimate, id); err != nil {
				return err
			}
		}
		if at.life != engine.StateExpanded {
			return nil
		}
		if _, err := c.ExecContext(ctx, "UPDATE phased_migration SET state = 'backfilling', state_at = UTC_TIMESTAMP(6) WHERE name = ?", f.Migration); err != nil {
			return err
		}
		return event(ctx, c, f.Migration, "backfilling", "")
	})
	if err != nil {
		return nil, err
	}
	if f, err = e.fill(ctx, id); err != nil {
		return nil, err
	}
	f.Walk = k
	return f, nil
}

// walk returns what Start found out about the key, or finds it out.
func (e *Engine) walk(ctx context.Context, f *engine.Fill) (*keyset, error) {
	if k, ok := f.Walk.(*keyset); ok {
		return k, nil
	}
	var k *keyset
	err := e.with(ctx, pinned{limit: readTimeout}, func(c *sql.Conn) (err error) {
		k, err = e.keyset(ctx, c, f.Spec)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("backfill %s: %w", f.ID, err)
	}
	f.Walk = k
	return k, nil
}

// Next cuts the next range: the limit-th key behind from, or the last one up to
// where the walk ends. It takes no lock on a row.
func (e *Engine) Next(ctx context.Context, f *engine.Fill, from []string, limit int) (*engine.Range, error) {
	limit = max(1, limit)
	if f.Upper == nil { // the table was empty
		return nil, nil
	}
	k, err := e.walk(ctx, f)
	if err != nil {
		return nil, err
	}
	r := &engine.Range{From: from}
	err = e.with(ctx, pinned{limit: readTimeout}, func(c *sql.Conn) error {
		for _, piece := range k.pieces(from, f.Upper) {
			left := int64(limit) - r.Rows
			to, err := k.scan(c.QueryRowContext(ctx, k.nthSQL(piece, left, from, f.Upper)), nil, from, f.Upper)
			if err != nil {
				return err
			}
			if to != nil {
				r.To, r.Rows = to, int64(limit)
				return nil
			}
			var n int64
			if to, err = k.scan(c.QueryRowContext(ctx, k.tailSQL(piece, left, from, f.Upper)), &n, from, f.Upper); err != nil {
				return err
			}
			if to != nil {
				r.To, r.Rows = to, r.Rows+n
			}
			if r.Rows >= int64(limit) { // it has grown meanwhile
				return nil
			}
		}
		r.Last = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("backfill %s: cut the chunk after %s: %w", f.ID, engine.KeyText(from), err)
	}
	if r.To == nil {
		return nil, nil
	}
	return r, nil
}

// OutOfStep counts the rows that are out of step, in one snapshot. It locks no row, and
// the table only against a change of its definition, for as long as it takes to read it.
func (e *Engine) OutOfStep(ctx context.Context, l plan.Link) (int64, error) {
	var n int64
	err := e.with(ctx, pinned{}, func(c *sql.Conn) error {
		return c.QueryRowContext(ctx, fmt.Sprintf("SELECT /* phased */ COUNT(*) FROM %s AS %s WHERE %s",
			ident(l.Table), ident(rowAlias), outOfStep(l, rowAlias))).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count rows of %s out of step: %w", l.ID, err)
	}
	return n, nil
}

// lastSQL reads the last key.
func (k *keyset) lastSQL() string {
	return fmt.Sprintf("SELECT /* phased */ %s FROM %s ORDER BY %s LIMIT 1", k.texts(rowAlias), k.from(), k.order(rowAlias, true))
}

// nthSQL reads the n-th key of a piece. Keys equal to a bound's, column by column, are
// told by their value.
func (k *keyset) nthSQL(piece string, n int64, bounds ...[]string) string {
	return fmt.Sprintf("SELECT /* phased */ %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d",
		k.texts(rowAlias, bounds...), k.from(), piece, k.order(rowAlias, false), n-1)
}

// tailSQL reads the last key of a piece that has fewer, and how many there are, in one
// snapshot. To count them costs more than to step over them.
func (k *keyset) tailSQL(piece string, limit int64, bounds ...[]string) string {
	const cut = "phased cut"
	var names []string
	for _, c := range k.cols {
		names = append(names, ident(rowAlias)+"."+ident(c.name))
	}
	return fmt.Sprintf("SELECT /* phased */ COUNT(*) OVER (), %s FROM (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d) AS %s ORDER BY %s LIMIT 1",
		k.texts(cut, bounds...), strings.Join(names, ", "), k.from(), piece, k.order(rowAlias, false), limit, ident(cut), k.order(cut, true))
}

// texts reads a key as text, and of its columns but the last whether they are equal to
// each bound's.
func (k *keyset) texts(alias string, bounds ...[]string) string {
	var out []string
	for _, c := range k.cols {
		out = append(out, c.sql(alias))
	}
	for _, b := range bounds {
		for i, c := range k.cols[:len(k.cols)-1] {
			if b != nil {
				out = append(out, c.is(alias, "=", b[i]))
			}
		}
	}
	return strings.Join(out, ", ")
}

// scan reads what texts selects, and n before it where there is one; nil where there is
// no row. What is equal to one of the bounds comes with the bound's text, the first
// one's that is; the last column is the row's own.
func (k *keyset) scan(row *sql.Row, n *int64, bounds ...[]string) ([]string, error) {
	key := make([]string, len(k.cols))
	same := make([]bool, len(bounds)*len(k.cols))
	var into []any
	if n != nil {
		into = append(into, n)
	}
	for i := range key {
		into = append(into, &key[i])
	}
	for b := range bounds {
		for i := range len(k.cols) - 1 {
			if bounds[b] != nil {
				into = append(into, &same[b*len(k.cols)+i])
			}
		}
	}
	err := row.Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i, c := range k.cols {
		key[i] = c.decode(key[i])
		for b := len(bounds) - 1; b >= 0; b-- {
			if same[b*len(k.cols)+i] {
				key[i] = bounds[b][i]
			}
		}
	}
	return key, nil
}

// estimate is the number of rows as the statistics have it; small tables are counted.
func (e *Engine) estimate(ctx context.Context, c *sql.Conn, table string) (int64, error) {
	var n int64
	err := c.QueryRowContext(ctx, fmt.Sprintf("SELECT /* phased */ COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d) AS phased", ident(table), counted)).Scan(&n)
	if err != nil || n < counted {
		return n, err
	}
	if !e.mariadb() {
		if _, err := c.ExecContext(ctx, "SET SESSION information_schema_stats_expiry = 0"); err != nil {
			return 0, err
		}
	}
	var rows int64
	err = c.QueryRowContext(ctx, "SELECT COALESCE(SUM(TABLE_ROWS), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", table).Scan(&rows)
	return max(n, rows), err
}
