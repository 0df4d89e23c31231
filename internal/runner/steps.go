package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// PhaseOptions adjust how the steps of a phase run.
type PhaseOptions struct {
	// State is set together with the record of the phase's last step.
	State  engine.State
	Reason string
	// Prelude runs in the transaction of each step, first.
	Prelude []string
}

// Phase runs the steps of a phase that are not done yet, in order. Each step is
// asked first whether it is already true. On error, the steps before it stay done
// and running Phase again goes on from there.
func (l *Lease) Phase(ctx context.Context, p *plan.Plan, phase plan.Phase, o PhaseOptions) error {
	eng := l.o.Engine
	records, err := eng.Steps(ctx, p.Migration.Name)
	if err != nil {
		return err
	}
	last := -1
	var pending []plan.Step
	for n, s := range p.Steps {
		if s.Phase == phase {
			last = n
			if !done(records, n) {
				pending = append(pending, s)
			}
		}
	}
	if err := eng.CanRun(ctx, pending); err != nil {
		return fmt.Errorf("%s: %w", p.Migration.Name, err)
	}
	for n, s := range p.Steps {
		if s.Phase != phase {
			continue
		}
		run := engine.StepRun{Token: l.token, Migration: p.Migration.Name, N: n, Step: s, Prelude: o.Prelude, LockTimeout: l.o.Retry.LockTimeout}
		if n == last {
			run.State, run.Reason = o.State, o.Reason
		}
		if done(records, n) && (n != last || o.State == "") {
			continue
		}
		if err := l.step(ctx, run); err != nil {
			return fmt.Errorf("%s: %s: %w", p.Migration.Name, s.Title, err)
		}
	}
	if last < 0 && o.State != "" {
		return eng.Mark(ctx, l.token, p.Migration.Name, o.State, o.Reason)
	}
	return nil
}

func done(records []engine.StepRecord, n int) bool {
	for _, r := range records {
		if r.N == n {
			return r.Done
		}
	}
	return false
}

// step runs one step until it is done, its error is final or its time is up.
// Between tries nothing is held.
func (l *Lease) step(ctx context.Context, run engine.StepRun) error {
	eng, begin := l.o.Engine, time.Now()
	for try := 1; ; try++ {
		ok, err := eng.Done(ctx, run.Step)
		if err == nil {
			if ok {
				err = eng.Record(ctx, run)
			} else {
				err = eng.Run(ctx, run)
			}
		}
		if err == nil {
			l.o.Log.Info("step done", "migration", run.Migration, "step", run.Step.Title, "try", try, "already", ok, "took", time.Since(begin).Round(time.Millisecond))
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		lock := eng.LockTimeout(err)
		if errors.Is(err, engine.ErrLeaseLost) || !(lock || eng.Retryable(err) || eng.Disconnected(err)) {
			return err
		}
		var held []engine.Holder
		if lock {
			held, _ = eng.Holders(ctx, run.Step.Relation) // only for the message
			run.LockTimeout = lockTimeout(run, l.o.Retry, held)
		}
		if waited := time.Since(begin); waited > l.o.Retry.For {
			return &LockedError{Relation: run.Step.Relation, Mode: run.Step.Lock.String(), Tries: try, Waited: waited, Holders: held, Err: err}
		}
		l.o.Log.Warn("step not done, trying again", "migration", run.Migration, "step", run.Step.Title, "try", try, "error", err, "held_by", describe(held))
		if err := sleep(ctx, jitter(backoff(l.o.Retry.Pause, try))); err != nil {
			return err
		}
	}
}

// backoff grows from a tenth of the pause to five times it.
func backoff(pause time.Duration, try int) time.Duration {
	return min(pause/10*time.Duration(1<<min(try-1, 10)), 5*pause)
}

// lockTimeout is the next try's. Autovacuum gives way only to somebody who has
// waited for deadlock_timeout (1 s by default), so behind it a shorter wait never
// gets through.
func lockTimeout(run engine.StepRun, r Retry, held []engine.Holder) time.Duration {
	for _, h := range held {
		if h.Autovacuum {
			return max(1500*time.Millisecond, r.LockTimeout)
		}
	}
	return r.LockTimeout
}

// LockedError says that a step could not get its lock in the time it had. Nothing was changed.
type LockedError struct {
	Relation string
	Mode     string
	Tries    int
	Waited   time.Duration
	Holders  []engine.Holder
	Err      error
}

// Error names who holds the lock, and what to do.
func (e *LockedError) Error() string {
	s := fmt.Sprintf("no %s lock on %s in %d tries over %s: %v", e.Mode, e.Relation, e.Tries, e.Waited.Round(time.Second), e.Err)
	if d := describe(e.Holders); d != "" {
		s += "; held by " + d + ": end that transaction, then run again"
	}
	return s
}

// Unwrap returns the last try's error.
func (e *LockedError) Unwrap() error { return e.Err }

func describe(held []engine.Holder) string {
	var out []string
	for _, h := range held {
		switch {
		case h.Prepared != "":
			out = append(out, fmt.Sprintf("prepared transaction %q (%s)", h.Prepared, h.Mode))
		case h.Autovacuum:
			out = append(out, fmt.Sprintf("autovacuum, process %d (%s)", h.PID, h.Mode))
		default:
			out = append(out, fmt.Sprintf("process %d of %q as %s (%s, %s for %s)", h.PID, h.Application, h.Role, h.Mode, h.State, h.Age.Round(time.Second)))
		}
	}
	return strings.Join(out, ", ")
}
