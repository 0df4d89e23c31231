package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// Acquire tries once to take the runner's lease. A step in flight holds FOR KEY
// SHARE on the row, so a takeover waits for it: half a second, then it is asked
// again. With force the session that is in the way is ended.
func (e *Engine) Acquire(ctx context.Context, holder string, ttl time.Duration, force bool) (int64, string, bool, error) {
	token, previous, err := e.take(ctx, holder, ttl, force)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, e.holder(ctx), false, nil
	case e.LockTimeout(err):
		if force {
			if err := e.endHolders(ctx); err != nil {
				return 0, "", false, err
			}
		}
		return 0, e.holder(ctx) + " (in a step)", false, nil
	case err != nil:
		return 0, "", false, privilege(err, "take the runner's lease")
	}
	if err := e.endBackend(ctx, previous); err != nil {
		return 0, "", false, errors.Join(err, e.Release(ctx, token))
	}
	return token, holder, true, nil
}

// backend is a session, told from a later one with the same process id by its start.
type backend struct {
	pid   int
	start string
}

// take changes the row's key. The time is the database's, always.
func (e *Engine) take(ctx context.Context, holder string, ttl time.Duration, force bool) (token int64, previous backend, err error) {
	tx, err := e.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, previous, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '500ms'; SET LOCAL idle_in_transaction_session_timeout = '5s'"); err != nil {
		return 0, previous, err
	}
	err = tx.QueryRowContext(ctx, `UPDATE phased.lease l SET token = l.token + 1, holder = $1, expires_at = clock_timestamp() + $2::text::interval, backend_pid = NULL, backend_start = NULL
		FROM (SELECT backend_pid, backend_start::text AS backend_start FROM phased.lease WHERE id = 1) o
		WHERE l.id = 1 AND (l.expires_at < clock_timestamp() OR $3)
		RETURNING l.token, coalesce(o.backend_pid, 0), coalesce(o.backend_start, '')`, holder, millis(ttl), force).Scan(&token, &previous.pid, &previous.start)
	if err != nil {
		return 0, previous, err
	}
	return token, previous, tx.Commit()
}

func (e *Engine) holder(ctx context.Context) string {
	var h string
	if err := e.db.QueryRowContext(ctx, `SELECT holder FROM phased.lease WHERE id = 1`).Scan(&h); err != nil {
		return "another runner"
	}
	return h
}

// endHolders ends the sessions that hold the lease's row in a step.
func (e *Engine) endHolders(ctx context.Context) error {
	_, err := e.db.ExecContext(ctx, `SELECT pg_terminate_backend(l.pid) FROM pg_locks l
		WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.relation = 'phased.lease'::regclass AND l.mode = 'RowShareLock' AND l.granted AND l.pid <> pg_backend_pid()`)
	return privilege(err, "end the runner that is in a step")
}

// endBackend ends what a previous holder left at work outside a transaction (an
// index build goes on in the server when its client died), and waits until it is gone.
func (e *Engine) endBackend(ctx context.Context, b backend) error {
	if b.pid == 0 {
		return nil
	}
	for begin := time.Now(); ; {
		var query string
		err := e.db.QueryRowContext(ctx, `SELECT left(query, 80) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz AND pg_terminate_backend(pid)`, b.pid, b.start).Scan(&query)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("end the previous runner's session %d: %w; as a superuser: SELECT pg_terminate_backend(%d)", b.pid, err, b.pid)
		case time.Since(begin) > 30*time.Second:
			return fmt.Errorf("the previous runner's session %d does not end (%s); as a superuser: SELECT pg_terminate_backend(%d)", b.pid, query, b.pid)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Renew changes no key, so a step in flight does not hold it up.
func (e *Engine) Renew(ctx context.Context, token int64, ttl time.Duration) error {
	res, err := e.db.ExecContext(ctx, `UPDATE phased.lease SET expires_at = clock_timestamp() + $2::text::interval WHERE id = 1 AND token = $1`, token, millis(ttl))
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

// Holders lists who holds a lock on a relation.
func (e *Engine) Holders(ctx context.Context, relation string) ([]engine.Holder, error) {
	if relation == "" {
		return nil, nil
	}
	rows, err := e.db.QueryContext(ctx, `SELECT coalesce(l.pid, 0), coalesce(a.application_name, ''), coalesce(a.usename::text, px.owner::text, ''), string_agg(DISTINCT l.mode, ', '),
		coalesce(a.state, ''), coalesce((extract(epoch FROM clock_timestamp() - a.xact_start) * 1000000)::int8, 0), coalesce(left(a.query, 120), ''),
		coalesce(a.backend_type = 'autovacuum worker', false), coalesce(px.gid, '')
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN pg_prepared_xacts px ON l.virtualtransaction = '-1/' || px.transaction::text
		WHERE l.relation = to_regclass($1) AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
		GROUP BY l.pid, a.application_name, a.usename, px.owner, a.state, a.xact_start, a.query, a.backend_type, px.gid ORDER BY a.xact_start LIMIT 10`, relation)
	if err != nil {
		return nil, fmt.Errorf("ask who holds a lock on %s: %w", relation, err)
	}
	defer rows.Close()
	var out []engine.Holder
	for rows.Next() {
		var h engine.Holder
		var age int64
		if err := rows.Scan(&h.PID, &h.Application, &h.Role, &h.Mode, &h.State, &age, &h.Query, &h.Autovacuum, &h.Prepared); err != nil {
			return nil, fmt.Errorf("ask who holds a lock on %s: %w", relation, err)
		}
		h.Age, h.Query = time.Duration(age)*time.Microsecond, strings.Join(strings.Fields(h.Query), " ")
		out = append(out, h)
	}
	return out, rows.Err()
}
