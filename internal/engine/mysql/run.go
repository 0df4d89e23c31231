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

// Done asks the catalog whether what the step does is already true.
func (e *Engine) Done(ctx context.Context, s plan.Step) (done bool, err error) {
	if s.Done == "" {
		return false, nil
	}
	err = e.with(ctx, pinned{}, func(c *sql.Conn) error {
		done, err = truth(ctx, c, s.Done)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ask whether it is already so: %w", err)
	}
	return done, nil
}

// truth asks a question; null is no.
func truth(ctx context.Context, q querier, question string) (bool, error) {
	var yes sql.NullBool
	err := q.QueryRowContext(ctx, question).Scan(&yes)
	return yes.Bool, err
}

// busyError says that another session is in a step. It goes away by itself: a session
// that was closed or ended gives its lock back a moment later.
type busyError struct{ id int64 }

func (e *busyError) Error() string { return fmt.Sprintf("session %d is in a step", e.id) }

// Run runs a step once, on a session that a takeover can find and end, and records it.
func (e *Engine) Run(ctx context.Context, r engine.StepRun) error {
	if r.LockTimeout > 0 && r.Step.LockTimeout > 0 {
		r.Step.LockTimeout = r.LockTimeout
	}
	err := e.runStep(ctx, r)
	if err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrLeaseLost) {
		// Only for people who ask for the status: its own error does not matter.
		text := []rune(strings.ToValidUTF8(err.Error(), "?"))
		_ = e.leased(ctx, r.Token, func(c *sql.Conn) error {
			if len(r.Prelude) > 0 {
				if err := unhide(ctx, c, r.Migration); err != nil {
					return err
				}
			}
			_, err := c.ExecContext(ctx, "UPDATE phased_step SET attempts = attempts + 1, error = ? WHERE migration = ? AND n = ?", string(text[:min(len(text), 2000)]), r.Migration, r.N)
			return err
		})
	}
	return err
}

func (e *Engine) runStep(ctx context.Context, r engine.StepRun) error {
	p := pinned{lockWait: r.Step.LockTimeout, rowWait: r.Step.LockTimeout, limit: r.Step.StatementTimeout, discard: true}
	return e.inStep(ctx, r.Token, p, func(c *sql.Conn) error {
		if r.Step.Done != "" {
			done, err := truth(ctx, c, r.Step.Done)
			if err != nil {
				return fmt.Errorf("ask whether it is already so: %w", err)
			}
			if done {
				return e.record(ctx, c, r)
			}
		}
		if err := e.ask(ctx, c, r.Prelude); err != nil {
			return err
		}
		if r.Step.Check != "" {
			ok, err := truth(ctx, c, r.Step.Check)
			if err != nil {
				return fmt.Errorf("look before the step: %w", err)
			}
			if !ok {
				return fmt.Errorf("the table is not as this step expects it, so nothing was done; what must be true: %s", r.Step.Check)
			}
		}
		if err := e.statements(ctx, c, r.Step); err != nil {
			return err
		}
		return e.record(ctx, c, r)
	})
}

// statements runs what a step consists of.
func (e *Engine) statements(ctx context.Context, c *sql.Conn, s plan.Step) error {
	for i := 0; i <= len(s.Statements); i++ {
		if s.Sync != nil && i == min(s.Sync.At, len(s.Statements)) {
			if err := e.sync(ctx, c, *s.Sync); err != nil {
				return err
			}
		}
		if i < len(s.Statements) {
			if err := ddl(ctx, c, s.Statements[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle is the pause before each DDL statement. A prepared statement of a client is
// prepared anew behind each change of its table, and MySQL gives up, with error 1615,
// where the table changes for the fourth time before the statement has run once. The
// triggers of a sync alone are four changes.
const settle = 20 * time.Millisecond

func ddl(ctx context.Context, c querier, statement string) error {
	if err := poll(ctx, settle); err != nil {
		return err
	}
	_, err := c.ExecContext(ctx, statement)
	return err
}

// inStep runs fn on the one session that may be in a step. The named lock comes
// first, the token is checked behind it: a runner that has lost the lease gets no
// further, and one that loses it from here on is found and ended by its lock.
func (e *Engine) inStep(ctx context.Context, token int64, p pinned, fn func(c *sql.Conn) error) error {
	var id int64
	err := e.with(ctx, p, func(c *sql.Conn) error {
		var database string
		if err := c.QueryRowContext(ctx, "SELECT DATABASE(), CONNECTION_ID()").Scan(&database, &id); err != nil {
			return err
		}
		var got sql.NullBool
		if err := c.QueryRowContext(ctx, "SELECT GET_LOCK(?, 1)", stepLock(database)).Scan(&got); err != nil {
			return fmt.Errorf("take the lock of a step: %w", err)
		}
		if !got.Bool {
			var other sql.NullInt64
			_ = c.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", stepLock(database)).Scan(&other) // only for the message
			return &busyError{other.Int64}
		}
		if err := begin(ctx, c, func() error {
			if err := checkToken(ctx, c, token); err != nil {
				return err
			}
			_, err := c.ExecContext(ctx, "UPDATE phased_lease SET connection_id = ? WHERE id = 1", id)
			return err
		}); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
		// The session is closed, but the server may notice only after the next step has begun.
		_, err := c.ExecContext(ctx, "DO RELEASE_LOCK(?)", stepLock(database))
		return err
	})
	if err != nil && ctx.Err() != nil && id != 0 {
		// The server does not notice that the client of an ALTER has gone: end it.
		back, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		_, _ = e.db.ExecContext(back, fmt.Sprintf("KILL CONNECTION %d", id)) // whoever runs next looks for it again
	}
	return err
}

// record says that a step is done, what is in flight since then, and the state that
// comes with it, in one transaction on the step's own session.
func (e *Engine) record(ctx context.Context, c *sql.Conn, r engine.StepRun) error {
	return begin(ctx, c, func() error {
		if err := checkToken(ctx, c, r.Token); err != nil {
			return err
		}
		return recordStep(ctx, c, r)
	})
}

func recordStep(ctx context.Context, c querier, r engine.StepRun) error {
	if r.Step.Sync != nil {
		if err := recordSync(ctx, c, *r.Step.Sync); err != nil {
			return err
		}
	}
	var done bool
	err := c.QueryRowContext(ctx, "SELECT done FROM phased_step WHERE migration = ? AND n = ?", r.Migration, r.N).Scan(&done)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("step %d of %s is not recorded in this database", r.N, r.Migration)
	}
	if err != nil {
		return err
	}
	// What an earlier try has recorded, whose answer was lost, is not recorded again.
	if !done {
		if _, err := c.ExecContext(ctx, "UPDATE phased_step SET done = 1, done_at = UTC_TIMESTAMP(6), attempts = attempts + 1, error = '' WHERE migration = ? AND n = ?", r.Migration, r.N); err != nil {
			return err
		}
		if err := event(ctx, c, r.Migration, "step", r.Step.Title); err != nil {
			return err
		}
	}
	if r.State != "" {
		return mark(ctx, c, r.Migration, r.State, r.Reason)
	}
	return nil
}

// Record marks a step as done that was found to be true already.
func (e *Engine) Record(ctx context.Context, r engine.StepRun) error {
	if len(r.Prelude) > 0 {
		if err := e.with(ctx, pinned{}, func(c *sql.Conn) error { return e.ask(ctx, c, r.Prelude) }); err != nil {
			return err
		}
	}
	err := e.leased(ctx, r.Token, func(c *sql.Conn) error { return recordStep(ctx, c, r) })
	if err != nil {
		return fmt.Errorf("record that a step is done: %w", err)
	}
	return nil
}
