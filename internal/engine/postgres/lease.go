package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// A takeover with force lets a step in flight end by itself for forceGrace; then it
// ends the step's session. takeoverLimit bounds the wait until a session is gone.
const (
	forceGrace    = 300 * time.Millisecond
	takeoverLimit = 30 * time.Second
)

// Acquire tries once to take the runner's lease. A step in flight holds FOR KEY SHARE
// on the row, so nobody takes the lease before it has ended. Nothing waits for that
// in the lock queue, where it would stop the holder's next step. With force the
// session that is in the way is ended.
func (e *Engine) Acquire(ctx context.Context, holder string, ttl time.Duration, force bool) (int64, string, bool, error) {
	for begin := time.Now(); ; {
		token, previous, err := e.take(ctx, holder, ttl, force)
		if err == nil {
			if previous != nil {
				if err := e.takeOver(ctx, token, *previous, ttl); err != nil {
					back, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
					defer stop()
					return 0, "", false, errors.Join(err, e.Release(back, token))
				}
			}
			return token, holder, true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return 0, "", false, privilege(err, "take the runner's lease")
		}
		waited := time.Since(begin)
		switch {
		case !force:
			current, err := e.holder(ctx)
			return 0, current, false, privilege(err, "ask who holds the runner's lease")
		case waited > takeoverLimit:
			return 0, "", false, fmt.Errorf("take the runner's lease: a transaction on phased.lease does not end; see SELECT * FROM pg_locks WHERE relation = 'phased.lease'::regclass")
		case waited > forceGrace:
			if err := e.endHolders(ctx); err != nil {
				return 0, "", false, err
			}
		}
		if err := poll(ctx, 20*time.Millisecond); err != nil {
			return 0, "", false, err
		}
	}
}

// take changes the row's key where the row is free. The CTE gives the row as it is
// once it is locked, so a session that its holder has just written there is not
// overlooked. The time is the database's, always.
func (e *Engine) take(ctx context.Context, holder string, ttl time.Duration, force bool) (token int64, previous *backend, err error) {
	var pid sql.NullInt64
	var start sql.NullString
	err = e.db.QueryRowContext(ctx, `WITH free AS (SELECT id FROM phased.lease WHERE id = 1 AND (expires_at < clock_timestamp() OR $3) FOR UPDATE SKIP LOCKED)
		UPDATE phased.lease l SET token = l.token + 1, holder = $1, expires_at = clock_timestamp() + $2::text::interval
		FROM free WHERE l.id = free.id RETURNING l.token, l.backend_pid, `+backendStart("l"), holder, interval(ttl), force).Scan(&token, &pid, &start)
	if err == nil && pid.Valid {
		previous = &backend{int(pid.Int64), start.String}
	}
	return token, previous, err
}

// holder says who has the lease, and whether only a step in flight keeps it from others.
func (e *Engine) holder(ctx context.Context) (string, error) {
	var h string
	var expired bool
	if err := e.db.QueryRowContext(ctx, `SELECT holder, expires_at < clock_timestamp() FROM phased.lease WHERE id = 1`).Scan(&h, &expired); err != nil {
		return "", err
	}
	if expired {
		h += " (in a step)"
	}
	return h, nil
}

// takeOver ends what the previous holder left at work outside a transaction. Its
// session stays written in the lease until it is gone: should this runner die now,
// the next one looks for it again.
func (e *Engine) takeOver(ctx context.Context, token int64, previous backend, ttl time.Duration) error {
	if err := e.endBackend(ctx, e.db, previous); err != nil {
		return err
	}
	res, err := e.db.ExecContext(ctx, `UPDATE phased.lease SET backend_pid = NULL, backend_start = NULL, expires_at = clock_timestamp() + $2::text::interval WHERE id = 1 AND token = $1`, token, interval(ttl))
	if err != nil {
		return privilege(err, "take the runner's lease")
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(engine.ErrLeaseLost, err)
	}
	return nil
}

// endHolders ends the sessions whose transaction holds the lease's row: only phased
// locks that table. Readers of the table are left alone.
func (e *Engine) endHolders(ctx context.Context) error {
	var role string
	var pids []byte
	err := e.db.QueryRowContext(ctx, `SELECT current_user, coalesce(json_agg(l.pid), '[]'::json)::text FROM (SELECT DISTINCT pid FROM pg_locks
		WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation = 'phased.lease'::regclass
		  AND granted AND mode <> 'AccessShareLock' AND pid <> pg_backend_pid()) l`).Scan(&role, &pids)
	if err != nil {
		return privilege(err, "look for the runner that is in a step")
	}
	if _, err := e.db.ExecContext(ctx, `SELECT pg_terminate_backend(p::text::int) FROM json_array_elements($1::text::json) p`, string(pids)); err != nil {
		return fmt.Errorf("end the runner that is in a step: %w; %s", err, mayNotEnd(role, fmt.Sprintf("any of %s", pids)))
	}
	return nil
}

func mayNotEnd(role, pid string) string {
	return fmt.Sprintf("end process %s by hand as its own role or as a superuser (SELECT pg_terminate_backend(…)), or GRANT pg_signal_backend TO %s", pid, ident(role))
}

// Renew changes no key, so a step in flight does not hold it up.
func (e *Engine) Renew(ctx context.Context, token int64, ttl time.Duration) error {
	res, err := e.db.ExecContext(ctx, `UPDATE phased.lease SET expires_at = clock_timestamp() + $2::text::interval WHERE id = 1 AND token = $1`, token, interval(ttl))
	if err != nil {
		return privilege(err, "renew the runner's lease")
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(engine.ErrLeaseLost, err)
	}
	return nil
}

// Release gives the lease back; another's is left alone.
func (e *Engine) Release(ctx context.Context, token int64) error {
	_, err := e.db.ExecContext(ctx, `UPDATE phased.lease SET expires_at = '-infinity', holder = '' WHERE id = 1 AND token = $1`, token)
	return privilege(err, "give the runner's lease back")
}
