package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/lockcheck"
)

// Done asks the catalog whether what the step does is already true.
func (e *Engine) Done(ctx context.Context, s plan.Step) (bool, error) {
	if s.Done == "" {
		return false, nil
	}
	var done *bool
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("ask whether it is already so: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was changed
	_, err = tx.ExecContext(ctx, "SET LOCAL search_path = ''; SET LOCAL statement_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '5s'")
	if err == nil {
		err = tx.QueryRowContext(ctx, s.Done).Scan(&done)
	}
	if err != nil {
		return false, fmt.Errorf("ask whether it is already so: %w", err)
	}
	return done != nil && *done, nil
}

// Run runs a step once. Where another try of this runner's, whose connection broke,
// has done it meanwhile, it is only recorded.
func (e *Engine) Run(ctx context.Context, r engine.StepRun) error {
	// What may wait for ever keeps on waiting: an index build would leave an invalid index.
	if r.LockTimeout > 0 && (r.Step.InTx || r.Step.LockTimeout > 0) {
		r.Step.LockTimeout = r.LockTimeout
	}
	run, inTx := e.runAlone, r.Step.InTx
	if !inTx {
		var err error
		if inTx, err = e.inTxAllTheSame(ctx, r.Step); err != nil {
			return err
		}
	}
	if inTx {
		run = e.runInTx
		if r.Step.LockTimeout <= 0 && r.Step.Lock != lockcheck.LockNone {
			return fmt.Errorf("step %q takes %s and has no lock timeout; set one", r.Step.Title, r.Step.Lock)
		}
	}
	err := run(ctx, r)
	if code(err) == codeAlready {
		return e.Record(ctx, r)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrLeaseLost) {
		// Only for people who ask for the status: its own error does not matter.
		text := []rune(strings.ToValidUTF8(err.Error(), "?"))
		_ = e.leased(ctx, r.Token, fmt.Sprintf("UPDATE phased.step SET attempts = attempts + 1, error = %s WHERE migration = %s AND n = %d",
			literal(string(text[:min(len(text), 2000)])), literal(r.Migration), r.N))
	}
	return err
}

// stepSettings begin the transaction of a step.
func stepSettings(s plan.Step) []string {
	out := []string{readCommitted, "SET LOCAL lock_timeout = " + literal(millis(s.LockTimeout)), "SET LOCAL statement_timeout = " + literal(millis(s.StatementTimeout)),
		"SET LOCAL idle_in_transaction_session_timeout = '5s'"}
	if !s.UserPath {
		out = append(out, "SET LOCAL search_path = ''")
	}
	return out
}

// runInTx sends the check of the token, the step and its record as one text: one
// transaction, one round trip, nothing held by a client that stops.
func (e *Engine) runInTx(ctx context.Context, r engine.StepRun) error {
	change, err := e.sync(ctx, r.Step)
	if err != nil {
		return err
	}
	text := append(stepSettings(r.Step), fence(r.Token), claimStep(r))
	text = append(text, change.records...)
	text = append(text, r.Prelude...)
	text = append(text, change.statements...)
	text = append(text, "SET LOCAL search_path = ''")
	text = append(text, recordSQL(r)...)
	_, err = e.db.ExecContext(ctx, joined(text...))
	return leaseError(err)
}

// claimStep locks the records that the step will change, before it locks a user's
// table, and asks once more whether it is already done: two tries of one step, the
// first of which lost its connection, come one after the other.
func claimStep(r engine.StepRun) string {
	var body strings.Builder
	if r.State != "" {
		body.WriteString(lockMigration(r.Migration))
	}
	fmt.Fprintf(&body, "  SELECT CASE WHEN done THEN 'done' END INTO \"phased was\" FROM phased.step WHERE migration = %s AND n = %d FOR NO KEY UPDATE;\n  IF NOT FOUND THEN %s; END IF;\n",
		literal(r.Migration), r.N, raise(codeGuard, literal(fmt.Sprintf("step %d of %s is not recorded in this database", r.N, r.Migration))))
	already := raise(codeAlready, literal("it is already so"))
	if r.Step.Done == "" {
		fmt.Fprintf(&body, "  IF \"phased was\" = 'done' THEN %s; END IF;\n", already)
	} else {
		fmt.Fprintf(&body, "  EXECUTE %s INTO \"phased true\";\n  IF \"phased true\" THEN %s; END IF;\n", literal(r.Step.Done), already)
	}
	return do(body.String())
}

// recordSQL records that a step is done, and the state that comes with it. What an
// earlier try has recorded, whose answer was lost, is not recorded again.
func recordSQL(r engine.StepRun) []string {
	var out []string
	if r.State != "" {
		out = append(out, do(lockMigration(r.Migration)))
	}
	out = append(out, fmt.Sprintf(`WITH newly AS (
  UPDATE phased.step SET done = true, done_at = clock_timestamp(), attempts = attempts + 1, error = '' WHERE migration = %[1]s AND n = %[2]d AND NOT done RETURNING migration)
INSERT INTO phased.event (migration, what, detail) SELECT migration, 'step', %[3]s FROM newly`, literal(r.Migration), r.N, literal(r.Step.Title)))
	if r.State != "" {
		out = append(out, markSQL(r.Migration, r.State, r.Reason)...)
	}
	return out
}

// Record marks a step as done that was found to be true already.
func (e *Engine) Record(ctx context.Context, r engine.StepRun) error {
	return privilege(e.leased(ctx, r.Token, append(append([]string{}, r.Prelude...), recordSQL(r)...)...), "record that a step is done")
}

// RunDirect runs a plan's direct statements and records all of it, in one transaction.
func (e *Engine) RunDirect(ctx context.Context, token int64, p *plan.Plan, s engine.State) error {
	insert, err := insertPlan(p, s, true)
	if err != nil {
		return err
	}
	text := append(stepSettings(plan.Step{LockTimeout: 5 * time.Second, UserPath: true}), fence(token), unrecorded(p, s))
	text = append(text, p.Direct...)
	text = append(append(text, "SET LOCAL search_path = ''"), insert...)
	_, err = e.db.ExecContext(ctx, joined(text...))
	if code(err) == codeAlready {
		return nil
	}
	return privilege(leaseError(err), "run "+p.Migration.Name+" on an empty database")
}

// poll waits a moment.
func poll(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
