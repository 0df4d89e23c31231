package expand

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// beating is a running heartbeat.
type beating struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// Register records this build as a running instance, whose heartbeat goes on until
// Close, and runs nothing: for a command that is given a build's migrations, so that
// its contract lines count while it lives. Up registers too. *ContractedError refuses
// the build as Up does; ErrNoState where phased has not been used yet.
func (m *Migrator) Register(ctx context.Context) error {
	if m.cfg.App == "" {
		return errNoApp
	}
	eng, err := m.engine(ctx)
	if err != nil {
		return err
	}
	if _, err := eng.Overview(ctx); errors.Is(err, engine.ErrNoState) {
		return ErrNoState
	} else if err != nil {
		return err
	}
	if err := eng.Register(ctx, m.instance()); err != nil {
		return err
	}
	m.live(eng)
	return nil
}

// live begins the heartbeat. It does not hang on the caller's context, which may be
// one for the start only; Close ends it.
func (m *Migrator) live(eng engine.Engine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.beat != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	m.beat = &beating{stop, make(chan struct{})}
	go m.heartbeat(ctx, eng, m.beat.ended)
}

func (m *Migrator) heartbeat(ctx context.Context, eng engine.Engine, ended chan struct{}) {
	defer close(ended)
	t := time.NewTicker(m.cfg.Heartbeat)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		try, stop := context.WithTimeout(ctx, 2*m.cfg.Heartbeat)
		lacks, err := eng.Heartbeat(try, m.id)
		stop()
		if err != nil && ctx.Err() == nil {
			m.cfg.Logger.Warn("heartbeat did not go through, trying again", "error", err)
			continue
		}
		m.mu.Lock()
		fresh := len(lacks) > 0 && len(m.lacks) == 0
		m.lacks = lacks
		m.mu.Unlock()
		if fresh {
			m.cfg.Logger.Error("this build may use an old side that is gone; it is not ready any more", "migrations", lacks)
		}
	}
}

// Close ends the heartbeat and says goodbye to the register. The service no longer
// counts as running. It is safe to call more than once.
func (m *Migrator) Close(ctx context.Context) error {
	m.mu.Lock()
	beat, eng := m.beat, m.eng
	m.beat, m.up = nil, false
	m.mu.Unlock()
	if beat == nil {
		return nil
	}
	beat.stop()
	<-beat.ended
	if err := eng.Deregister(ctx, m.id); err != nil {
		return fmt.Errorf("take this instance out of the register: %w; it counts as gone after %s", err, 3*m.cfg.Heartbeat)
	}
	return nil
}

// sayGoodbye takes back the registration of an Up that went wrong.
func (m *Migrator) sayGoodbye(ctx context.Context, eng engine.Engine) {
	back, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stop()
	if err := eng.Deregister(back, m.id); err != nil {
		m.cfg.Logger.Warn("instance not taken out of the register", "error", err)
	}
}

// readiness is an answer kept for a moment, so that probes do not load the database.
type readiness struct {
	at  time.Time
	err error
}

const readyFor = time.Second

// Check reports whether this instance may take traffic: Up went through, and what
// this build's migrations add is filled and verified (migrations in Config.ReadsOld
// apart). Else the error is a *NotReadyError, or says why the database did not answer.
func (m *Migrator) Check(ctx context.Context) error {
	m.mu.Lock()
	up, eng, lacks, cached := m.up, m.eng, m.lacks, m.cached
	m.mu.Unlock()
	if !up {
		return &NotReadyError{[]string{"Up has not gone through yet"}}
	}
	if len(lacks) > 0 {
		return &NotReadyError{[]string{(&ContractedError{Migrations: lacks}).Error()}}
	}
	if time.Since(cached.at) < readyFor {
		return cached.err
	}
	ov, err := eng.Overview(ctx)
	if err != nil {
		return fmt.Errorf("ask whether this build may take traffic: %w", err)
	}
	err = m.ready(ov)
	m.mu.Lock()
	m.cached = readiness{time.Now(), err}
	m.mu.Unlock()
	return err
}

func (m *Migrator) ready(ov *engine.Overview) error {
	var reasons []string
	for _, s := range m.all {
		if slices.Contains(m.cfg.ReadsOld, s.name) || (m.cfg.Until != "" && s.name > m.cfg.Until) {
			continue
		}
		row := ov.Find(s.name)
		switch {
		case row == nil:
			reasons = append(reasons, s.name+" has not run")
		case row.State == engine.StateRolledBack, row.State == engine.StateRollingBack:
			reasons = append(reasons, fmt.Sprintf("%s is %s (%s); `phased resume` lets it run again", s.name, row.State, row.Reason))
		case row.State == engine.StateExpanding, row.State == engine.StateExpanded, row.State == engine.StateBackfilling:
			reasons = append(reasons, fmt.Sprintf("%s is %s, its backfill is not verified yet", s.name, row.State))
		}
	}
	if len(reasons) > 0 {
		return &NotReadyError{reasons}
	}
	return nil
}

// Ready is a readiness probe: 200 and "ready", or 503 and the reasons. An answer is
// kept for one second.
func (m *Migrator) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := m.Check(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintln(w, "ready")
	})
}
