package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// runAlone runs what cannot be in a transaction, or may take long, on one pinned
// connection. Its process id stands in the lease first: whoever takes over ends it.
func (e *Engine) runAlone(ctx context.Context, r engine.StepRun) (err error) {
	if len(r.Step.Statements) != 1 {
		return fmt.Errorf("step %q has %d statements; outside a transaction it can have one", r.Step.Title, len(r.Step.Statements))
	}
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open a connection for step %q: %w", r.Step.Title, err)
	}
	// Settings were changed and a statement may be left at work: the connection is
	// not for the pool any more.
	defer func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	b, err := e.pin(ctx, conn, r)
	if err != nil {
		return err
	}
	if r.Step.Index != "" {
		if err := e.clearIndex(ctx, conn, r); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, r.Step.Statements[0]); err != nil {
		return errors.Join(err, e.awaitEnd(ctx, b))
	}
	unpin := fmt.Sprintf("UPDATE phased.lease SET backend_pid = NULL, backend_start = NULL WHERE id = 1 AND token = %d", r.Token)
	return privilege(e.leased(ctx, r.Token, append([]string{unpin}, recordSQL(r)...)...), "record that a step is done")
}

// pin writes the connection into the lease, behind the check of the token, and sets
// its timeouts.
func (e *Engine) pin(ctx context.Context, conn *sql.Conn, r engine.StepRun) (backend, error) {
	var b backend
	text := append([]string{
		fence(r.Token),
		fmt.Sprintf("UPDATE phased.lease SET backend_pid = pg_backend_pid(), backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) WHERE id = 1 AND token = %d", r.Token),
		"SET lock_timeout = " + literal(millis(r.Step.LockTimeout)),
		"SET statement_timeout = " + literal(millis(r.Step.StatementTimeout)),
		"SET search_path = ''",
	}, r.Prelude...)
	if _, err := conn.ExecContext(ctx, strings.Join(text, ";\n")); err != nil {
		return b, leaseError(err)
	}
	err := conn.QueryRowContext(ctx, "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()").Scan(&b.pid, &b.start)
	return b, err
}

// clearIndex removes an invalid leftover of an earlier build. A build whose client
// died goes on in the server: it is waited for first, because it may well succeed.
func (e *Engine) clearIndex(ctx context.Context, conn *sql.Conn, r engine.StepRun) error {
	for {
		var building int
		var exists, valid bool
		err := e.db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL, coalesce((SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass($1)), false),
			(SELECT count(*) FROM pg_stat_progress_create_index p WHERE p.index_relid = to_regclass($1) AND p.datname = current_database())`, r.Step.Index).Scan(&exists, &valid, &building)
		switch {
		case err != nil:
			return fmt.Errorf("look for index %s: %w", r.Step.Index, err)
		case !exists:
			return nil
		case valid:
			return errAlready
		case building == 0:
			e.log.Info("dropping an invalid index that an interrupted build left", "index", r.Step.Index)
			if _, err := conn.ExecContext(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+r.Step.Index); err != nil {
				return fmt.Errorf("drop the invalid index %s: %w", r.Step.Index, err)
			}
			return nil
		}
		if err := poll(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// errAlready: a build that was left in the server has finished; asking the catalog again says so.
var errAlready = &alreadyError{}

type alreadyError struct{}

func (*alreadyError) Error() string    { return "the index has been built meanwhile" }
func (*alreadyError) SQLState() string { return "40001" } // ask again, nothing was changed

// awaitEnd waits, for a moment, until a session no longer runs what it was told:
// a cancelled statement still holds its locks until it has ended.
func (e *Engine) awaitEnd(ctx context.Context, b backend) error {
	wait, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	for {
		var active bool
		err := e.db.QueryRowContext(wait, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz AND state = 'active')`, b.pid, b.start).Scan(&active)
		if err != nil || !active {
			return nil // gone, or nothing more can be found out now
		}
		if poll(wait, 20*time.Millisecond) != nil {
			return fmt.Errorf("session %d still runs it", b.pid)
		}
	}
}
