package scratch

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/phasedb/phased/expand/plan"
)

// Database is an empty database on a scratch server.
type Database struct {
	// DSN is a URL for pgx, psql and pgbench; for MariaDB and MySQL the form of github.com/go-sql-driver/mysql, without
	// parameters that a scratch server does not need.
	DSN string

	DB      *sql.DB // a pool on it, through pgx's stdlib or go-sql-driver/mysql, without a limit; closed by Drop
	Version int     // as [Server.Version]
	Name    string
	Dialect plan.Dialect

	server *Server
	direct struct {
		sync.Mutex
		db *sql.DB
	}
}

// Direct is the DSN that leads to the server itself, where DSN leads through a pooler; else it is DSN.
func (d *Database) Direct() string { return d.server.cfg.product.withDatabase(d.server.dsn, d.Name) }

// DirectDB is a pool on [Database.Direct], closed by Drop; DB where there is no pooler.
func (d *Database) DirectDB() *sql.DB {
	if d.server.pooler == nil {
		return d.DB
	}
	d.direct.Lock()
	defer d.direct.Unlock()
	if d.direct.db == nil {
		db, err := d.server.cfg.product.open(d.Direct() + "&application_name=" + url.PathEscape(directName))
		if err != nil { // the server was opened with the same address
			panic("scratch: " + err.Error())
		}
		d.direct.db = db
	}
	return d.direct.db
}

// PastPooler is what belongs into a Config.Direct: DirectDB behind a pooler, else nil.
func (d *Database) PastPooler() *sql.DB {
	if d.server.pooler == nil {
		return nil
	}
	return d.DirectDB()
}

// EndPooled ends the sessions of the pooler, where there is one, and returns when they are gone: what was set for the
// database or a role (ALTER DATABASE … SET) holds for new sessions only.
func (d *Database) EndPooled(ctx context.Context) error {
	if d.server.pooler == nil {
		return nil
	}
	for {
		var n int
		err := d.server.admin.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a, pg_database b
			WHERE b.datname = $1 AND a.datid = b.oid AND a.client_port IS NOT NULL AND NOT a.application_name = $2`, d.Name, directName).Scan(&n)
		if err != nil || n == 0 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// directName is the application_name of DirectDB's sessions behind a pooler.
const directName = "scratch direct"

// Pooled tells whether DSN leads through a pooler.
func (d *Database) Pooled() bool { return d.server.pooler != nil }

// CreateDatabase makes an empty database with a name of its own.
func (s *Server) CreateDatabase(ctx context.Context) (*Database, error) {
	name := "phased_scratch_" + random()
	p := s.cfg.product
	if err := p.createDatabase(ctx, s, name); err != nil {
		return nil, fmt.Errorf("create scratch database: %w", err)
	}
	dsn := s.dsn
	if s.pooler != nil {
		dsn = s.pooler.dsn
	}
	d := &Database{DSN: p.withDatabase(dsn, name), Version: s.version, Name: name, Dialect: s.cfg.Dialect, server: s}
	var err error
	if d.DB, err = p.open(d.DSN); err != nil {
		return nil, err
	}
	return d, nil
}

// Drop closes the pool, ends every other connection to the database and drops it. On PostgreSQL, prepared transactions in
// it are rolled back and its replication slots dropped; on MariaDB and MySQL, whoever made a prepared XA transaction ends
// it, because it does not say which database it is in. Dropping a database that is gone does nothing, and neither does
// dropping one of a server that was closed.
func (d *Database) Drop(ctx context.Context) error {
	d.DB.Close()
	if db := d.DirectDB(); db != d.DB {
		db.Close()
	}
	if d.server.isClosed() {
		return nil
	}
	if err := d.server.cfg.product.dropDatabase(ctx, d); err != nil {
		return fmt.Errorf("drop database %s: %w", d.Name, err)
	}
	return nil
}

func random() string {
	b := make([]byte, 6)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
