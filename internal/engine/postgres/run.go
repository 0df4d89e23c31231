package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Done asks the catalog whether what the step does is already true.
func (e *Engine) Done(ctx context.Context, s plan.Step) (bool, error) {
	if s.Done == "" {
		return false, nil
	}
	var done bool
	if err := e.db.QueryRowContext(ctx, s.Done).Scan(&done); err != nil {
		return false, fmt.Errorf("ask whether it is already so: %w", err)
	}
	return done, nil
}

// Run runs a step once.
func (e *Engine) Run(ctx context.Context, r engine.StepRun) error {
	var err error
	if r.Step.InTx {
		err = e.runInTx(ctx, r)
	} else {
		err = e.runAlone(ctx, r)
	}
	if err != nil && ctx.Err() == nil {
		// Only for people who ask for the status: its own error does not matter.
		_ = e.leased(ctx, r.Token, fmt.Sprintf("UPDATE phased.step SET attempts = attempts + 1, error = %s WHERE migration = %s AND n = %d", literal(err.Error()), literal(r.Migration), r.N))
	}
	return err
}

// runInTx sends the check of the token, the step and its record as one text: one
// transaction, one round trip, nothing held by a client that stops.
func (e *Engine) runInTx(ctx context.Context, r engine.StepRun) error {
	wait := r.Step.LockTimeout
	if r.LockTimeout > 0 {
		wait = r.LockTimeout
	}
	if wait <= 0 {
		return fmt.Errorf("step %q has no lock timeout", r.Step.Title)
	}
	path := "SET LOCAL search_path = ''"
	if r.Step.UserPath {
		path = "SET LOCAL application_name = 'phased'"
	}
	text := []string{
		readCommitted,
		"SET LOCAL lock_timeout = " + literal(millis(wait)),
		"SET LOCAL statement_timeout = " + literal(millis(r.Step.StatementTimeout)),
		fence(r.Token), path,
	}
	text = append(text, r.Prelude...)
	statements, records, err := e.withSync(ctx, r.Step)
	if err != nil {
		return err
	}
	text = append(text, records...)
	text = append(text, statements...)
	text = append(text, recordSQL(r)...)
	_, err = e.db.ExecContext(ctx, strings.Join(text, ";\n"))
	return leaseError(err)
}

// withSync gives a step's statements with the sync composed from what is in flight
// now, and the statements that record what is in flight afterwards. Nothing else
// changes it meanwhile: that takes the lease.
func (e *Engine) withSync(ctx context.Context, s plan.Step) (statements, records []string, err error) {
	if s.Sync == nil {
		return s.Statements, nil, nil
	}
	links, err := e.Links(ctx, s.Sync.Schema, s.Sync.Table)
	if err != nil {
		return nil, nil, err
	}
	now := *s.Sync
	now.Composed = e.Compose(now.Schema, now.Table, now.Apply(links))
	s.Sync = &now
	switch {
	case now.Add != nil:
		raw, err := json.Marshal(now.Add)
		if err != nil {
			return nil, nil, err
		}
		records = append(records, fmt.Sprintf("INSERT INTO phased.link (id, migration, schema_name, table_name, link) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
			literal(now.Add.ID), literal(now.Add.Migration), literal(now.Schema), literal(now.Table), literal(string(raw))))
	case now.Remove != "":
		records = append(records, "DELETE FROM phased.link WHERE id = "+literal(now.Remove))
	case now.Hide != "":
		records = append(records, "UPDATE phased.link SET hidden = true WHERE id = "+literal(now.Hide))
	case now.Show != "":
		records = append(records, "UPDATE phased.link SET hidden = false WHERE id = "+literal(now.Show))
	}
	return s.All(), records, nil
}

// recordSQL records that a step is done, and the state that comes with it. A step
// that is recorded already is somebody else's work: exactly one runs it.
func recordSQL(r engine.StepRun) []string {
	out := []string{fmt.Sprintf("UPDATE phased.step SET done = true, done_at = clock_timestamp(), attempts = attempts + 1, error = '' WHERE migration = %s AND n = %d", literal(r.Migration), r.N),
		event(r.Migration, "step", r.Step.Title)}
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
	return privilege(e.leased(ctx, token, append(append([]string{}, p.Direct...), insert...)...), "run "+p.Migration.Name+" on an empty database")
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
