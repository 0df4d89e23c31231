package contract

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engines"
)

// Check asks every gate of every migration that has an old side left, and changes
// nothing. ErrUnknown where Config.Migration names none. What could not be asked for
// one migration is an error beside the reports of the others.
func Check(ctx context.Context, db *sql.DB, cfg Config) ([]Report, error) {
	c, err := open(ctx, db, cfg)
	if err != nil {
		return nil, err
	}
	return c.each(ctx, func(ctx context.Context, row engine.Migration) (Report, error) {
		for {
			r, p, err := c.begin(ctx, row)
			if p != nil && row.State != engine.StateDropping {
				r.Gates, err = c.gates(ctx, row, p, askAll)
			}
			now, moved := c.moved(ctx, row)
			if err == nil || !moved {
				return r, err
			}
			row = now
		}
	})
}

// Run hides and drops what every gate allows, in one pass, and finishes a drop that
// was interrupted. Where Config.Migration names a migration whose gates are not met,
// the error is a *NotMetError; *LockedError where a step could not get its lock.
// Running again is always the way on.
func Run(ctx context.Context, db *sql.DB, cfg Config) ([]Report, error) {
	c, err := open(ctx, db, cfg)
	if err != nil {
		return nil, err
	}
	return c.run(ctx)
}

// Work runs a pass every Config.Poll until ctx is done, and returns nil then. Any
// replica may do it, also several at once. A pass that fails is logged and tried again.
// An error comes back where cfg or the server is not one to work with.
func Work(ctx context.Context, db *sql.DB, cfg Config) error {
	c, err := open(ctx, db, cfg)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	c.told, c.rest = map[string]string{}, map[string]time.Time{}
	for {
		reports, err := c.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, ErrNotMet) {
			c.cfg.Logger.Warn("contract: pass not finished, trying again", "error", err)
		}
		c.tell(reports)
		if !wait(ctx, c.cfg.Poll) {
			return nil
		}
	}
}

// contractor carries what one call needs.
type contractor struct {
	eng engine.Engine
	cfg Config

	// Of Work only: what was last said of a migration, and until when a verification
	// that found rows out of step is not repeated.
	told map[string]string
	rest map[string]time.Time
}

func open(ctx context.Context, db *sql.DB, cfg Config) (*contractor, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errors.New("contract: the database is nil")
	}
	eng, err := engines.Open(ctx, db, cfg.Direct, cfg.Logger)
	if err != nil {
		return nil, err
	}
	return &contractor{eng: eng, cfg: cfg}, nil
}

// each does something for every migration that has an old side left, oldest first.
// What goes wrong with one does not keep the others from their turn.
func (c *contractor) each(ctx context.Context, do func(context.Context, engine.Migration) (Report, error)) ([]Report, error) {
	ov, err := c.eng.Overview(ctx)
	if errors.Is(err, engine.ErrNoState) {
		ov, err = &engine.Overview{}, nil
	}
	if err != nil {
		return nil, err
	}
	if c.cfg.Migration != "" && ov.Find(c.cfg.Migration) == nil {
		return nil, fmt.Errorf("contract %s: %w", c.cfg.Migration, ErrUnknown)
	}
	var out []Report
	var errs []error
	for _, row := range ov.Migrations {
		if c.cfg.Migration != "" && row.Name != c.cfg.Migration || c.cfg.Migration == "" && !hasOldSide(row) {
			continue
		}
		r, err := do(ctx, row)
		out = append(out, r)
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, ErrNotMet) {
			err = fmt.Errorf("contract %s: %w", row.Name, err)
		}
		if c.cfg.Migration != "" {
			return out, err
		}
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// hasOldSide reports whether a migration has something left to hide or drop.
func hasOldSide(row engine.Migration) bool {
	switch row.State {
	case engine.StateDropped, engine.StateComplete, engine.StateBaseline, engine.StateRollingBack, engine.StateRolledBack:
		return false
	}
	return row.Contract
}

// begin says which half comes next, as far as that is asked for, and reads the plan
// that is to run. Without a plan there is nothing more to ask.
func (c *contractor) begin(ctx context.Context, row engine.Migration) (Report, *plan.Plan, error) {
	r := Report{Migration: row.Name, State: string(row.State)}
	if !hasOldSide(row) {
		return r, nil, nil
	}
	next := half(row)
	switch {
	case c.cfg.Half == HalfHide && next == HalfDrop:
		return r, nil, nil // that half is done
	case c.cfg.Half == HalfDrop && next == HalfHide:
		r.Next = string(HalfDrop)
		r.Gates = []Gate{{Name: "state", Sentence: fmt.Sprintf("it is %s, not yet hidden", row.State), Way: "hide the old side first"}}
		return r, nil, nil
	}
	p, err := c.eng.Plan(ctx, row.Name)
	if err == nil && p == nil {
		err = errors.New("the database holds no plan of it")
	}
	if err != nil {
		return r, nil, err
	}
	r.Next = string(next)
	if row.State == engine.StateDropping {
		// It only has to be finished: the way back ended with the drop's first statement.
		g, _ := pausedGate(ctx, &subject{row: row})
		g.Name = "paused"
		r.Gates = []Gate{g}
	}
	return r, p, nil
}

func half(row engine.Migration) Half {
	if row.State == engine.StateHidden || row.State == engine.StateDropping {
		return HalfDrop
	}
	return HalfHide
}

func (c *contractor) run(ctx context.Context) ([]Report, error) {
	return c.each(ctx, func(ctx context.Context, row engine.Migration) (Report, error) {
		var done []string
		for {
			r, err := c.contract(ctx, row)
			advanced := len(r.Done) > 0
			done = append(done, r.Done...)
			r.Done = done
			var asking *askError
			switch {
			case err != nil && !errors.As(err, &asking):
				return r, err
			case err == nil && !advanced && !r.Met():
				if c.cfg.Migration != "" && len(done) == 0 && !c.finished(row) {
					return r, &NotMetError{r}
				}
				return r, nil
			}
			// The other half may be due as well (the soak is assumed or short), or
			// another runner was faster and the question was about what is gone.
			now, moved := c.moved(ctx, row)
			if !moved {
				return r, err
			}
			row = now
		}
	})
}

// moved reports whether a migration is in another state than it was, and which.
func (c *contractor) moved(ctx context.Context, row engine.Migration) (engine.Migration, bool) {
	ov, err := c.eng.Overview(ctx)
	if err != nil {
		return row, false
	}
	now := ov.Find(row.Name)
	if now == nil || now.State == row.State {
		return row, false
	}
	return *now, true
}

// askError is an error of a gate's question, not of what was done.
type askError struct{ err error }

func (e *askError) Error() string { return e.err.Error() }
func (e *askError) Unwrap() error { return e.err }

// finished reports that all that was asked for is done, so that there is nothing to refuse.
func (c *contractor) finished(row engine.Migration) bool {
	switch row.State {
	case engine.StateDropped, engine.StateComplete, engine.StateBaseline:
		return true
	case engine.StateHidden, engine.StateDropping:
		return c.cfg.Half == HalfHide
	}
	return false
}
