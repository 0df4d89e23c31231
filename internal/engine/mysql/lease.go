package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// The runner's claim is a row with a fencing token. DDL cannot be fenced by it once it
// runs, so a step runs on a session that holds a named lock (GET_LOCK), taken before
// the token is checked there: whoever raises the token afterwards sees that lock, ends
// its session and waits until it is gone. The server frees the lock only when the
// session's statement has ended.

// A takeover with force lets a step in flight end by itself for forceGrace; then it ends
// the step's session. takeoverLimit bounds the wait until a session is gone.
const (
	forceGrace    = 300 * time.Millisecond
	takeoverLimit = 30 * time.Second
)

// stepLock is the named lock of the session that runs a step in a database.
func stepLock(database string) string { return shortName("phased step ", database, "") }

// leased runs fn in a transaction that holds the lease's row and has checked the token:
// a takeover comes before it or after it.
func (e *Engine) leased(ctx context.Context, token int64, fn func(c *sql.Conn) error) error {
	return e.transaction(ctx, pinned{}, func(c *sql.Conn) error {
		if err := checkToken(ctx, c, token); err != nil {
			return err
		}
		return fn(c)
	})
}

func checkToken(ctx context.Context, c querier, token int64) error {
	var now int64
	if err := c.QueryRowContext(ctx, "SELECT token FROM phased_lease WHERE id = 1 LOCK IN SHARE MODE").Scan(&now); err != nil {
		return err
	}
	if now != token {
		return engine.ErrLeaseLost
	}
	return nil
}

// Acquire tries once to take the runner's lease, then ends the session that a former
// holder left in a step. With force it takes the lease from a live holder.
func (e *Engine) Acquire(ctx context.Context, holder string, ttl time.Duration, force bool) (int64, string, bool, error) {
	var current string
	var free bool
	// Without a lock first: many may be asking.
	err := e.db.QueryRowContext(ctx, "SELECT holder, expires_at < UTC_TIMESTAMP(6) FROM phased_lease WHERE id = 1").Scan(&current, &free)
	if err != nil {
		return 0, "", false, fmt.Errorf("ask who holds the runner's lease: %w", err)
	}
	if !free && !force {
		return 0, current, false, nil
	}
	var token int64
	err = e.transaction(ctx, pinned{rowWait: time.Second}, func(c *sql.Conn) error {
		err := c.QueryRowContext(ctx, "SELECT token, holder, expires_at < UTC_TIMESTAMP(6) FROM phased_lease WHERE id = 1 FOR UPDATE").Scan(&token, &current, &free)
		if err != nil || !free && !force {
			return err
		}
		token++
		free = true
		_, err = c.ExecContext(ctx, "UPDATE phased_lease SET token = ?, holder = ?, expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE id = 1", token, holder, ttl.Microseconds())
		return err
	})
	switch {
	case e.LockTimeout(err):
		return 0, current, false, nil
	case err != nil:
		return 0, "", false, fmt.Errorf("take the runner's lease: %w", err)
	case !free:
		return 0, current, false, nil
	}
	if err := e.endStep(ctx, token, ttl, force); err != nil {
		back, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		return 0, "", false, errors.Join(err, e.Release(back, token))
	}
	return token, holder, true, nil
}

// endStep ends the session of a step that an earlier runner left at work, and waits
// until it is gone. Where this runner dies meanwhile, the next one looks again.
func (e *Engine) endStep(ctx context.Context, token int64, ttl time.Duration, force bool) error {
	for begin, renewed := time.Now(), time.Now(); ; {
		var database string
		var id sql.NullInt64
		if err := e.db.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&database); err != nil {
			return fmt.Errorf("look for the step of an earlier runner: %w", err)
		}
		if err := e.db.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", stepLock(database)).Scan(&id); err != nil {
			return fmt.Errorf("look for the step of an earlier runner: %w", err)
		}
		if !id.Valid {
			return nil
		}
		waited := time.Since(begin)
		if !force || waited > forceGrace {
			if _, err := e.db.ExecContext(ctx, fmt.Sprintf("KILL CONNECTION %d", id.Int64)); err != nil && number(err) != 1094 { // no such thread: it has ended
				return fmt.Errorf("end session %d, which an earlier runner left in a step: %w; by hand: KILL %[1]d, as its own account or with CONNECTION_ADMIN", id.Int64, err)
			}
		}
		if waited > takeoverLimit {
			return fmt.Errorf("session %d, which an earlier runner left in a step, does not end (it may be rolling back; see SHOW PROCESSLIST)", id.Int64)
		}
		if time.Since(renewed) > ttl/4 {
			renewed = time.Now()
			if err := e.Renew(ctx, token, ttl); err != nil {
				return err
			}
		}
		if err := poll(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the end of session %d: %w", id.Int64, err)
		}
	}
}

// Renew extends the lease; engine.ErrLeaseLost where it is another's.
func (e *Engine) Renew(ctx context.Context, token int64, ttl time.Duration) error {
	return e.onLease(ctx, "renew the runner's lease", "UPDATE phased_lease SET expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE id = 1 AND token = ?", ttl.Microseconds(), token)
}

// Release gives the lease back; another's is left alone.
func (e *Engine) Release(ctx context.Context, token int64) error {
	err := e.onLease(ctx, "give the runner's lease back", "UPDATE phased_lease SET expires_at = '2000-01-01', holder = '' WHERE id = 1 AND token = ?", token)
	if errors.Is(err, engine.ErrLeaseLost) {
		return nil
	}
	return err
}

func (e *Engine) onLease(ctx context.Context, what, statement string, args ...any) error {
	// Pinned: a session without autocommit would keep the row locked.
	return e.with(ctx, pinned{rowWait: 2 * time.Second}, func(c *sql.Conn) error {
		res, err := c.ExecContext(ctx, statement, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(engine.ErrLeaseLost, err)
		}
		return nil
	})
}
