package scratch

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
)

// own is a server from binaries, whatever the environment prefers.
func own(t *testing.T, d plan.Dialect, settings map[string]string) *Server {
	t.Helper()
	start := map[plan.Dialect]func(testing.TB, Config) *Server{
		plan.DialectPostgres: PostgresServer, plan.DialectMariaDB: MariaDBServer, plan.DialectMySQL: MySQLServer,
	}[d]
	return start(t, Config{Source: SourceBinaries, Settings: settings})
}

func database(t *testing.T, s *Server) *Database {
	t.Helper()
	db, err := s.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// PostgreSQL is many processes.
func TestKillEndsEveryBackend(t *testing.T) {
	t.Parallel()
	s := own(t, plan.DialectPostgres, nil)
	db := database(t, s)
	if err := db.DB.Ping(); err != nil {
		t.Fatal(err)
	}
	family, err := children(s.backend.(*cluster).process.pid)
	if err != nil || len(family) == 0 {
		t.Fatalf("backends %v, %v", family, err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range family {
		if !ended(pid) {
			t.Errorf("process %d lives on", pid)
		}
	}
}

// A killed server is gone with all its processes, and back on the same DSN with what was committed; again and again.
func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		s := own(t, d, nil)
		db := database(t, s)
		if _, err := db.DB.Exec(`CREATE TABLE t (i int PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if _, err := db.DB.Exec(fmt.Sprintf(`INSERT INTO t VALUES (%d)`, i)); err != nil {
				t.Fatal(err)
			}
			pid := s.backend.(*cluster).process.pid
			if i < 2 {
				for range 2 {
					if err := s.Kill(); err != nil {
						t.Fatal(err)
					}
				}
				if !ended(pid) {
					t.Errorf("process %d lives on", pid)
				}
				if err := db.DB.Ping(); err == nil {
					t.Fatal("a killed server answers")
				}
			}
			if err := s.Restart(t.Context()); err != nil { // the last time of a running server
				t.Fatal(err)
			}
			var n int
			if err := db.DB.QueryRow(`SELECT count(*) FROM t`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n != i+1 {
				t.Errorf("after restart %d: %d rows, want %d", i, n, i+1)
			}
			db.DB.SetMaxIdleConns(0)
		}
		if err := db.Drop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Somebody who sits on the port for a moment delays a restart, and no more.
func TestRestartWaitsForThePort(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		s := own(t, d, nil)
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		c := s.backend.(*cluster)
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", c.port))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := c.start(t.Context()); !errors.Is(err, errPortTaken) {
			t.Fatalf("got %v, want %v", err, errPortTaken)
		}
		time.AfterFunc(300*time.Millisecond, func() { l.Close() })
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		database(t, s)
	})
}

func TestCloseRemovesEverything(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		s := own(t, d, nil)
		db := database(t, s)
		c := s.backend.(*cluster)
		folder, pid := c.folder.path, c.process.pid
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !ended(pid) {
			t.Errorf("process %d lives on", pid)
		}
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder %s is still there: %v", folder, err)
		}
		if err := db.Drop(t.Context()); err != nil {
			t.Errorf("drop after close: %v", err)
		}
		if err := s.Kill(); err == nil {
			t.Error("kill after close: no error")
		}
	})
}

func TestSettingsReplaceDefaults(t *testing.T) {
	t.Parallel()
	s := own(t, plan.DialectPostgres, map[string]string{"fsync": "on", "application_name": `it's a \ name`})
	db := database(t, s)
	for name, want := range map[string]string{
		"fsync":                     "on",
		"wal_level":                 "logical",
		"max_prepared_transactions": "20",
		"application_name":          `it's a \ name`,
		"server_encoding":           "UTF8",
		"listen_addresses":          "127.0.0.1",
	} {
		var got string
		if err := db.DB.QueryRow(`SELECT current_setting($1)`, name).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestDropClearsTheWay(t *testing.T) {
	t.Parallel()
	s := own(t, plan.DialectPostgres, nil)
	db := database(t, s)
	for _, stmt := range []string{
		`CREATE TABLE t (i int)`,
		`SELECT pg_create_logical_replication_slot('slot', 'test_decoding')`, // first: it waits for every transaction in progress
		`BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'it''s mine'`,
	} {
		if _, err := db.DB.Exec(stmt); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Errorf("drop again: %v", err)
	}
}

func TestServerBehindDSN(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		s := own(t, d, nil)
		c := s.backend.(*cluster)
		dsns := map[string]string{
			"TCP":    s.DSN(),
			"socket": "root@unix(" + c.folder.file(socketName) + ")/mysql?parseTime=true",
		}
		if d == plan.DialectPostgres {
			dsns["keywords"] = fmt.Sprintf("host=127.0.0.1 user=postgres dbname='postgres' sslmode=disable port=%d", c.port)
			dsns["socket"] = fmt.Sprintf("host=%s user=postgres dbname=postgres port=%d", c.folder.path, c.port)
		}
		for name, dsn := range dsns {
			t.Run(name, func(t *testing.T) {
				f, err := Start(t.Context(), Config{Dialect: d, Source: SourceDSN, DSN: dsn})
				if err != nil {
					t.Fatal(err)
				}
				db := database(t, f)
				if _, err := db.DB.Exec(`CREATE TABLE mine AS SELECT 1 AS i`); err != nil {
					t.Fatal(err)
				}
				var got string
				var i int
				if err := db.DB.QueryRow(currentDatabase[d]).Scan(&got, &i); err != nil || got != db.Name {
					t.Errorf("connected to %q, want %q: %v", got, db.Name, err)
				}
				if err := db.Drop(t.Context()); err != nil {
					t.Error(err)
				}
				if err := f.Kill(); !errors.Is(err, ErrNotOwned) {
					t.Errorf("kill: got %v, want ErrNotOwned", err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		database(t, s) // it is still there
	})
}
