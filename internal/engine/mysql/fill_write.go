package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// chunkRowWait is how long a chunk waits for a row before it gives way: the shortest
// that the servers know.
const chunkRowWait = time.Second

// Write brings the rows of a range in step. One transaction: the fence, the rows, the
// cursor; so rows and cursor cannot disagree. It takes a shared metadata lock on the
// table and locks the rows it changes, without gaps; it waits for a row's holder, it
// never passes one over that is out of step. A client that is stopped in between holds them until the server
// ends its session, which is after chunkIdle; a statement that goes on after timeout, or
// after ctx is done, is killed.
//
// f is brought up to date. A chunk whose answer was lost is refused when it is
// sent again (the cursor has moved): read the fill and go on from there.
func (e *Engine) Write(ctx context.Context, f *engine.Fill, token int64, r engine.Range, timeout time.Duration) (engine.ChunkResult, error) {
	k, err := e.walk(ctx, f)
	if err != nil {
		return engine.ChunkResult{}, err
	}
	var begin time.Time
	var now standing
	did := engine.ChunkResult{Seen: r.Rows}
	err = e.fenced(ctx, "chunk after "+engine.KeyText(r.From), cursorFence(f, token, r, timeout), func(c *sql.Conn, at standing) (err error) {
		now, begin = at, time.Now()
		if did.Filled, err = e.update(ctx, c, at, timeout, k, f.Spec.Link, k.pieces(r.From, r.To)...); err != nil {
			return err
		}
		_, err = c.ExecContext(ctx, fmt.Sprintf(`UPDATE phased_fill SET at_key = %s, seen = seen + %d, filled = filled + %d, chunks = chunks + 1,
			last_error = '', updated_at = UTC_TIMESTAMP(6) WHERE id = %s`, literal(fmt.Sprint(keyJSON(r.To))), r.Rows, did.Filled, literal(f.ID)))
		return err
	})
	if err != nil {
		return engine.ChunkResult{}, err
	}
	// What the fence saw was locked until the end: f is brought up to date without asking.
	did.Held = time.Since(begin)
	f.Cursor, f.LastError, f.Updated = r.To, "", time.Now()
	f.Seen, f.Filled, f.Chunks = now.seen+r.Rows, now.filled+did.Filled, now.chunks+1
	f.Elapsed = time.Duration(now.elapsed)*time.Microsecond + did.Held
	return did, nil
}

// update brings the rows in step that the conditions name, and counts them.
func (e *Engine) update(ctx context.Context, c *sql.Conn, at standing, timeout time.Duration, k *keyset, l plan.Link, where ...string) (filled int64, err error) {
	err = e.bounded(ctx, at.connection, timeout, func() error {
		for _, piece := range where {
			res, err := c.ExecContext(ctx, k.updateSQL(l, piece))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			filled += n
		}
		return nil
	})
	return filled, err
}

// updateSQL is the statement that brings rows in step. Columns that show when the row
// was last changed keep what they show.
func (k *keyset) updateSQL(l plan.Link, where string) string {
	set := []string{ident(rowAlias) + "." + ident(l.New) + " = " + fillValue(l, rowAlias)}
	for _, name := range k.stamps {
		if !strings.EqualFold(name, l.New) {
			x := ident(rowAlias) + "." + ident(name)
			set = append(set, x+" = "+x)
		}
	}
	return fmt.Sprintf("UPDATE /* phased */ %s SET %s WHERE %s AND %s", k.from(), strings.Join(set, ", "), where, outOfStep(l, rowAlias))
}

// bounded kills the session's statement where fn has not returned after timeout, or
// when ctx is done: neither server has a limit for every statement, and both go on with
// one whose client is gone. Then it returns an error, so that the session is not used any
// more and no late KILL can meet another statement.
func (e *Engine) bounded(ctx context.Context, connection int64, timeout time.Duration, fn func() error) error {
	limit, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	ended := make(chan struct{})
	unwatch := context.AfterFunc(limit, func() {
		defer close(ended)
		kill, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		if _, err := e.db.ExecContext(kill, fmt.Sprintf("KILL QUERY %d", connection)); err != nil && number(err) != errNoThread {
			e.log.Warn("statement not ended", "connection", connection, "error", err)
		}
	})
	err := fn()
	if unwatch() {
		return err
	}
	<-ended
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || number(err) == errQueryInterrupted {
		return &driver.MySQLError{Number: errTimeLimit, SQLState: [5]byte([]byte("HY000")), Message: fmt.Sprintf("it took longer than %s", timeout)}
	}
	return err
}

const (
	errNoThread  = 1094 // there is no such session any more
	errTimeLimit = 3024 // the statement's time limit
)

// caughtUp reads the counters into f and returns what was added to them.
func (e *Engine) caughtUp(ctx context.Context, f *engine.Fill) (engine.ChunkResult, error) {
	now, err := e.fill(ctx, f.ID)
	if err != nil {
		return engine.ChunkResult{}, err
	}
	did := engine.ChunkResult{Seen: now.Seen - f.Seen, Filled: now.Filled - f.Filled}
	now.Walk = f.Walk
	*f = *now
	return did, nil
}

// Skip records a row that cannot be written and moves the cursor over it.
func (e *Engine) Skip(ctx context.Context, f *engine.Fill, token int64, r engine.Range, cause string) error {
	err := e.fenced(ctx, "skip "+engine.KeyText(r.To), cursorFence(f, token, r, fillTimeout), func(c *sql.Conn, _ standing) error {
		key, text := keyJSON(r.To), brief(cause)
		_, err := c.ExecContext(ctx, `INSERT INTO phased_poison (fill, key_hash, row_key, error, seen_at) VALUES (?, UNHEX(SHA2(?, 256)), ?, ?, UTC_TIMESTAMP(6))
			ON DUPLICATE KEY UPDATE error = ?`, f.ID, key, key, text, text)
		if err == nil {
			_, err = c.ExecContext(ctx, "UPDATE phased_fill SET at_key = ?, seen = seen + ?, updated_at = UTC_TIMESTAMP(6) WHERE id = ?", key, r.Rows, f.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = e.caughtUp(ctx, f)
	return err
}

// Mend tries a poison row again, beside or after the walk. When it is in step, gone, or could be written
// now, its record goes; while it cannot be written the error is the row's.
func (e *Engine) Mend(ctx context.Context, f *engine.Fill, token int64, key []string, timeout time.Duration) error {
	k, err := e.walk(ctx, f)
	if err != nil {
		return err
	}
	if len(key) != len(k.cols) {
		return fmt.Errorf("backfill %s: mend %s: %w", f.ID, engine.KeyText(key), errors.New("the key has another number of columns"))
	}
	fence := fence{id: f.ID, token: token, lock: share, states: []engine.FillState{engine.FillRunning, engine.FillWalked}, pins: chunkPins(timeout)}
	return e.fenced(ctx, "mend "+engine.KeyText(key), fence, func(c *sql.Conn, at standing) error {
		filled, err := e.update(ctx, c, at, timeout, k, f.Spec.Link, k.equal(key))
		if err == nil {
			_, err = c.ExecContext(ctx, "UPDATE phased_fill SET filled = filled + ?, updated_at = UTC_TIMESTAMP(6) WHERE id = ?", filled, f.ID)
		}
		if err == nil {
			_, err = c.ExecContext(ctx, "DELETE FROM phased_poison WHERE fill = ? AND row_key = ?", f.ID, keyJSON(key))
		}
		return err
	})
}
