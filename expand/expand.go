package expand

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engines"
	"github.com/phasedb/phased/internal/runner"
)

// Migrator runs the migrations that a build embeds, and registers the build as a
// running instance. It is safe for concurrent use.
type Migrator struct {
	db    *sql.DB
	cfg   Config
	all   []*source
	lines []string
	id    string

	mu     sync.Mutex
	eng    engine.Engine
	up     bool     // Up went through
	beat   *beating // the heartbeat, while it runs
	lacks  []string // contracted migrations whose line this build lacks
	cached readiness
}

// New reads and checks every migration file; it touches no database. fsys may be
// nil when Config.Migrations holds the migrations. Errors are *InputError, joined,
// with file, line and statement.
func New(db *sql.DB, fsys fs.FS, cfg Config) (*Migrator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errors.New("expand: the database is nil")
	}
	all, err := load(fsys, cfg)
	if err != nil {
		return nil, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails since Go 1.24
	return &Migrator{db: db, cfg: cfg, all: all, lines: lines(all), id: hex.EncodeToString(id[:])}, nil
}

// Names lists the build's migrations in order.
func (m *Migrator) Names() []string {
	out := make([]string, len(m.all))
	for i, s := range m.all {
		out[i] = s.name
	}
	return out
}

// Lines lists the contract lines that the build embeds.
func (m *Migrator) Lines() []string { return append([]string{}, m.lines...) }

func (m *Migrator) find(name string) *source {
	for _, s := range m.all {
		if s.name == name {
			return s
		}
	}
	return nil
}

// engine opens the engine once.
func (m *Migrator) engine(ctx context.Context) (engine.Engine, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.eng == nil {
		eng, err := engines.Open(ctx, m.db, m.cfg.Direct, m.cfg.Logger)
		if err != nil {
			return nil, err
		}
		m.eng = eng
	}
	return m.eng, nil
}

func (m *Migrator) runner(eng engine.Engine) runner.Options {
	return runner.Options{Engine: eng, Log: m.cfg.Logger, TTL: m.cfg.Lease, Retry: m.cfg.retry(),
		Holder: fmt.Sprintf("%s %s, %s", m.cfg.App, m.cfg.Version, runner.DefaultHolder())}
}

func (m *Migrator) instance() engine.Instance {
	return engine.Instance{ID: m.id, App: m.cfg.App, Version: m.cfg.Version, Host: hostname(), PID: os.Getpid(), Lines: m.lines, Lifetime: 3 * m.cfg.Heartbeat}
}
