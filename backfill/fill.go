package backfill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/runner"
)

// filling is the work on one fill, while it is claimed.
type filling struct {
	*worker
	id    string
	f     *engine.Fill // belongs to the goroutine that works; the renewing one knows the id
	token int64
	pace  *pace
}

const (
	maxPasses = 3    // in one attempt
	maxPoison = 1000 // rows that cannot be written, before the fill stops: the expression is at fault, not the rows
)

// carry claims a fill and takes it as far as it goes: walk, finish, verify. Each
// step asks first what is done already, so that any worker can go on where another
// one died.
func (w *worker) carry(ctx context.Context, f engine.Fill) error {
	if f.Paused {
		return errStopped
	}
	if f.State == engine.FillWalked {
		if err := w.othersWalked(ctx, f.Migration, f.ID); err != nil { // before claiming: this is asked at every poll
			return err
		}
	}
	token, err := w.eng.Claim(ctx, f.ID, w.name, w.cfg.Lease)
	if err != nil {
		return err
	}
	if token == 0 {
		return errStopped
	}
	g := &filling{worker: w, id: f.ID, f: &f, token: token, pace: newPace(w.cfg.Target, w.cfg.MinRows, w.cfg.MaxRows)}
	held, lost := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.renew(held, lost)
	}()
	err = g.through(held)
	if errors.Is(context.Cause(held), errStopped) || errors.Is(err, engine.ErrLeaseLost) {
		w.cfg.Logger.Info("backfill left to others", "backfill", f.ID, "error", err)
		err = errStopped
	}
	lost(nil)
	<-ended
	g.giveBack(ctx, err)
	return err
}

// giveBack records why the fill does not go on, and ends the claim, also when ctx
// is done: the next worker need not wait for it to run out.
func (g *filling) giveBack(ctx context.Context, why error) {
	back, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	quiet := why == nil || ctx.Err() != nil || errors.Is(why, errStopped) || errors.Is(why, errWaiting)
	if !quiet {
		if err := g.eng.Note(back, g.f.ID, g.token, why.Error()); err != nil && !errors.Is(err, engine.ErrLeaseLost) {
			g.cfg.Logger.Warn("reason not recorded", "backfill", g.f.ID, "error", err)
		}
	}
	if err := g.eng.Unclaim(back, g.f.ID, g.token); err != nil {
		g.cfg.Logger.Warn("claim not given back; it runs out by itself", "backfill", g.f.ID, "error", err, "lease", g.cfg.Lease)
	}
	if !quiet {
		g.tell(func(p *Progress) { p.Reason = why.Error() })
	}
}

// renew keeps the claim until ctx is done. Paused and cancelled fills cannot be
// claimed, so they end here too.
func (g *filling) renew(ctx context.Context, lost context.CancelCauseFunc) {
	good := time.Now()
	for sleep(ctx, g.cfg.Lease/3) == nil {
		token, err := g.eng.Claim(ctx, g.id, g.name, g.cfg.Lease)
		switch {
		case err == nil && token == g.token:
			good = time.Now()
		case ctx.Err() != nil:
			return
		case err == nil, time.Since(good) > g.cfg.Lease:
			lost(errStopped)
			return
		default:
			g.cfg.Logger.Warn("claim not renewed, trying again", "backfill", g.id, "error", err)
		}
	}
}

// through takes the fill from where it stands to its end.
func (g *filling) through(ctx context.Context) error {
	id := g.id
	for pass := 1; ; pass++ {
		if err := g.start(ctx); err != nil {
			return err
		}
		if g.f.State != engine.FillWalked {
			if err := g.walk(ctx); err != nil {
				return err
			}
			if err := g.eng.Walked(ctx, id, g.token); err != nil {
				return err
			}
			g.f.State = engine.FillWalked
			g.cfg.Logger.Info("backfill walked", "backfill", id, "table", g.f.Spec.Table, "rows", g.f.Seen, "filled", g.f.Filled, "pass", g.f.Pass)
			g.tell(nil)
		}
		if err := g.mend(ctx); err != nil {
			return err
		}
		if err := g.othersWalked(ctx, g.f.Migration, id); err != nil {
			return err
		}
		unfinished := g.finish(ctx, g.f.Migration)
		if unfinished != nil && !g.eng.RowError(unfinished) {
			return unfinished
		}
		var n int64
		err := g.retry(ctx, "count rows out of step", func() (err error) {
			n, err = g.eng.OutOfStep(ctx, g.f.Spec.Link)
			return err
		})
		if err != nil {
			return err
		}
		if n == 0 && unfinished != nil {
			return unfinished
		} // else a constraint of the new side has met a row that is out of step: the next pass will name it
		if err := g.eng.Verified(ctx, id, g.token, n); err != nil {
			return err
		}
		if n == 0 {
			g.cfg.Logger.Info("backfill complete: no row is out of step", "backfill", id, "table", g.f.Spec.Table, "filled", g.f.Filled)
			g.f.State = engine.FillComplete
			g.tell(nil)
			return nil
		}
		if pass == maxPasses {
			return fmt.Errorf("backfill %s: %d rows of %s are out of step after %d passes; look for what writes past the sync: "+
				"a trigger that fires after the sync's own, a disabled trigger, a foreign key that cascades, a partition attached with rows",
				id, n, tableName(g.f.Spec.Schema, g.f.Spec.Table), pass)
		}
		g.cfg.Logger.Warn("rows out of step, walking again", "backfill", id, "rows", n, "pass", g.f.Pass+1)
		if err := g.eng.Repeat(ctx, id, g.token); err != nil {
			return err
		}
	}
}

// start reads the fill as it stands, and fixes the end of its walk where that is open.
func (g *filling) start(ctx context.Context) error {
	return g.retry(ctx, "start the backfill", func() error {
		f, err := g.eng.Start(ctx, g.f.ID, g.token)
		if err == nil {
			g.f = f
			g.tell(nil)
		}
		return err
	})
}

// mend tries the rows again that could not be written.
func (g *filling) mend(ctx context.Context) error {
	if g.f.Poison == 0 {
		return nil
	}
	var bad []engine.PoisonRow
	for {
		rows, err := g.eng.Poisoned(ctx, g.f.ID, maxPoison)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		bad = bad[:0]
		for _, r := range rows {
			if err := g.throttle(ctx); err != nil {
				return err
			}
			err := g.retry(ctx, "mend a row", func() error { return g.eng.Mend(ctx, g.f, g.token, r.Key, g.cfg.statementTimeout()) })
			switch {
			case err == nil:
				continue
			case !g.eng.RowError(err):
				return err
			}
			if bad = append(bad, r); len(bad) == 100 { // the rest will hardly be better
				break
			}
		}
		if len(bad) > 0 {
			break
		}
	}
	f, err := g.eng.Start(ctx, g.f.ID, g.token) // the counts as they are now
	if err != nil {
		return err
	}
	walk := g.f.Walk
	if g.f = f; f.Walk == nil {
		f.Walk = walk
	}
	if g.f.Poison == 0 {
		return nil
	}
	s := g.f.Spec
	return &PoisonError{Migration: g.f.Migration, Table: tableName(s.Schema, s.Table), Column: s.Link.New, Rows: g.f.Poison, Key: bad[0].Key, Cause: bad[0].Error}
}

// othersWalked asks whether every fill of a migration but one is at its end, with no
// row that could not be written: only then can indexes and constraints of the new
// side be made.
func (w *worker) othersWalked(ctx context.Context, migration, but string) error {
	fills, err := w.eng.Fills(ctx)
	if err != nil {
		return err
	}
	for _, f := range fills {
		switch {
		case f.Migration != migration:
		case !alive(f) || f.Paused:
			return errStopped
		case f.ID == but || f.State == engine.FillComplete:
		case f.State != engine.FillWalked || f.Poison > 0:
			return errWaiting
		}
	}
	return nil
}

// finish runs the steps between the walk and the verification, once, under the
// runner's lease.
func (w *worker) finish(ctx context.Context, migration string) error {
	p, err := w.eng.Plan(ctx, migration)
	if err != nil || p == nil || len(p.Of(plan.PhaseFinish)) == 0 {
		return err
	}
	finished := func(ctx context.Context) (bool, error) {
		steps, err := w.eng.Steps(ctx, migration)
		if err != nil {
			return false, err
		}
		for _, s := range steps {
			if s.Phase == plan.PhaseFinish && !s.Done {
				return false, nil
			}
		}
		return true, nil
	}
	if done, err := finished(ctx); done || err != nil {
		return err
	}
	return runner.Hold(ctx, w.runner(), runner.Claim{Idle: finished}, func(ctx context.Context, l *runner.Lease) error {
		if err := w.othersWalked(ctx, migration, ""); err != nil { // a rollback may have had the lease before us
			return err
		}
		return l.Phase(ctx, p, plan.PhaseFinish, runner.PhaseOptions{})
	})
}

// settle ends the backfill of a migration all of whose fills are complete.
func (w *worker) settle(ctx context.Context, migration string) error {
	settled := func(ctx context.Context) (bool, error) {
		fills, err := w.eng.Fills(ctx)
		if err != nil {
			return false, err
		}
		for _, f := range fills {
			if f.Migration == migration && alive(f) {
				return false, nil
			}
		}
		return true, nil
	}
	if done, err := settled(ctx); done || err != nil {
		return err
	}
	return runner.Hold(ctx, w.runner(), runner.Claim{Idle: settled}, func(ctx context.Context, l *runner.Lease) error {
		if done, err := settled(ctx); done || err != nil {
			return err
		}
		if err := w.othersWalked(ctx, migration, ""); err != nil {
			return err
		}
		p, err := w.eng.Plan(ctx, migration)
		if err != nil {
			return err
		}
		to := engine.StateVerified
		if p != nil && !p.Contracts() { // nothing is left to remove
			to = engine.StateComplete
		}
		if err := w.eng.Mark(ctx, l.Token(), migration, to, "", engine.StateExpanded, engine.StateBackfilling); err != nil {
			return err
		}
		w.report.Verified = append(w.report.Verified, migration)
		w.cfg.Logger.Info("migration verified", "migration", migration)
		return nil
	})
}

func (w *worker) runner() runner.Options {
	return runner.Options{Engine: w.eng, Log: w.cfg.Logger, Holder: w.name, TTL: w.cfg.Lease}
}

// tell reports where the fill stands.
func (g *filling) tell(change func(*Progress)) {
	if g.cfg.OnProgress == nil {
		return
	}
	f := *g.f
	f.Claimed, f.Worker = true, g.name
	p := progress(f)
	if change != nil {
		change(&p)
	}
	g.cfg.OnProgress(p)
}
