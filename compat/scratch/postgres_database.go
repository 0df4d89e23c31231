package scratch

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// createDatabase copies template0: nobody can be connected to it, so any number of copies can be made at the same time.
func (p postgres) createDatabase(ctx context.Context, s *Server, name string) error {
	_, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE template0"+p.strategy(s))
	return err
}

// strategy is the faster way to copy template0: without fsync it is copying its files, checkpoints included.
func (postgres) strategy(s *Server) string {
	if s.version < 150000 || s.source == SourceDSN {
		return "" // the choice came with PostgreSQL 15; and checkpoints on a server of others are theirs to decide on
	}
	return " STRATEGY FILE_COPY"
}

func (p postgres) dropDatabase(ctx context.Context, d *Database) error {
	err := p.drop(ctx, d)
	if err == nil {
		return nil
	}
	// the way is not free: what holds it is rare, so it is looked for only now
	if cerr := p.clear(ctx, d); cerr != nil {
		return joinLine(err, cerr)
	}
	return p.drop(ctx, d)
}

func (postgres) drop(ctx context.Context, d *Database) error {
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
func (postgres) clear(ctx context.Context, d *Database) error {
	conn, err := pgx.Connect(ctx, d.Direct())
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
