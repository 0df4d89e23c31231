package contract

import (
	"context"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/runner"
)

// contract asks the gates of one half and does it where they allow. The expensive
// question comes last and outside the lease, so that nobody's start waits for it;
// under the lease all others are asked again.
func (c *contractor) contract(ctx context.Context, row engine.Migration) (Report, error) {
	r, p, err := c.begin(ctx, row)
	if err != nil || p == nil {
		return r, err
	}
	if row.State != engine.StateDropping {
		if r.Gates, err = c.gates(ctx, row, p, askInOrder); err != nil {
			return r, &askError{err}
		}
	}
	if !r.Met() {
		return r, nil
	}
	phase := plan.PhaseHide
	if r.Next == string(HalfDrop) {
		phase = plan.PhaseDrop
	}
	if err := c.eng.CanRun(ctx, p.Of(phase)); err != nil {
		return r, err
	}
	idle := func(ctx context.Context) (bool, error) {
		ov, err := c.eng.Overview(ctx)
		if err != nil {
			return false, err
		}
		now := ov.Find(row.Name)
		return now == nil || now.State != row.State, nil
	}
	err = runner.Hold(ctx, c.cfg.runner(c.eng), runner.Claim{Idle: idle}, func(ctx context.Context, l *runner.Lease) error {
		ov, err := c.eng.Overview(ctx)
		if err != nil {
			return err
		}
		now := ov.Find(row.Name)
		if now == nil || now.State != row.State {
			return nil // another runner was faster
		}
		if row.State != engine.StateDropping {
			verified := r.Gates[len(r.Gates)-1]
			if r.Gates, err = c.gates(ctx, *now, p, askCheap); err != nil {
				return err
			}
			if r.Gates = append(r.Gates, verified); !r.Met() {
				return nil
			}
		}
		if r.Next == string(HalfHide) {
			err = c.hide(ctx, l, p, &r)
		} else {
			err = c.drop(ctx, l, p, &r)
		}
		return err
	})
	return r, err
}

// hide runs the plan's first half. The register is asked once more, in the
// transaction that hides.
func (c *contractor) hide(ctx context.Context, l *runner.Lease, p *plan.Plan, r *Report) error {
	o := runner.PhaseOptions{State: engine.StateHidden, Reason: c.cfg.reason()}
	if c.cfg.AssumeGone == "" {
		soak, err := c.soak(ctx)
		if err != nil {
			return err
		}
		o.Prelude = c.eng.RegisterGuard(p.Migration.Name, soak)
	}
	err := l.Phase(ctx, p, plan.PhaseHide, o)
	if said, refused := c.eng.GuardRefused(err); refused {
		shut(r, "register", "at the last moment: "+said, "it is asked again at the next pass")
		return nil
	}
	if err == nil {
		c.did(r, p, plan.PhaseHide, engine.StateHidden)
	}
	return err
}

// drop runs the second half. From its first statement on there is no way back, and a
// drop that was interrupted is only to be finished: the state says so before anything is done.
func (c *contractor) drop(ctx context.Context, l *runner.Lease, p *plan.Plan, r *Report) error {
	if r.State != string(engine.StateDropping) {
		err := c.eng.Mark(ctx, l.Token(), p.Migration.Name, engine.StateDropping, c.cfg.reason(), engine.StateHidden)
		if said, refused := c.eng.GuardRefused(err); refused {
			shut(r, "state", said, "it is asked again at the next pass")
			return nil
		}
		if err != nil {
			return err
		}
		r.State = string(engine.StateDropping)
	}
	err := l.Phase(ctx, p, plan.PhaseDrop, runner.PhaseOptions{State: engine.StateDropped, Reason: c.cfg.reason()})
	if err == nil {
		c.did(r, p, plan.PhaseDrop, engine.StateDropped)
	}
	return err
}

func (c *contractor) did(r *Report, p *plan.Plan, phase plan.Phase, s engine.State) {
	for _, step := range p.Of(phase) {
		r.Done = append(r.Done, step.Title)
	}
	if len(r.Done) == 0 {
		r.Done = []string{string(s)} // a renamed table leaves nothing to drop
	}
	r.State, r.Next = string(s), ""
	c.cfg.Logger.Info("contracted", "migration", p.Migration.Name, "state", string(s), "reason", c.cfg.reason())
}

// shut turns a gate that was met into one that is not.
func shut(r *Report, name, sentence, way string) {
	for i := range r.Gates {
		if r.Gates[i].Name == name {
			r.Gates[i] = Gate{Name: name, Sentence: sentence, Way: way}
		}
	}
}
