package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// alone is a step on a connection of its own: what cannot be in a transaction, or may
// take long. Its process id stands in the lease first, so whoever takes over ends it.
type alone struct {
	e    *Engine
	r    engine.StepRun
	conn *sql.Conn
	self backend
}

func (e *Engine) runAlone(ctx context.Context, r engine.StepRun) error {
	if len(r.Step.Statements) != 1 {
		return fmt.Errorf("step %q has %d statements; outside a transaction it can have one", r.Step.Title, len(r.Step.Statements))
	}
	conn, err := e.alonePool().Conn(ctx)
	if err != nil {
		return fmt.Errorf("open a connection for step %q: %w", r.Step.Title, err)
	}
	a := &alone{e: e, r: r, conn: conn}
	defer a.discard()
	err = conn.QueryRowContext(ctx, "SELECT pid, "+backendStart("a")+" FROM pg_stat_activity a WHERE pid = pg_backend_pid()").Scan(&a.self.pid, &a.self.start)
	if err != nil {
		return fmt.Errorf("ask for the session of step %q: %w", r.Step.Title, err)
	}
	if r.Step.Index != "" {
		err = a.build(ctx)
	} else if err = a.endEarlier(ctx); err == nil {
		err = a.exec(ctx, r.Step.Statements[0])
	}
	if err != nil {
		return err
	}
	// On the same connection: a pool of one has no other.
	unpin := "UPDATE phased.lease SET backend_pid = NULL, backend_start = NULL WHERE id = 1"
	return privilege(e.leasedOn(ctx, conn, r.Token, append([]string{unpin}, recordSQL(r)...)...), "record that a step is done")
}

// discard closes the connection: its settings were changed and a statement may be left
// at work, so it is not for the pool any more.
func (a *alone) discard() {
	_ = a.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = a.conn.Close()
}

// exec runs one statement by itself, after the session was written into the lease.
// When it returns with an error the statement has ended in the server too, except
// for an index build whose connection broke: that may well succeed.
func (a *alone) exec(ctx context.Context, statement string) error {
	if err := a.pin(ctx); err != nil {
		return err
	}
	_, err := a.conn.ExecContext(ctx, statement)
	if err == nil || ctx.Err() == nil && (code(err) != "" || a.r.Step.Index != "") {
		return err
	}
	a.discard()
	wait, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	return errors.Join(err, a.e.endBackend(wait, a.e.db, a.self))
}

// pin writes the session into the lease, behind the check of the token, and gives it
// its settings. Behind a pooler that hands out sessions by the transaction they would
// be somebody else's by the next statement: CanRun has looked for one, this looks again.
func (a *alone) pin(ctx context.Context) error {
	session := do(fmt.Sprintf("  IF pg_backend_pid() <> %d THEN %s; END IF;\n", a.self.pid,
		raise(codeGuard, literal("the connection changed its session between two statements; index builds and validations need a session of their own: set Config.Direct (the command: -direct DSN) to a pool that leads to the server itself, past any pooler"))))
	text := []string{ownSettings, fence(a.r.Token), session,
		"UPDATE phased.lease SET backend_pid = pg_backend_pid(), backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) WHERE id = 1"}
	text = append(text, a.r.Prelude...)
	text = append(text, "SET lock_timeout = "+literal(millis(a.r.Step.LockTimeout)), "SET statement_timeout = "+literal(millis(a.r.Step.StatementTimeout)))
	if !a.r.Step.UserPath {
		text = append(text, "SET search_path = ''")
	}
	_, err := a.conn.ExecContext(ctx, joined(text...))
	return leaseError(err)
}

// endEarlier ends the session of an earlier try of this runner's whose connection
// broke, before its place in the lease is taken.
func (a *alone) endEarlier(ctx context.Context) error {
	var b backend
	err := a.conn.QueryRowContext(ctx, "SELECT backend_pid, "+backendStart("l")+" FROM phased.lease l WHERE id = 1 AND token = $1 AND backend_pid IS NOT NULL", a.r.Token).Scan(&b.pid, &b.start)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return privilege(err, "look for an earlier session of the runner's")
	}
	return a.e.endBackend(ctx, a.conn, b)
}

// An index as it stands before it is built.
type indexState struct {
	exists, valid bool
	busy          int // sessions that may be building it
}

// Whoever builds or drops an index concurrently holds ShareUpdateExclusive on its table
// all the while; so does VACUUM by hand, which DROP INDEX would wait for too, and
// autovacuum (it has no role), which gives way to it. An earlier session of this
// runner's may still be waiting for that lock.
var indexSQL = `SELECT r.oid IS NOT NULL, coalesce(x.indisvalid AND x.indisready, false),
  (SELECT count(*) FROM pg_locks k JOIN pg_stat_activity a ON a.pid = k.pid
    WHERE k.locktype = 'relation' AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND k.relation = x.indrelid
      AND k.granted AND k.mode = 'ShareUpdateExclusiveLock' AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid())
  + (SELECT count(*) FROM phased.lease l JOIN pg_stat_activity a ON a.pid = l.backend_pid AND ` + backendStart("a") + ` = ` + backendStart("l") + `
    WHERE a.pid <> pg_backend_pid() AND a.state = 'active')
FROM (SELECT to_regclass($1)::oid AS oid) r LEFT JOIN pg_index x ON x.indexrelid = r.oid`

// build builds the step's index. A build whose client died goes on in the server: it
// is waited for, and may have done the work. An invalid leftover is dropped first.
func (a *alone) build(ctx context.Context) error {
	for drops := 0; ; {
		var s indexState
		if err := a.conn.QueryRowContext(ctx, indexSQL, a.r.Step.Index).Scan(&s.exists, &s.valid, &s.busy); err != nil {
			return fmt.Errorf("look for index %s: %w", a.r.Step.Index, err)
		}
		switch {
		case s.valid:
			return nil
		case s.busy > 0:
			if err := poll(ctx, 100*time.Millisecond); err != nil {
				return fmt.Errorf("wait for a build of index %s that is still at work: %w", a.r.Step.Index, err)
			}
		case s.exists && drops == 3:
			return fmt.Errorf("build index %s: it is there and invalid again after %d tries", a.r.Step.Index, drops)
		case s.exists:
			drops++
			a.e.log.Info("dropping an invalid index that an interrupted build left", "index", a.r.Step.Index)
			if err := a.drop(ctx); err != nil {
				return err
			}
		default:
			err := a.exec(ctx, a.r.Step.Statements[0])
			if code(err) == "42P07" && drops < 3 { // somebody's build began after we looked
				drops++
				continue
			}
			a.clean(ctx, err)
			return err
		}
	}
}

func (a *alone) drop(ctx context.Context) error {
	if err := a.exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+a.r.Step.Index); err != nil {
		return fmt.Errorf("drop the invalid index %s: %w", a.r.Step.Index, err)
	}
	return nil
}

// clean drops what a build left that failed for good (a duplicate in a UNIQUE index):
// the invalid index would go on refusing duplicates of old code, and costs every write.
// When it does not go through, the next run does it.
func (a *alone) clean(ctx context.Context, err error) {
	if ctx.Err() != nil || code(err) == "" || code(err) == "42P07" || a.e.Retryable(err) || a.e.Disconnected(err) || errors.Is(err, engine.ErrLeaseLost) {
		return
	}
	try, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if err := a.drop(try); err != nil {
		a.e.log.Warn("an invalid index is left until the next run", "index", a.r.Step.Index, "error", err)
	}
}
