package lifetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/phasedb/phased/compat/scratch"
)

type postgresServer struct{ s *scratch.Server }

func (postgres) server(t testing.TB) server {
	s, err := scratch.Shared(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return postgresServer{s}
}

func (postgres) ownServer(t testing.TB) server {
	return postgresServer{scratch.PostgresServer(t, scratch.Config{Settings: map[string]string{
		"deadlock_timeout": "100ms", // steps give up waiting before the default
		"autovacuum":       "off",   // steps wait longer behind it
	}})}
}

func (s postgresServer) database(ctx context.Context) (address, func(context.Context) error, error) {
	db, err := s.s.CreateDatabase(ctx)
	if err != nil {
		return address{}, nil, err
	}
	a := address{db.DSN, db.Direct()}
	if !db.Pooled() {
		a.direct = a.dsn
	}
	return a, db.Drop, nil
}

func (s postgresServer) crash(ctx context.Context) error {
	err := s.s.Kill()
	if errors.Is(err, scratch.ErrNotOwned) {
		return nil // it is not ours to crash
	}
	return errors.Join(err, s.s.Restart(ctx))
}

// tolerated: cut connections, deadlocks, a column that is not there for the code's version.
func (postgres) tolerated(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return "cut" // the connection
	}
	switch pg.Code {
	case "42703": // undefined_column
		return "not deployed"
	case "57P01", "57P02", "57P03", "08P01", "40P01", "40001", "25P02", "53300": // shutdown, crash, starting, a pooler's word for these, deadlock, …: the client tries again
		return "cut"
	case "0A000": // cached plan must not change result type: the client prepares again
		return "prepared again"
	}
	return ""
}

func (postgres) patience() time.Duration { return lockTimeout }

func (postgres) faults() []faultKind { return nil }

func (postgres) happen(*life, fault) {}

func (postgres) cut(ctx context.Context, db *sql.DB, which int) error {
	_, err := db.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY md5(pid::text || $1) LIMIT 1) p`, fmt.Sprint(which))
	return err
}

func (postgres) hold(ctx context.Context, db *sql.DB, l lock) (func() error, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	stmt := map[lockKind]string{
		lockReader: "SELECT FROM " + l.table + " LIMIT 1",
		lockWriter: "LOCK TABLE " + l.table + " IN ROW EXCLUSIVE MODE",
		lockRow:    l.row,
		lockTable:  "LOCK TABLE " + l.table,
	}[l.kind]
	if _, err := tx.ExecContext(ctx, stmt); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx.Rollback, nil
}

func (postgres) waits(ctx context.Context, db *sql.DB, program string) (statement string, err error) {
	return statement, db.QueryRowContext(ctx, `SELECT coalesce(min(query), '') FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1 AND wait_event_type = 'Lock'`, program).Scan(&statement)
}

func (postgres) delayWalked(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `CREATE FUNCTION watch.delay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$;
		CREATE TRIGGER delay BEFORE UPDATE ON phased.fill FOR EACH ROW WHEN (NEW.state = 'walked' AND OLD.state <> 'walked') EXECUTE FUNCTION watch.delay()`)
	return err
}

func (postgres) delayed(ctx context.Context, db *sql.DB, program string) (is bool, err error) {
	return is, db.QueryRowContext(ctx, `SELECT count(*) > 0 FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1 AND wait_event = 'PgSleep'`, program).Scan(&is)
}

// crossing: an index build waits for older transactions while it holds its lock on
// the table, and a step on a partitioned table locks the partitions last.
func (postgres) crossing(s shape, n int) []string {
	if s.Partitioned {
		return []string{"LOCK TABLE items_1 IN SHARE ROW EXCLUSIVE MODE", "LOCK TABLE items IN SHARE ROW EXCLUSIVE MODE"}
	}
	return []string{postgres{}.lockRow(s, n), "LOCK TABLE items IN SHARE ROW EXCLUSIVE MODE"}
}

// watchSQL: every entry is written by the transaction that does the work, behind the
// lock on the lease or the fill that it holds until it ends. So the entries of two
// holders stand in the order of their leases.
const watchSQL = `CREATE SCHEMA watch;
CREATE TABLE watch.entry (id bigserial, program text NOT NULL DEFAULT current_setting('application_name'), what text, detail text, token bigint NOT NULL DEFAULT 0);

CREATE FUNCTION watch.lease() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO watch.entry (what, detail, token) VALUES ('lease', NEW.holder, NEW.token);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON phased.lease FOR EACH ROW WHEN (NEW.token <> OLD.token) EXECUTE FUNCTION watch.lease();

CREATE FUNCTION watch.step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO watch.entry (what, detail) VALUES ('work', 'step: ' || NEW.title);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON phased.step FOR EACH ROW WHEN (NEW.done AND NOT OLD.done) EXECUTE FUNCTION watch.step();

CREATE FUNCTION watch.migration() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO watch.entry (what, detail) VALUES ('work', 'state: ' || NEW.state);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON phased.migration FOR EACH ROW WHEN (NEW.state <> OLD.state AND NEW.state <> 'backfilling') EXECUTE FUNCTION watch.migration();
CREATE TRIGGER watch_new AFTER INSERT ON phased.migration FOR EACH ROW EXECUTE FUNCTION watch.migration();

CREATE FUNCTION watch.fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO watch.entry (what, detail, token) VALUES (CASE WHEN TG_OP = 'INSERT' THEN 'fill' WHEN NEW.token <> OLD.token THEN 'claim' ELSE 'chunk' END, NEW.state, NEW.token);
  RETURN NULL;
END $$;
CREATE TRIGGER watch_new AFTER INSERT ON phased.fill FOR EACH ROW EXECUTE FUNCTION watch.fill();
CREATE TRIGGER watch AFTER UPDATE ON phased.fill FOR EACH ROW
  WHEN (ROW(NEW.token, NEW.state, NEW.cursor, NEW.filled, NEW.pass) IS DISTINCT FROM ROW(OLD.token, OLD.state, OLD.cursor, OLD.filled, OLD.pass)) EXECUTE FUNCTION watch.fill();

CREATE FUNCTION watch.ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('application_name') NOT IN ('life', 'test') THEN
    INSERT INTO watch.entry (what, detail) VALUES ('work', TG_TAG);
  END IF;
END $$;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch.ddl();`

func (postgres) watch(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, watchSQL)
	return err
}

func (postgres) journal(ctx context.Context, db *sql.DB) ([]entry, error) {
	rows, err := db.QueryContext(ctx, "SELECT program, what, detail, token FROM watch.entry ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.program, &e.what, &e.detail, &e.token); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}
