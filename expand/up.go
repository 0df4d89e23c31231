package expand

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/runner"
)

// Up runs the expand phase of every pending migration and registers this build as a
// running instance, whose heartbeat goes on until Close. Any number of processes may
// call it at the same instant: one of them does the work, the others wait for it.
// With nothing to do it costs one round trip and the registration.
//
// Everything is checked before anything is touched: *InputError, *ChecksumError,
// *BaselineError, *RefusedError, *FactsError, *ServerError, *OrderError, *PoolerError
// and *NoWritesError say that nothing was changed. *ContractedError refuses the build:
// an old side that it may use is gone. *LockedError says that a step could not get
// its lock. After any error, calling Up again is the way on.
func (m *Migrator) Up(ctx context.Context) error {
	if m.cfg.App == "" {
		return errNoApp
	}
	eng, err := m.engine(ctx)
	if err != nil {
		return err
	}
	ov, err := overview(ctx, eng)
	if err != nil {
		return err
	}
	if ov.Server.NoWrites != "" {
		return &NoWritesError{ov.Server.Database, ov.Server.Name, ov.Server.NoWrites}
	}
	pending, err := m.pending(ov)
	if err != nil {
		return err
	}
	if err := eng.Register(ctx, m.instance()); err != nil {
		return err
	}
	if len(pending) > 0 || ov.Fresh {
		if err := m.run(ctx, eng); err != nil {
			m.sayGoodbye(ctx, eng)
			return err
		}
	}
	m.live(eng)
	m.mu.Lock()
	m.up = true
	m.mu.Unlock()
	return nil
}

// overview reads the state, and creates the state tables first where there are none.
func overview(ctx context.Context, eng engine.Engine) (*engine.Overview, error) {
	ov, err := eng.Overview(ctx)
	if !errors.Is(err, engine.ErrNoState) {
		return ov, err
	}
	srv, err := eng.Server(ctx)
	if err != nil {
		return nil, err
	}
	if srv.NoWrites != "" {
		return nil, &NoWritesError{srv.Database, srv.Name, srv.NoWrites}
	}
	if err := eng.Bootstrap(ctx); err != nil {
		return nil, err
	}
	return eng.Overview(ctx)
}

// pending lists what Up has to do, and checks what is already there.
func (m *Migrator) pending(ov *engine.Overview) ([]*source, error) {
	var out []*source
	var errs []error
	for _, s := range m.all {
		if m.cfg.Until != "" && s.name > m.cfg.Until {
			continue
		}
		row := ov.Find(s.name)
		switch {
		case row == nil:
			out = append(out, s)
		case row.Checksum != s.checksum && row.State != engine.StateBaseline && row.State != engine.StateRolledBack:
			errs = append(errs, &ChecksumError{s.name, s.checksum, row.Checksum})
		case row.State == engine.StateExpanding:
			out = append(out, s)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(out) > 0 && !ov.Fresh && !ov.Baseline && len(ov.Migrations) == 0 && ov.Tables > 0 {
		return nil, &BaselineError{Tables: ov.Tables, First: out[0].name}
	}
	return out, nil
}

// run does the pending work under the lease.
func (m *Migrator) run(ctx context.Context, eng engine.Engine) error {
	idle := func(ctx context.Context) (bool, error) {
		ov, err := eng.Overview(ctx)
		if err != nil {
			return false, err
		}
		pending, err := m.pending(ov)
		return err == nil && len(pending) == 0 && !ov.Fresh, err
	}
	var fill []string
	err := runner.Hold(ctx, m.runner(eng), runner.Claim{Idle: idle}, func(ctx context.Context, l *runner.Lease) error {
		ov, err := eng.Overview(ctx)
		if err != nil {
			return err
		}
		pending, err := m.pending(ov)
		if err != nil {
			return err
		}
		plans, err := m.resolveAhead(ctx, eng, ov, pending)
		if err != nil {
			return err
		}
		for _, s := range pending {
			filled, err := m.expand(ctx, l, ov, s, plans[s.name])
			if err != nil {
				return err
			}
			if filled && ov.Fresh {
				fill = append(fill, s.name)
			}
		}
		if ov.Fresh && m.cfg.Until == "" {
			return eng.Settle(ctx, l.Token())
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range fill { // a database without rows: nothing to wait for
		if _, err := backfill.Run(ctx, m.db, backfill.Config{Migration: name, Direct: m.cfg.Direct, Logger: m.cfg.Logger}); err != nil {
			return err
		}
	}
	return nil
}

// resolveAhead renders what can be rendered before anything is touched, so that bad
// input in a later file is found before an earlier one runs. What depends on an
// earlier pending migration is rendered when its turn comes.
func (m *Migrator) resolveAhead(ctx context.Context, eng engine.Engine, ov *engine.Overview, pending []*source) (map[string]*Plan, error) {
	plans := map[string]*Plan{}
	seen := map[string]bool{}
	var errs []error
	for _, s := range pending {
		depends := false
		for t := range s.target {
			depends = depends || seen[t]
			seen[t] = true
		}
		if ov.Find(s.name) == nil && !depends && !m.directly(ov, s, nil) {
			p, err := m.resolve(ctx, eng, s)
			var refused *RefusedError
			var facts *FactsError
			var pooler *PoolerError
			switch {
			case err == nil:
				plans[s.name] = p
			case errors.As(err, &refused), errors.As(err, &facts), errors.As(err, &pooler):
				errs = append(errs, err)
			default:
				return nil, err
			}
		}
		for _, st := range s.m.Statements {
			switch st.Change.(type) {
			case CreateTable, AsWritten: // anything later may need it
				return plans, errors.Join(errs...)
			}
		}
	}
	return plans, errors.Join(errs...)
}

// resolve gives the plan that will run: the committed one where the live catalog is
// what it assumes, else a new one where that is allowed.
func (m *Migrator) resolve(ctx context.Context, eng engine.Engine, s *source) (*Plan, error) {
	links, err := eng.Links(ctx, "", "")
	if err != nil {
		return nil, err
	}
	if err := m.checkOrder(ctx, eng, s, links); err != nil {
		return nil, err
	}
	live, err := eng.Resolve(ctx, s.m, links)
	if err != nil {
		return nil, err
	}
	if err := eng.CanRun(ctx, live.Steps); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if s.plan == nil || m.cfg.Replan {
		return live, nil
	}
	srv, err := eng.Server(ctx)
	if err != nil {
		return nil, err
	}
	if s.plan.Dialect != eng.Dialect() || (s.plan.Require.MinVersion > 0 && srv.Version < s.plan.Require.MinVersion) ||
		(s.plan.Require.MaxVersion > 0 && srv.Version > s.plan.Require.MaxVersion) {
		return nil, &ServerError{s.name, s.plan.Server, srv.Name}
	}
	if diff := plan.DiffFacts(s.plan.Facts, live.Facts); len(diff) > 0 {
		return nil, &FactsError{s.name, diff}
	}
	return s.plan, nil
}

// checkOrder refuses to build on a change that is not far enough: on the new side of
// one whose backfill is not verified (what it still has to carry over could not be
// carried further), and on a table that one of the two renames.
func (m *Migrator) checkOrder(ctx context.Context, eng engine.Engine, s *source, links []plan.Link) error {
	ov, err := eng.Overview(ctx)
	if err != nil {
		return err
	}
	for _, st := range s.m.Statements {
		c, ok := st.Change.(RenameColumn)
		if !ok {
			continue
		}
		for _, l := range links {
			row := ov.Find(l.Migration)
			if l.Table == c.Table && l.New == c.From && row != nil && row.State != engine.StateVerified && row.State != engine.StateHidden {
				return &OrderError{s.name, l.Migration, fmt.Sprintf("it renames %s.%s, the new side of that migration, which is %s; it must be verified first: let the backfill finish, then start again", c.Table, c.From, row.State)}
			}
		}
	}
	for _, row := range ov.Migrations {
		if !row.Contract || row.Name == s.name || row.State == engine.StateDropped || row.State == engine.StateRolledBack {
			continue
		}
		p, err := eng.Plan(ctx, row.Name)
		if err != nil {
			return err
		}
		if p == nil || !(renamesTable(s.m) || renamesTable(&p.Migration)) {
			continue
		}
		for t := range targets(&p.Migration) {
			if s.target[t] {
				return &OrderError{s.name, row.Name, fmt.Sprintf("one of the two renames table %s, and that migration is %s; contract it first, or roll it back", t, row.State)}
			}
		}
	}
	return nil
}

func renamesTable(m *Migration) bool {
	for _, st := range m.Statements {
		if _, ok := st.Change.(RenameTable); ok {
			return true
		}
	}
	return false
}

// directly reports whether a migration can run as it was written: the database has
// no rows and the build needs no old side.
func (m *Migrator) directly(ov *engine.Overview, s *source, links []plan.Link) bool {
	if !ov.Fresh || ov.Find(s.name) != nil {
		return false
	}
	for _, l := range links {
		if s.target[l.Table] {
			return false
		}
	}
	return !contracts(s.m) || slices.Contains(m.lines, s.name)
}

// contracts reports whether a migration leaves an old side behind.
func contracts(m *Migration) bool {
	for _, st := range m.Statements {
		switch st.Change.(type) {
		case RenameColumn, RenameTable, DropColumn:
			return true
		}
	}
	return false
}

// expand runs one migration's expand phase; filled says that it has a backfill.
func (m *Migrator) expand(ctx context.Context, l *runner.Lease, ov *engine.Overview, s *source, ready *Plan) (filled bool, err error) {
	eng := l.Engine()
	links, err := eng.Links(ctx, "", "")
	if err != nil {
		return false, err
	}
	if m.directly(ov, s, links) {
		p := &Plan{Format: plan.Format, Migration: *s.m, Dialect: eng.Dialect(), Direct: eng.Direct(s.m)}
		state := engine.StateComplete
		if contracts(s.m) {
			state = engine.StateDropped
		}
		m.cfg.Logger.Info("run as written on an empty database", "migration", s.name)
		return false, eng.RunDirect(ctx, l.Token(), p, state)
	}
	var p *Plan
	switch {
	case ov.Find(s.name) != nil: // in flight: never rendered again
		if p, err = eng.Plan(ctx, s.name); err != nil {
			return false, err
		}
	case ready != nil:
		p = ready
	default:
		if p, err = m.resolve(ctx, eng, s); err != nil {
			return false, err
		}
	}
	if ov.Find(s.name) == nil {
		for _, n := range p.Notes {
			m.cfg.Logger.Info("preflight", "migration", s.name, "hazard", n.Hazard, "note", n.Text, "accepted", n.Reason)
		}
		if err := eng.Begin(ctx, l.Token(), p, engine.StateExpanding); err != nil {
			return false, err
		}
	}
	return len(p.Fills) > 0, l.Phase(ctx, p, plan.PhaseExpand, runner.PhaseOptions{State: expandedState(p)})
}

// expandedState is where a migration stands after its expand phase.
func expandedState(p *Plan) State {
	switch {
	case len(p.Fills) > 0:
		return engine.StateExpanded
	case p.Contracts():
		return engine.StateVerified
	}
	return engine.StateComplete
}
