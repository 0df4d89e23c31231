package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// A fill's claim, cursor and end. What is written to a user's rows is in
// fill_write.go, the walk over them in fill_walk.go.

// fillsSQL reads fills on a pinned session: keys and reasons may hold any character.
var fillsSQL = `SELECT f.id, f.migration, f.spec, f.state, m.state, m.paused, f.at_key, f.upper_key, f.seen, f.filled, f.chunks, f.estimate,
  (SELECT COUNT(*) FROM phased_poison p WHERE p.fill = f.id), f.pass, f.worker, f.lease_until > UTC_TIMESTAMP(6), f.last_error,
  ` + timeText("f.started_at") + `, ` + timeText("f.updated_at") + `, COALESCE(TIMESTAMPDIFF(MICROSECOND, f.started_at, f.updated_at), 0)
FROM phased_fill f JOIN phased_migration m ON m.name = f.migration`

// Fills reads every fill, oldest migration first; engine.ErrNoState where there are no state tables.
func (e *Engine) Fills(ctx context.Context) ([]engine.Fill, error) {
	fills, err := e.fills(ctx, " ORDER BY m.created_at, m.name, f.id")
	if err != nil {
		return nil, fmt.Errorf("read backfills: %w", err)
	}
	return fills, nil
}

func (e *Engine) fill(ctx context.Context, id string) (*engine.Fill, error) {
	fills, err := e.fills(ctx, " WHERE f.id = ?", id)
	if err == nil && len(fills) == 0 {
		err = engine.ErrLeaseLost // forgotten with its migration
	}
	if err != nil {
		return nil, fmt.Errorf("read backfill %s: %w", id, err)
	}
	return &fills[0], nil
}

func (e *Engine) fills(ctx context.Context, which string, args ...any) (out []engine.Fill, err error) {
	err = e.with(ctx, pinned{limit: fillTimeout}, func(c *sql.Conn) error {
		rows, err := c.QueryContext(ctx, fillsSQL+which, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			f, err := scanFill(rows)
			if err != nil {
				return err
			}
			out = append(out, *f)
		}
		return rows.Err()
	})
	return out, noState(err)
}

func scanFill(rows *sql.Rows) (*engine.Fill, error) {
	var (
		f                                     engine.Fill
		spec                                  string
		cursor, upper, startedText, updatedAt sql.NullString
		elapsed                               int64
	)
	err := rows.Scan(&f.ID, &f.Migration, &spec, &f.State, &f.Life, &f.Paused, &cursor, &upper, &f.Seen, &f.Filled, &f.Chunks, &f.Estimate,
		&f.Poison, &f.Pass, &f.Worker, &f.Claimed, &f.LastError, &startedText, &updatedAt, &elapsed)
	if err != nil {
		return nil, err
	}
	f.Elapsed = time.Duration(elapsed) * time.Microsecond
	if f.Started, err = readTime(startedText); err != nil {
		return nil, err
	}
	if f.Updated, err = readTime(updatedAt); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(spec), &f.Spec); err != nil {
		return nil, fmt.Errorf("spec of %s: %w", f.ID, err)
	}
	if f.Cursor, err = keyFromJSON(cursor); err == nil {
		f.Upper, err = keyFromJSON(upper)
	}
	return &f, err
}

// keyFromJSON reads a key as keyJSON wrote it.
func keyFromJSON(s sql.NullString) ([]string, error) {
	if !s.Valid {
		return nil, nil
	}
	var key []string
	err := json.Unmarshal([]byte(s.String), &key)
	return key, err
}

// keyJSON is a key as an argument of a statement; nil is NULL.
func keyJSON(key []string) any {
	if key == nil {
		return nil
	}
	text, err := json.Marshal(key)
	if err != nil {
		panic(err) // texts always marshal
	}
	return string(text)
}

func noState(err error) error {
	if missing(err) {
		return engine.ErrNoState
	}
	return err
}

// claimWait is how long a claim waits for a chunk in flight. It keeps nobody waiting but other claims.
const claimWait = 30 * time.Second

// Claim takes the lease on a fill, or extends it for the worker that has it. The
// row lock it needs is held by a chunk in flight, so a new claim returns only
// when nothing of the old one's can be written any more. 0 where the fill is
// another's, finished, cancelled, or its migration is paused or not in the right state.
func (e *Engine) Claim(ctx context.Context, id, worker string, ttl time.Duration) (token int64, err error) {
	err = e.transaction(ctx, pinned{rowWait: claimWait}, func(c *sql.Conn) error {
		var held string
		var state engine.FillState
		var now int64
		var expired bool
		// Here and below the migration's state is asked after the lock is had, in a statement that sees what was committed meanwhile.
		err := c.QueryRowContext(ctx, "SELECT token, worker, state, lease_until < UTC_TIMESTAMP(6) FROM phased_fill WHERE id = ? FOR UPDATE", id).Scan(&now, &held, &state, &expired)
		if err != nil {
			return err
		}
		var open bool
		err = c.QueryRowContext(ctx, "SELECT m.paused = 0 AND m.state IN ('expanded', 'backfilling') FROM phased_migration m JOIN phased_fill f ON f.migration = m.name WHERE f.id = ?", id).Scan(&open)
		if err != nil {
			return err
		}
		if !open || held != worker && !expired || state != engine.FillPending && state != engine.FillRunning && state != engine.FillWalked {
			return nil
		}
		if held != worker {
			now++
		}
		_, err = c.ExecContext(ctx, "UPDATE phased_fill SET token = ?, worker = ?, lease_until = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE id = ?", now, worker, ttl.Microseconds(), id)
		token = now
		return err
	})
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
	err := e.with(ctx, pinned{rowWait: claimWait}, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, "UPDATE phased_fill SET worker = '', lease_until = '2000-01-01' WHERE id = ? AND token = ?", id, token)
		return err
	})
	if err != nil {
		return fmt.Errorf("give backfill %s back: %w", id, err)
	}
	return nil
}

const (
	fillTimeout = 10 * time.Second // of statements on our own tables
	fillIdle    = 5 * time.Second  // after which a client that says nothing more is not waited for
)

// fence says who may change a fill.
type fence struct {
	id string
	// migration is the fill's, where the caller knows it: that saves a look.
	migration string
	token     int64
	states    []engine.FillState // in one of which it must be
	// lock is how the migration's row is locked, which must be there, not paused, and
	// expanded or backfilling; empty: it is not looked at.
	lock string
	// begins says that the fill must stand where from says.
	begins bool
	from   []string
	pins   pinned
}

const share = "LOCK IN SHARE MODE"

// standing is what the fence saw.
type standing struct {
	connection int64
	life       engine.State // of the migration, where it was locked
	started    bool

	seen, filled, chunks int64
	elapsed              int64 // microseconds since the fill was started
}

// cursorFence also refuses a range that does not begin where the fill stands.
func cursorFence(f *engine.Fill, token int64, r engine.Range, timeout time.Duration) fence {
	return fence{id: f.ID, migration: f.Migration, token: token, states: []engine.FillState{engine.FillPending, engine.FillRunning}, lock: share, begins: true, from: r.From, pins: chunkPins(timeout)}
}

// chunkPins are the settings of a transaction that locks rows of a user's table.
func chunkPins(timeout time.Duration) pinned {
	return pinned{rowWait: chunkRowWait, lockWait: chunkRowWait, idle: fillIdle, limit: timeout}
}

// fenced runs body in a transaction that has locked the fill's row, and refuses whoever
// is not its holder. The migration's row is locked first, as a rollback locks them, and
// shared: after a pause or a rollback has returned, nothing is written any more.
func (e *Engine) fenced(ctx context.Context, what string, f fence, body func(c *sql.Conn, at standing) error) error {
	if f.pins == (pinned{}) {
		f.pins = pinned{rowWait: fillTimeout, idle: fillIdle, limit: fillTimeout}
	}
	err := e.transaction(ctx, f.pins, func(c *sql.Conn) error {
		at, err := f.enter(ctx, c)
		if errors.Is(err, sql.ErrNoRows) {
			return engine.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		return body(c, at)
	})
	if err != nil {
		return fmt.Errorf("backfill %s: %s: %w", f.id, what, err)
	}
	return nil
}

func (f fence) enter(ctx context.Context, c *sql.Conn) (at standing, err error) {
	id := literal(f.id) // a session of ours: no round trips to prepare a statement that runs once
	if f.lock != "" {
		var paused bool
		name := literal(f.migration)
		if f.migration == "" {
			name = "(SELECT migration FROM phased_fill WHERE id = " + id + ")"
		}
		if err := c.QueryRowContext(ctx, "SELECT state, paused FROM phased_migration WHERE name = "+name+" "+f.lock).Scan(&at.life, &paused); err != nil {
			return at, err
		}
		if paused || at.life != engine.StateExpanded && at.life != engine.StateBackfilling {
			return at, engine.ErrLeaseLost
		}
	}
	var token int64
	var state engine.FillState
	var cursor sql.NullString
	if err := c.QueryRowContext(ctx, "SELECT CONNECTION_ID(), token, state, started, at_key, seen, filled, chunks, COALESCE(TIMESTAMPDIFF(MICROSECOND, started_at, UTC_TIMESTAMP(6)), 0) FROM phased_fill WHERE id = "+id+" FOR UPDATE").
		Scan(&at.connection, &token, &state, &at.started, &cursor, &at.seen, &at.filled, &at.chunks, &at.elapsed); err != nil {
		return at, err
	}
	stands, err := keyFromJSON(cursor)
	if err != nil {
		return at, err
	}
	if token != f.token || len(f.states) > 0 && !slices.Contains(f.states, state) || f.begins && !(slices.Equal(stands, f.from) && (stands == nil) == (f.from == nil)) {
		return at, engine.ErrLeaseLost
	}
	return at, nil
}

// set changes the fill's row.
func (f fence) set(ctx context.Context, c *sql.Conn, what string, args ...any) error {
	_, err := c.ExecContext(ctx, "UPDATE phased_fill SET "+what+" WHERE id = ?", append(args, f.id)...)
	return err
}

// Walked records the end of a pass: every row was visited.
func (e *Engine) Walked(ctx context.Context, id string, token int64) error {
	f := fence{id: id, token: token, states: []engine.FillState{engine.FillPending, engine.FillRunning, engine.FillWalked}}
	return e.fenced(ctx, "record the end of the walk", f, func(c *sql.Conn, _ standing) error {
		return f.set(ctx, c, "state = 'walked', updated_at = UTC_TIMESTAMP(6)")
	})
}

// Repeat begins the next pass at the start, over the table as it is now. What is
// poison is found anew.
func (e *Engine) Repeat(ctx context.Context, id string, token int64) error {
	f := fence{id: id, token: token, states: []engine.FillState{engine.FillWalked}, lock: share}
	return e.fenced(ctx, "begin the next pass", f, func(c *sql.Conn, _ standing) error {
		if err := f.healed(ctx, c); err != nil {
			return err
		}
		return f.set(ctx, c, "state = 'running', pass = pass + 1, at_key = NULL, upper_key = NULL, started = 0, seen = 0")
	})
}

// Verified records a verification's result. With 0 rows the fill is complete, and
// no row can be poison any more.
func (e *Engine) Verified(ctx context.Context, id string, token int64, outOfStep int64) error {
	f := fence{id: id, token: token, states: []engine.FillState{engine.FillWalked}, lock: share}
	return e.fenced(ctx, "record the verification", f, func(c *sql.Conn, _ standing) error {
		if outOfStep != 0 {
			return f.set(ctx, c, "out_of_step = ?, verified_at = UTC_TIMESTAMP(6)", outOfStep)
		}
		if err := f.healed(ctx, c); err != nil {
			return err
		}
		return f.set(ctx, c, `out_of_step = 0, verified_at = UTC_TIMESTAMP(6), complete_at = UTC_TIMESTAMP(6), state = 'complete',
			last_error = '', worker = '', lease_until = '2000-01-01'`)
	})
}

// healed removes the records of poison rows.
func (f fence) healed(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, "DELETE FROM phased_poison WHERE fill = ?", f.id)
	return err
}

// Note records why a fill does not go on; "" that it does.
func (e *Engine) Note(ctx context.Context, id string, token int64, reason string) error {
	f := fence{id: id, token: token}
	return e.fenced(ctx, "record the state", f, func(c *sql.Conn, _ standing) error {
		return f.set(ctx, c, "last_error = ?", brief(reason))
	})
}

// Poisoned lists rows that could not be brought in step, first ones first.
func (e *Engine) Poisoned(ctx context.Context, id string, limit int) (out []engine.PoisonRow, err error) {
	err = e.with(ctx, pinned{limit: fillTimeout}, func(c *sql.Conn) error {
		rows, err := c.QueryContext(ctx, "SELECT fill, row_key, error FROM phased_poison WHERE fill = ? ORDER BY seen_at, row_key LIMIT ?", id, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p engine.PoisonRow
			var key sql.NullString
			if err := rows.Scan(&p.Fill, &key, &p.Error); err != nil {
				return err
			}
			if p.Key, err = keyFromJSON(key); err != nil {
				return err
			}
			out = append(out, p)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read poison rows of %s: %w", id, noState(err))
	}
	return out, nil
}
