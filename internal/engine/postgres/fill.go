package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// A fill's claim, cursor and end. What is written to a user's rows is in
// fill_write.go, the walk over them in fill_walk.go.

const fillsSQL = `SELECT f.id, f.migration, f.spec::text, f.state, m.state, m.paused,
  coalesce(pg_catalog.array_to_json(f.cursor)::text, ''), coalesce(pg_catalog.array_to_json(f.upper)::text, ''),
  f.seen, f.filled, f.chunks, f.estimate, (SELECT pg_catalog.count(*) FROM phased.poison p WHERE p.fill = f.id), f.pass,
  f.worker, f.lease_until > pg_catalog.clock_timestamp(), f.last_error, f.started_at, f.updated_at,
  coalesce(pg_catalog.date_part('epoch', f.updated_at - f.started_at), 0)::float8
FROM phased.fill f JOIN phased.migration m ON m.name = f.migration`

// Fills reads every fill, oldest migration first; engine.ErrNoState where there are no state tables.
func (e *Engine) Fills(ctx context.Context) ([]engine.Fill, error) {
	rows, err := e.db.QueryContext(ctx, fillsSQL+" ORDER BY m.created_at, m.name, f.id")
	if err != nil {
		return nil, fmt.Errorf("read backfills: %w", noState(err))
	}
	defer rows.Close()
	var out []engine.Fill
	for rows.Next() {
		f, err := scanFill(rows)
		if err != nil {
			return nil, fmt.Errorf("read backfills: %w", err)
		}
		out = append(out, *f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read backfills: %w", noState(err))
	}
	return out, nil
}

func (e *Engine) fill(ctx context.Context, id string) (*engine.Fill, error) {
	f, err := scanFill(e.db.QueryRowContext(ctx, fillsSQL+" WHERE f.id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read backfill %s: %w", id, engine.ErrLeaseLost) // forgotten with its migration
	}
	if err != nil {
		return nil, fmt.Errorf("read backfill %s: %w", id, noState(err))
	}
	return f, nil
}

func scanFill(row interface{ Scan(...any) error }) (*engine.Fill, error) {
	var (
		f                    engine.Fill
		spec, cursor, upper  string
		startedAt, updatedAt sql.NullTime
		elapsed              float64
	)
	err := row.Scan(&f.ID, &f.Migration, &spec, &f.State, &f.Life, &f.Paused, &cursor, &upper, &f.Seen, &f.Filled, &f.Chunks, &f.Estimate,
		&f.Poison, &f.Pass, &f.Worker, &f.Claimed, &f.LastError, &startedAt, &updatedAt, &elapsed)
	if err != nil {
		return nil, err
	}
	f.Started, f.Updated = startedAt.Time, updatedAt.Time
	f.Elapsed = time.Duration(elapsed * float64(time.Second))
	if err := json.Unmarshal([]byte(spec), &f.Spec); err != nil {
		return nil, fmt.Errorf("spec of %s: %w", f.ID, err)
	}
	if f.Cursor, err = keyFromJSON(cursor); err == nil {
		f.Upper, err = keyFromJSON(upper)
	}
	return &f, err
}

// keyFromJSON reads a key as array_to_json wrote it; arrays travel as JSON because
// database/sql has no array that every driver reads.
func keyFromJSON(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var key []string
	err := json.Unmarshal([]byte(s), &key)
	return key, err
}

func noState(err error) error {
	if missing(err) {
		return engine.ErrNoState
	}
	return err
}

// Claim takes the lease on a fill, or extends it for the worker that has it. The
// row lock it needs is held by a chunk in flight, so a new claim returns only
// when nothing of the old one's can be written any more. 0 where the fill is
// another's, finished, cancelled, or its migration is paused or not in the right state.
func (e *Engine) Claim(ctx context.Context, id, worker string, ttl time.Duration) (int64, error) {
	var token int64
	err := e.db.QueryRowContext(ctx, `UPDATE phased.fill f SET
  token = CASE WHEN f.worker = $2::text THEN f.token ELSE f.token + 1 END, worker = $2::text,
  lease_until = pg_catalog.clock_timestamp() + $3::bigint * interval '1 millisecond'
FROM phased.migration m
WHERE f.id = $1::text AND m.name = f.migration AND NOT m.paused AND m.state IN ('expanded', 'backfilling')
  AND f.state IN ('pending', 'running', 'walked') AND (f.worker = $2::text OR f.lease_until < pg_catalog.clock_timestamp())
RETURNING f.token`, id, worker, ttl.Milliseconds()).Scan(&token)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("claim backfill %s: %w", id, noState(err))
	}
	return token, nil
}

// Unclaim gives the fill back; a token that is no longer valid gives back nothing.
func (e *Engine) Unclaim(ctx context.Context, id string, token int64) error {
	_, err := e.db.ExecContext(ctx, `UPDATE phased.fill SET worker = '', lease_until = '-infinity' WHERE id = $1::text AND token = $2::bigint`, id, token)
	if err != nil {
		return fmt.Errorf("give backfill %s back: %w", id, err)
	}
	return nil
}

// fenced changes the fill's row where the token is still valid. set and where are
// ours; args begin at $3.
func (e *Engine) fenced(ctx context.Context, what, id string, token int64, set, where string, args ...any) error {
	res, err := e.db.ExecContext(ctx, "UPDATE phased.fill SET "+set+" WHERE id = $1::text AND token = $2::bigint"+where, append([]any{id, token}, args...)...)
	if err != nil {
		return fmt.Errorf("backfill %s: %s: %w", id, what, err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = engine.ErrLeaseLost
	}
	if err != nil {
		return fmt.Errorf("backfill %s: %s: %w", id, what, err)
	}
	return nil
}

// Walked records the end of a pass: every row was visited.
func (e *Engine) Walked(ctx context.Context, id string, token int64) error {
	return e.fenced(ctx, "record the end of the walk", id, token, "state = 'walked', updated_at = pg_catalog.clock_timestamp()",
		" AND state IN ('pending', 'running', 'walked')")
}

// Repeat begins the next pass at the start, over the table as it is now. What is
// poison is found anew.
func (e *Engine) Repeat(ctx context.Context, id string, token int64) error {
	return e.fencedBlock(ctx, "begin the next pass", id, token, `f.state = 'walked'`, fmt.Sprintf(
		`  DELETE FROM phased.poison WHERE fill = %[1]s;
  UPDATE phased.fill SET state = 'running', pass = pass + 1, cursor = NULL, upper = NULL, started = false, seen = 0 WHERE id = %[1]s;
`, literal(id)))
}

// Verified records a verification's result. With 0 rows the fill is complete, and
// no row can be poison any more.
func (e *Engine) Verified(ctx context.Context, id string, token int64, outOfStep int64) error {
	set := `out_of_step = 0, verified_at = pg_catalog.clock_timestamp(), complete_at = pg_catalog.clock_timestamp(), state = 'complete',
    last_error = '', worker = '', lease_until = '-infinity'`
	gone := fmt.Sprintf("  DELETE FROM phased.poison WHERE fill = %s;\n", literal(id))
	if outOfStep != 0 {
		set, gone = fmt.Sprintf("out_of_step = %d, verified_at = pg_catalog.clock_timestamp()", outOfStep), ""
	}
	return e.fencedBlock(ctx, "record the verification", id, token, `f.state = 'walked'`,
		gone+fmt.Sprintf("  UPDATE phased.fill SET %s WHERE id = %s;\n", set, literal(id)))
}

// Note records why a fill does not go on; "" that it does.
func (e *Engine) Note(ctx context.Context, id string, token int64, reason string) error {
	return e.fenced(ctx, "record the state", id, token, "last_error = $3::text", "", reason)
}

// Poisoned lists rows that could not be brought in step, first ones first.
func (e *Engine) Poisoned(ctx context.Context, id string, limit int) ([]engine.PoisonRow, error) {
	rows, err := e.db.QueryContext(ctx, `SELECT fill, pg_catalog.array_to_json(key)::text, error FROM phased.poison
WHERE fill = $1::text ORDER BY seen_at, key LIMIT $2::bigint`, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read poison rows of %s: %w", id, noState(err))
	}
	defer rows.Close()
	var out []engine.PoisonRow
	for rows.Next() {
		var p engine.PoisonRow
		var key string
		if err := rows.Scan(&p.Fill, &key, &p.Error); err != nil {
			return nil, fmt.Errorf("read poison rows of %s: %w", id, err)
		}
		if p.Key, err = keyFromJSON(key); err != nil {
			return nil, fmt.Errorf("read poison rows of %s: %w", id, err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// The settings of our own transactions on a fill. A short lock_timeout, below
// the default deadlock_timeout (1 s), makes us the one who gives way. A stopped
// client never holds a row: the whole transaction is one message.
func settings(timeout time.Duration) string {
	lock := min(timeout, 500*time.Millisecond)
	return fmt.Sprintf(`SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL synchronous_commit = off;
`, ms(timeout), ms(lock))
}

// ms is for a setting: 0 would switch the timeout off.
func ms(d time.Duration) int64 { return max(1, d.Milliseconds()) }

// fenceSQL locks the fill's row and refuses whoever is not its holder. The
// migration's row is locked first, as a rollback locks them, and FOR SHARE: after
// a pause or a rollback has returned, nothing is written any more.
func fenceSQL(id string, token int64, where string) string {
	return fenceWith("SHARE", id, token, where)
}

func fenceWith(lock, id string, token int64, where string) string {
	return fmt.Sprintf(`  PERFORM FROM phased.migration m WHERE m.name = (SELECT f.migration FROM phased.fill f WHERE f.id = %[1]s)
    AND NOT m.paused AND m.state IN ('expanded', 'backfilling') FOR %[2]s;
  IF FOUND THEN
    PERFORM FROM phased.fill f WHERE f.id = %[1]s AND f.token = %[3]d AND %[4]s FOR UPDATE;
  END IF;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '%[5]s', MESSAGE = 'phased: backfill ' || %[1]s || ' is not this worker''s';
  END IF;
`, literal(id), lock, token, where, codeLease)
}

// block is one transaction in one round trip: settings, then the fence, then body.
func block(timeout time.Duration, declare, fence, body string) string {
	code := "\n#variable_conflict use_column\n" + declare + "BEGIN\n" + fence + body + "END\n"
	return settings(timeout) + "DO /* phased */ " + dollar(code)
}

const fillTimeout = 10 * time.Second // of statements on our own tables

func (e *Engine) fencedBlock(ctx context.Context, what, id string, token int64, where, body string) error {
	return e.runBlock(ctx, what, id, block(fillTimeout, "", fenceSQL(id, token, where), body))
}

func (e *Engine) runBlock(ctx context.Context, what, id, text string) error {
	_, err := e.db.ExecContext(ctx, text) // no arguments: one message, one transaction
	if code(err) == codeLease {
		err = engine.ErrLeaseLost
	}
	if err != nil {
		return fmt.Errorf("backfill %s: %s: %w", id, what, err)
	}
	return nil
}

// keyLiteral quotes a key as text[]; nil is NULL.
func keyLiteral(key []string) string {
	if key == nil {
		return "NULL::text[]"
	}
	return strings.TrimSpace(literals(key))
}
