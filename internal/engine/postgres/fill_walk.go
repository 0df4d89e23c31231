package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// keyPins are the formats that keys are read in. Text written under them is read
// back as the same value under any setting: dates as ISO, intervals as ISO 8601
// because the other styles depend on IntervalStyle when they are read, time with
// its offset. So they are pinned for reading keys only, and a chunk computes its
// values under the connection's own settings, as any other UPDATE through it does.
const keyPins = `SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL TimeZone = 'UTC';
SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'; SET LOCAL search_path = '';
`

// read runs a query in a transaction of its own with our settings.
// row_security = off: policies that would hide rows from us are an error instead.
func (e *Engine) read(ctx context.Context, pins string, timeout time.Duration, fn func(tx *sql.Tx) error) error {
	tx, err := e.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it wrote nothing
	text := fmt.Sprintf("SET LOCAL row_security = off; SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = '2s'; "+
		"SET LOCAL idle_in_transaction_session_timeout = '5s';\n", timeout.Milliseconds())
	if _, err := tx.ExecContext(ctx, text+pins); err != nil {
		return err
	}
	return fn(tx)
}

const readTimeout = 30 * time.Second

// Start fixes where the walk ends and how large the table is, once. Rows behind
// upper were inserted after expand, and the sync has put them in step. In the
// same transaction the migration's state becomes backfilling.
func (e *Engine) Start(ctx context.Context, id string, token int64) (*engine.Fill, error) {
	f, err := e.fill(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.State == engine.FillWalked || f.State == engine.FillComplete {
		return f, nil
	}
	k, err := e.keyset(ctx, f.Spec)
	if err != nil {
		return nil, fmt.Errorf("start backfill %s: %w", id, err)
	}
	var upper []string
	var estimate int64
	err = e.read(ctx, keyPins, readTimeout, func(tx *sql.Tx) error {
		if upper, err = k.scan(tx.QueryRowContext(ctx, k.lastSQL())); err != nil {
			return err
		}
		estimate, err = k.estimate(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("start backfill %s: %w", id, err)
	}
	err = e.runBlock(ctx, "start", id, block(fillTimeout, "",
		// Two fills of one migration may start at once, and both go on to change its row.
		fenceWith("NO KEY UPDATE", id, token, "f.state IN ('pending', 'running')"),
		fmt.Sprintf(`  UPDATE phased.fill SET started = true, state = 'running', upper = %s, estimate = %d,
    started_at = pg_catalog.clock_timestamp(), updated_at = pg_catalog.clock_timestamp() WHERE id = %s AND NOT started;
  UPDATE phased.migration SET state = 'backfilling', state_at = pg_catalog.clock_timestamp() WHERE name = %s AND state = 'expanded';
  IF FOUND THEN
    INSERT INTO phased.event (migration, what) VALUES (%[4]s, 'backfilling');
  END IF;
`, keyLiteral(upper), estimate, literal(id), literal(f.Migration))))
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
	k, err := e.keyset(ctx, f.Spec)
	if err != nil {
		return nil, err
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
		return nil, fmt.Errorf("backfill %s: %w", f.ID, err)
	}
	r := &engine.Range{From: from}
	err = e.read(ctx, keyPins, readTimeout, func(tx *sql.Tx) error {
		for _, piece := range k.pieces(from, f.Upper) {
			var n int64
			to, err := k.scan(tx.QueryRowContext(ctx, k.nextSQL(piece, from, f.Upper, int64(limit)-r.Rows)), &n)
			if err != nil {
				return err
			}
			if to != nil {
				r.To, r.Rows = to, r.Rows+n
			}
			if r.Rows >= int64(limit) {
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

// OutOfStep counts the rows that are out of step, in one snapshot. It takes
// AccessShare, for as long as it takes to read the table.
func (e *Engine) OutOfStep(ctx context.Context, l plan.Link) (int64, error) {
	var n int64
	err := e.read(ctx, "", 0, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, fmt.Sprintf("SELECT /* phased */ pg_catalog.count(*) FROM %s AS %s WHERE %s",
			qualified(l.Schema, l.Table), ident(rowAlias), outOfStep(l, rowAlias))).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count rows of %s out of step: %w", l.ID, err)
	}
	return n, nil
}

// scan reads one key, and extra behind it; nil where there is no row.
func (k *keyset) scan(row *sql.Row, extra ...any) ([]string, error) {
	key := make([]string, len(k.cols))
	var into []any
	for i := range key {
		into = append(into, &key[i])
	}
	err := row.Scan(append(into, extra...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return key, nil
}
