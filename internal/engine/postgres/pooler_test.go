package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/postgres"
)

// behind starts a server behind a pooler and gives a database on it.
func behind(t *testing.T, p scratch.Pooler) *scratch.Database {
	t.Helper()
	d, err := scratch.PostgresServer(t, scratch.Config{Pooler: p}).CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// quiet is a driver that does not tell what the server said at login.
type quiet struct{ driver.Connector }

func (q quiet) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := q.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	s := c.(*stdlib.Conn)
	return struct {
		driver.Conn
		driver.ConnBeginTx
		driver.ExecerContext
		driver.QueryerContext
	}{s, s, s, s}, nil
}

func quietly(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(quiet{stdlib.GetConnector(*cfg)})
	t.Cleanup(func() { db.Close() })
	return db
}

var (
	sessionStep     = []plan.Step{inTx("SELECT 1"), alone("VACUUM")}
	transactionStep = []plan.Step{inTx("SELECT 1")}
)

func TestAPoolerInTransactionModeIsFound(t *testing.T) {
	t.Parallel()
	d := behind(t, scratch.PoolerPgBouncer)
	one := func(db *sql.DB) *sql.DB { db.SetMaxOpenConns(1); return db }
	for name, c := range map[string]struct {
		db, direct *sql.DB
		want       string
	}{
		"pgx":                          {db: d.DB, want: "hands out sessions by the transaction"},
		"a driver that does not tell":  {db: quietly(t, d.DSN), want: "hands out sessions by the transaction"},
		"one connection":               {db: one(stdlibDB(t, d.DSN)), want: "a pool of one connection cannot find out"},
		"a direct pool":                {db: d.DB, direct: d.DirectDB()},
		"a direct pool that is not":    {db: d.DB, direct: quietly(t, d.DSN), want: "Config.Direct is no way to it: a pooler in between"},
		"the server itself":            {db: d.DirectDB()},
		"itself, does not tell":        {db: quietly(t, d.Direct())},
		"itself, one connection":       {db: one(stdlibDB(t, d.Direct()))},
		"itself, one that is not told": {db: one(quietly(t, d.Direct()))},
	} {
		t.Run(name, func(t *testing.T) {
			e := postgres.New(c.db, c.direct, nil)
			if err := e.CanRun(t.Context(), transactionStep); err != nil {
				t.Errorf("steps in transactions are refused: %v", err)
			}
			err := e.CanRun(t.Context(), sessionStep)
			var refused *engine.PoolerError
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Config.Direct")):
				t.Errorf("got %v", err)
			}
		})
	}
}

func stdlibDB(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Other clients take sessions and give them back all the time: a client may be on the
// session that it had before, by chance.
func TestAPoolerInTransactionModeIsFoundUnderLoad(t *testing.T) {
	t.Parallel()
	d := behind(t, scratch.PoolerPgBouncer)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				_, _ = d.DB.ExecContext(ctx, "SELECT pg_sleep(0.001)")
			}
		})
	}
	e := postgres.New(quietly(t, d.DSN), nil, nil)
	for range 100 {
		if err := e.CanRun(t.Context(), sessionStep); !errors.As(err, new(*engine.PoolerError)) {
			t.Errorf("got %v", err)
		}
	}
	stop()
	load.Wait()
}

func TestAPoolerInSessionModeIsNoHindrance(t *testing.T) {
	t.Parallel()
	d := behind(t, scratch.PoolerPgBouncerSession)
	e := postgres.New(d.DB, d.PastPooler(), nil)
	if err := e.CanRun(t.Context(), sessionStep); err != nil {
		t.Error(err)
	}
}

// Two sessions that are handed out in turn, and nobody else at work.
func TestAPoolerWithTwoSessionsIsFound(t *testing.T) {
	t.Parallel()
	d := behind(t, scratch.PoolerPgBouncer)
	for range 50 {
		if err := d.EndPooled(t.Context()); err != nil {
			t.Fatal(err)
		}
		db := quietly(t, d.DSN)
		one, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		two, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(one.Rollback(), two.Rollback()); err != nil {
			t.Fatal(err)
		}
		e := postgres.New(db, nil, nil)
		if err := e.CanRun(t.Context(), sessionStep); !errors.As(err, new(*engine.PoolerError)) {
			t.Fatalf("got %v", err)
		}
	}
}
