// Package postgres is the engine for PostgreSQL, from version 13 on.
//
// Files: catalog reads the schema model; render_*.go turn one kind of change
// into steps; copy.go lets the server rewrite expressions; sync.go composes the
// trigger that keeps two columns in step; state.go holds the state tables;
// lease.go the runner's claim; run.go runs a step; fill.go writes a backfill's
// chunks; witness.go answers the gates.
package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Engine is the engine over a pool. It keeps no state of its own.
type Engine struct {
	db     *sql.DB
	direct *sql.DB
	log    *slog.Logger
}

// New returns the engine over db. direct leads to the server itself where db leads
// through a pooler; steps outside a transaction run on it. Both it and log may be nil.
func New(db, direct *sql.DB, log *slog.Logger) *Engine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Engine{db: db, direct: direct, log: log}
}

// Dialect is plan.DialectPostgres.
func (e *Engine) Dialect() plan.Dialect { return plan.DialectPostgres }

// minVersion is the oldest server that is supported: BEFORE row triggers on
// partitioned tables exist from PostgreSQL 13 on.
const minVersion = 130000

const serverSQL = `SELECT current_setting('server_version_num')::int, 'PostgreSQL ' || current_setting('server_version'),
  current_database(), current_user,
  CASE WHEN pg_is_in_recovery() THEN 'it is a replica'
       WHEN current_setting('transaction_read_only') = 'on' THEN 'its sessions are read-only (default_transaction_read_only)'
       ELSE '' END`

// Server describes the server and the connected role.
func (e *Engine) Server(ctx context.Context) (*engine.Server, error) {
	var s engine.Server
	if err := e.db.QueryRowContext(ctx, serverSQL).Scan(&s.Version, &s.Name, &s.Database, &s.Role, &s.NoWrites); err != nil {
		return nil, fmt.Errorf("ask the server for its version: %w", err)
	}
	return &s, checkVersion(&s)
}

func checkVersion(s *engine.Server) error {
	if s.Version < minVersion {
		return fmt.Errorf("%s is not supported: PostgreSQL 13 or later is needed", s.Name)
	}
	return nil
}
