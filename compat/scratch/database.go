package scratch

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Database is an empty database on a scratch server.
type Database struct {
	DSN     string  // URL for pgx, psql and pgbench
	DB      *sql.DB // a pool on it, through pgx's stdlib, without a limit; closed by Drop
	Version int     // server_version_num, for example 150018 for PostgreSQL 15.18
	Name    string

	server *Server
}

// CreateDatabase makes an empty database with a name of its own.
func (s *Server) CreateDatabase(ctx context.Context) (*Database, error) {
	name := "phased_scratch_" + random()
	// template0: nobody can be connected to it, so any number of copies can be made at the same time.
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE template0"+s.strategy()); err != nil {
		return nil, fmt.Errorf("create scratch database: %w", err)
	}
	d := &Database{DSN: withDatabase(s.url, name), Version: s.version, Name: name, server: s}
	var err error
	if d.DB, err = open(d.DSN); err != nil {
		return nil, err
	}
	return d, nil
}

// strategy is the faster way to copy template0: without fsync it is copying its files, checkpoints included.
func (s *Server) strategy() string {
	if s.version < 150000 || s.source == SourceDSN {
		return "" // the choice came with PostgreSQL 15; and checkpoints on a server of others are theirs to decide on
	}
	return " STRATEGY FILE_COPY"
}

// Drop closes the pool, ends every other connection to the database and drops it. Prepared transactions in it are
// rolled back and its replication slots dropped. Dropping a database that is gone does nothing, and neither does
// dropping one of a server that was closed.
func (d *Database) Drop(ctx context.Context) error {
	d.DB.Close()
	if d.server.isClosed() {
		return nil
	}
	err := d.drop(ctx)
	if err != nil { // the way is not free: what holds it is rare, so it is looked for only now
		if cerr := d.clear(ctx); cerr != nil {
			return fmt.Errorf("drop database %s: %w (and clear it: %w)", d.Name, err, cerr)
		}
		err = d.drop(ctx)
	}
	if err != nil {
		return fmt.Errorf("drop database %s: %w", d.Name, err)
	}
	return nil
}

func (d *Database) drop(ctx context.Context) error {
	force := " WITH (FORCE)"
	if d.Version < 130000 {
		force = ""
		if _, err := d.server.admin.ExecContext(ctx,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, d.Name); err != nil {
			return err
		}
	}
	_, err := d.server.admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+quote(d.Name)+force)
	return err
}

// clear removes what makes DROP DATABASE … WITH (FORCE) refuse: prepared transactions, which can only be ended from
// inside the database, and replication slots.
func (d *Database) clear(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, d.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	gids, err := collect(ctx, conn, `SELECT gid FROM pg_prepared_xacts WHERE database = current_database()`)
	if err != nil {
		return err
	}
	for _, gid := range gids {
		if _, err := conn.Exec(ctx, "ROLLBACK PREPARED "+literal(gid)); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
		WHERE database = current_database() AND active_pid IS NOT NULL`); err != nil {
		return err
	}
	slots, err := collect(ctx, conn, `SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()`)
	if err != nil {
		return err
	}
	for _, slot := range slots {
		if _, err := conn.Exec(ctx, `SELECT pg_drop_replication_slot($1)`, slot); err != nil {
			return err
		}
	}
	return nil
}

func collect(ctx context.Context, conn *pgx.Conn, query string) ([]string, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func random() string {
	b := make([]byte, 6)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
