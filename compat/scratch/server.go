package scratch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/phasedb/phased/expand/plan"
)

// Server is a database server to make databases on. Its methods may be called from several goroutines.
type Server struct {
	cfg     Config
	source  Source
	dsn     string
	admin   *sql.DB
	version int
	backend backend

	pooler *pooler // nil where none is asked for

	mu     sync.Mutex // held while the server is stopped, started or closed
	closed bool
}

// backend is the part that differs between sources.
type backend interface {
	close() error // ends what was started; nothing for a server that somebody else looks after
}

// faulty is a backend that can be made to fail.
type faulty interface {
	kill() error
	restart(ctx context.Context) error
}

// connect completes a server whose address is known.
func connect(ctx context.Context, cfg Config, source Source, dsn string, b backend) (*Server, error) {
	p := cfg.product
	dsn, err := p.parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("read %s DSN: %w", source, err)
	}
	s := &Server{cfg: cfg, source: source, dsn: dsn, backend: b}
	if s.admin, err = p.open(dsn); err != nil {
		return nil, err
	}
	if s.version, err = p.version(ctx, s.admin); err != nil {
		s.admin.Close()
		return nil, fmt.Errorf("ask server version: %w", err)
	}
	if cfg.Pooler == PoolerPgBouncer || cfg.Pooler == PoolerPgBouncerSession {
		if s.pooler, err = startPooler(ctx, cfg, dsn); err != nil {
			s.admin.Close()
			return nil, err
		}
	}
	cfg.Log.Info("scratch server ready", "server", p.traits().name, "source", string(source), "version", s.version,
		"host", p.host(dsn))
	return s, nil
}

// DSN is for a role that may create databases: on PostgreSQL a URL of the maintenance database, on MariaDB and MySQL in
// the form of github.com/go-sql-driver/mysql, without a database. It leads to the server itself, past any pooler.
func (s *Server) DSN() string { return s.dsn }

// Dialect says which server it is.
func (s *Server) Dialect() plan.Dialect { return s.cfg.Dialect }

// Source says where the server came from.
func (s *Server) Source() Source { return s.source }

// Version is a number that grows with each release: server_version_num of PostgreSQL, for example 150018 for 15.18;
// 10000 × major + 100 × minor + patch of MariaDB and MySQL, for example 101119 for 10.11.19 and 90704 for 9.7.4.
func (s *Server) Version() int { return s.version }

// Close ends the server, at once and with whatever is connected to it, and removes its files. For a server behind a
// DSN it only closes the connections that this Server made. Closing again does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.admin.Close()
	var err error
	if s.pooler != nil {
		err = s.pooler.close()
	}
	if err = errors.Join(err, s.backend.close()); err != nil {
		return fmt.Errorf("close %s server: %w", s.source, err)
	}
	return nil
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Kill ends the whole server with SIGKILL, as a crash would, with every backend of PostgreSQL. Connections break;
// what was committed is there again after [Server.Restart]. It returns when all processes are gone, and
// [ErrNotOwned] where the server was not started from binaries.
func (s *Server) Kill() error {
	return s.fault("kill", func(f faulty) error { return f.kill() })
}

// Restart starts a killed server again on the same data, address and port; a running one is first shut down in
// order, ending its connections. It returns when the server accepts connections again, and [ErrNotOwned] where the
// server was not started from binaries.
func (s *Server) Restart(ctx context.Context) error {
	return s.fault("restart", func(f faulty) error { return f.restart(ctx) })
}

func (s *Server) fault(what string, do func(faulty) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.backend.(faulty)
	switch {
	case !ok:
		return fmt.Errorf("%s %s server: %w", what, s.source, ErrNotOwned)
	case s.closed:
		return fmt.Errorf("%s server: already closed", what)
	}
	s.admin.SetMaxIdleConns(0) // none of these connections outlives the server
	s.admin.SetMaxIdleConns(2)
	if err := do(f); err != nil {
		return fmt.Errorf("%s server: %w", what, err)
	}
	return nil
}
