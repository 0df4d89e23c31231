package expand

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

// Report is what is where in a database.
type Report struct {
	Server     string            `json:"server"`
	Database   string            `json:"database"`
	Migrations []MigrationStatus `json:"migrations"`
	Instances  []InstanceStatus  `json:"instances"`
}

// MigrationStatus is where a migration stands and what it waits for.
type MigrationStatus struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	Since    time.Time `json:"since"`
	Paused   bool      `json:"paused,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Waiting  string    `json:"waiting,omitempty"` // what comes next, and for what it waits
	Steps    int       `json:"steps"`             // of the phases up to the drop
	Done     int       `json:"done"`
	LastStep string    `json:"last_step,omitempty"` // the step at hand, when one has failed
	Error    string    `json:"error,omitempty"`     // of its last try
	Checksum string    `json:"checksum"`
}

// InstanceStatus is a running instance in the register.
type InstanceStatus struct {
	App     string        `json:"app"`
	Version string        `json:"version"`
	Host    string        `json:"host"`
	PID     int           `json:"pid"`
	Lines   []string      `json:"lines"`
	Alive   bool          `json:"alive"`
	SeenAgo time.Duration `json:"seen_ago"`
}

// Status reads what is where. It needs no migration files and changes nothing.
func Status(ctx context.Context, db *sql.DB) (*Report, error) {
	eng, err := engines.Open(ctx, db, nil, nil)
	if err != nil {
		return nil, err
	}
	ov, err := eng.Overview(ctx)
	if errors.Is(err, engine.ErrNoState) {
		return nil, ErrNoState
	}
	if err != nil {
		return nil, err
	}
	r := &Report{Server: ov.Server.Name, Database: ov.Server.Database, Migrations: []MigrationStatus{}, Instances: []InstanceStatus{}}
	for _, row := range ov.Migrations {
		s := MigrationStatus{Name: row.Name, State: row.State, Since: row.StateAt, Paused: row.Paused, Reason: row.Reason, Checksum: row.Checksum}
		steps, err := eng.Steps(ctx, row.Name)
		if err != nil {
			return nil, err
		}
		for _, st := range steps {
			if st.Phase == plan.PhaseUndo {
				continue
			}
			s.Steps++
			if st.Done {
				s.Done++
			} else if st.Error != "" {
				s.LastStep, s.Error = st.Title, st.Error
			}
		}
		s.Waiting = waiting(row)
		r.Migrations = append(r.Migrations, s)
	}
	instances, err := eng.Instances(ctx)
	if err != nil {
		return nil, err
	}
	for _, in := range instances {
		if !in.Stopped {
			r.Instances = append(r.Instances, InstanceStatus{in.App, in.Version, in.Host, in.PID, in.Lines, in.Alive, in.SeenAgo})
		}
	}
	return r, nil
}

// Status is Status for the Migrator's database.
func (m *Migrator) Status(ctx context.Context) (*Report, error) { return Status(ctx, m.db) }

func waiting(row engine.Migration) string {
	if row.Paused {
		return "paused by hand; `phased resume` goes on"
	}
	switch row.State {
	case engine.StateExpanding:
		return "expand is not finished: any replica's Up goes on"
	case engine.StateExpanded:
		return "backfill has not begun: run backfill.Work in a replica, or `phased backfill`"
	case engine.StateBackfilling:
		return "backfill and verification"
	case engine.StateVerified:
		return "contract: `phased contract -dry-run` lists the gates"
	case engine.StateHidden:
		return "second half of contract: the old side is hidden and still in step"
	case engine.StateDropping:
		return "the drop is not finished: contract goes on"
	case engine.StateRollingBack:
		return "the rollback is not finished: `phased rollback` goes on"
	case engine.StateRolledBack:
		return "`phased resume` lets it run again"
	}
	return ""
}

// Render renders a migration against a live catalog, without running anything. Pairs
// of columns that are in flight there are taken into account.
func Render(ctx context.Context, db *sql.DB, m *Migration) (*Plan, error) {
	eng, err := engines.Open(ctx, db, nil, nil)
	if err != nil {
		return nil, err
	}
	links, err := eng.Links(ctx, "", "")
	if err != nil && !errors.Is(err, engine.ErrNoState) {
		return nil, fmt.Errorf("plan %s: %w", m.Name, err)
	}
	return eng.Resolve(ctx, m, links)
}

// Plan renders the build's migration of that name against the live catalog. An
// *OrderError says that it needs an earlier one to be further on.
func (m *Migrator) Plan(ctx context.Context, name string) (*Plan, error) {
	s := m.find(name)
	if s == nil {
		return nil, fmt.Errorf("plan %s: no such migration among the files (they are %v)", name, m.Names())
	}
	eng, err := m.engine(ctx)
	if err != nil {
		return nil, err
	}
	links, err := eng.Links(ctx, "", "")
	switch {
	case errors.Is(err, engine.ErrNoState):
	case err != nil:
		return nil, fmt.Errorf("plan %s: %w", name, err)
	default:
		if err := m.checkOrder(ctx, eng, s, links); err != nil {
			return nil, err
		}
	}
	return eng.Resolve(ctx, s.m, links)
}
