package expand

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engines"
	"github.com/phasedb/phased/internal/runner"
)

// RollbackConfig adjusts a rollback. The zero value is useful.
type RollbackConfig struct {
	// Force says why the rollback should go on although an instance that counts on the
	// new side is running, although rows that new code wrote go with an added column or
	// table, or although somebody has disabled or changed the sync. It is recorded.
	Force string
	// Direct is a pool that leads to the server itself, where db leads through a pooler;
	// see Config.Direct. Default nil.
	Direct      *sql.DB
	LockTimeout time.Duration // default: the plan's own
	LockRetry   time.Duration // how long to try for a lock; default 1 min
	Logger      *slog.Logger
}

// RollbackReport says what a rollback left.
type RollbackReport struct {
	Migration string
	From      State
	Took      time.Duration
	// Notes is what is not as it was before, in words.
	Notes []string
}

// Rollback takes a migration back, at any time before its old side is dropped: the
// old side gets its name back, the sync ends, the new side goes. Its duration does
// not depend on the table's size. Writes of new code stay, on the old side.
//
// It does not wait for a runner at work (an index build, a validation): it takes
// over and ends that work. Afterwards the migration is rolled back, as a state: no
// start expands it again until Resume. ErrUnknown, ErrTooLate, *OrderError (a later
// migration builds on it), *InUseError and *PoolerError say that nothing was changed.
func Rollback(ctx context.Context, db *sql.DB, name string, cfg RollbackConfig) (*RollbackReport, error) {
	if cfg.LockRetry == 0 {
		cfg.LockRetry = time.Minute
	}
	eng, err := engines.Open(ctx, db, cfg.Direct, cfg.Logger)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	report := &RollbackReport{Migration: name}
	o := runner.Options{Engine: eng, Log: cfg.Logger, Holder: "rollback, " + runner.DefaultHolder(),
		Retry: runner.Retry{LockTimeout: cfg.LockTimeout, For: cfg.LockRetry, Pause: 100 * time.Millisecond}}
	if _, _, err := mayRollBack(ctx, eng, name, cfg); err != nil { // before another runner's work is ended for it
		return nil, err
	}
	err = runner.Hold(ctx, o, runner.Claim{Force: true}, func(ctx context.Context, l *runner.Lease) error {
		row, p, err := mayRollBack(ctx, eng, name, cfg)
		if err != nil {
			return err
		}
		report.From = row.State
		if row.State == engine.StateRolledBack {
			return nil
		}
		for _, n := range p.Notes {
			if n.Hazard == "stays-nullable" {
				report.Notes = append(report.Notes, n.Text)
			}
		}
		if row.State != engine.StateRollingBack {
			if err := eng.Mark(ctx, l.Token(), name, engine.StateRollingBack, cfg.Force); err != nil {
				return err
			}
		}
		return l.Phase(ctx, p, plan.PhaseUndo, runner.PhaseOptions{State: engine.StateRolledBack, Reason: cfg.Force})
	})
	report.Took = time.Since(begin)
	if err != nil {
		return nil, fmt.Errorf("roll back %s: %w", name, err)
	}
	return report, nil
}

// InUseError says that something counts on the new side.
type InUseError struct {
	Migration string
	Reasons   []string
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("%s is in use: %s; stop what uses it first, or force the rollback with a reason", e.Migration, strings.Join(e.Reasons, "; "))
}

// mayRollBack asks everything that speaks against a rollback.
func mayRollBack(ctx context.Context, eng engine.Engine, name string, cfg RollbackConfig) (*engine.Migration, *Plan, error) {
	ov, err := eng.Overview(ctx)
	if err != nil {
		return nil, nil, err
	}
	row := ov.Find(name)
	if row == nil {
		return nil, nil, fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	switch row.State {
	case engine.StateRolledBack:
		return row, &Plan{}, nil
	case engine.StateDropping, engine.StateDropped, engine.StateBaseline:
		return nil, nil, fmt.Errorf("%s is %s: %w", name, row.State, ErrTooLate)
	}
	p, err := eng.Plan(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if p == nil || !p.Rendered() {
		return nil, nil, fmt.Errorf("%s ran as written on an empty database: %w", name, ErrTooLate)
	}
	for _, s := range p.Migration.Statements {
		if c, ok := s.Change.(AsWritten); ok {
			return nil, nil, fmt.Errorf("%s: %s ran as written (%s), nothing knows how to take it back: write a migration that does", name, s.Where(), c.Reason)
		}
	}
	links, err := eng.Links(ctx, "", "")
	if err != nil {
		return nil, nil, err
	}
	for _, mine := range p.Links() {
		for _, l := range links {
			if l.Migration != name && l.Schema == mine.Schema && l.Table == mine.Table && l.Old == mine.New {
				return nil, nil, &OrderError{"rollback of " + name, l.Migration, fmt.Sprintf("that migration renames %s, the new side of this one; roll it back first", l.Old)}
			}
		}
	}
	if err := eng.CanRun(ctx, p.Of(plan.PhaseUndo)); err != nil {
		return nil, nil, err
	}
	if cfg.Force != "" || row.State == engine.StateRollingBack {
		return row, p, nil
	}
	var reasons []string
	instances, err := eng.Instances(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, in := range instances {
		if in.Alive && slices.Contains(in.Lines, name) {
			reasons = append(reasons, fmt.Sprintf("instance %s %s on %s embeds its contract line", in.App, in.Version, in.Host))
		}
	}
	loss, err := eng.Loss(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	reasons = append(reasons, loss...)
	if len(p.Links()) > 0 && row.State != engine.StateExpanding {
		// Dropping the new side loses nothing only while the old side has it all.
		health, err := eng.Health(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		if !health.OK {
			reasons = append(reasons, fmt.Sprintf("writes of new code may be missing on the old side: %s (%s)", health.Problem, health.Way))
		}
	}
	if len(reasons) > 0 {
		return nil, nil, &InUseError{name, reasons}
	}
	return row, p, nil
}

// Rollback is Rollback with the Migrator's settings.
func (m *Migrator) Rollback(ctx context.Context, name string, cfg RollbackConfig) (*RollbackReport, error) {
	if cfg.Logger == nil {
		cfg.Logger = m.cfg.Logger
	}
	if cfg.Direct == nil {
		cfg.Direct = m.cfg.Direct
	}
	return Rollback(ctx, m.db, name, cfg)
}

// Pause stops a migration's backfill and contract between two chunks, by hand; name
// "" stops all. It returns how many it stopped.
func Pause(ctx context.Context, db *sql.DB, name string) (int, error) {
	return setPaused(ctx, db, name, true)
}

// Resume ends a pause. A migration that was rolled back may run again: the next Up
// expands it. name "" ends every pause and leaves what is rolled back alone.
func Resume(ctx context.Context, db *sql.DB, name string) (int, error) {
	eng, err := engines.Open(ctx, db, nil, nil)
	if err != nil {
		return 0, err
	}
	if name != "" {
		ov, err := eng.Overview(ctx)
		if err != nil {
			return 0, err
		}
		if row := ov.Find(name); row != nil && row.State == engine.StateRolledBack {
			return 1, runner.Hold(ctx, runner.Options{Engine: eng}, runner.Claim{}, func(ctx context.Context, l *runner.Lease) error {
				return eng.Forget(ctx, l.Token(), name)
			})
		}
	}
	return setPaused(ctx, db, name, false)
}

// Resume is Resume for the Migrator's database.
func (m *Migrator) Resume(ctx context.Context, name string) error {
	_, err := Resume(ctx, m.db, name)
	return err
}

func setPaused(ctx context.Context, db *sql.DB, name string, paused bool) (int, error) {
	eng, err := engines.Open(ctx, db, nil, nil)
	if err != nil {
		return 0, err
	}
	n, err := eng.Pause(ctx, name, paused)
	if err == nil && n == 0 && name != "" {
		err = fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	return n, err
}

// BaselineNone counts no migration as done: the directory begins after what other
// means created.
const BaselineNone = "none"

// Baseline says, once, that everything up to name was done by other means; it is
// recorded as done and never run. BaselineNone says that nothing was.
func (m *Migrator) Baseline(ctx context.Context, name string) error {
	eng, err := m.engine(ctx)
	if err != nil {
		return err
	}
	if name != BaselineNone && m.find(name) == nil {
		return fmt.Errorf("baseline %s: no such migration among the files (they are %v)", name, m.Names())
	}
	if _, err := overview(ctx, eng); err != nil {
		return err
	}
	return runner.Hold(ctx, m.runner(eng), runner.Claim{}, func(ctx context.Context, l *runner.Lease) error {
		ov, err := eng.Overview(ctx)
		if err != nil {
			return err
		}
		var names, sums []string
		for _, s := range m.all {
			if name == BaselineNone || s.name > name {
				continue
			}
			if row := ov.Find(s.name); row != nil && row.State != engine.StateBaseline {
				return fmt.Errorf("baseline %s: %s has already run (it is %s)", name, s.name, row.State)
			}
			names, sums = append(names, s.name), append(sums, s.checksum)
		}
		return eng.MarkBaseline(ctx, l.Token(), names, sums)
	})
}
