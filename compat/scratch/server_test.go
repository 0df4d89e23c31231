package scratch

import (
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// own is a server from binaries, whatever the environment prefers.
func own(t *testing.T, settings map[string]string) *Server {
	t.Helper()
	return PostgresServer(t, Config{Source: SourceBinaries, Settings: settings})
}

func database(t *testing.T, s *Server) *Database {
	t.Helper()
	db, err := s.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestKillAndRestartKeepCommits(t *testing.T) {
	t.Parallel()
	s := own(t, nil)
	db := database(t, s)
	if _, err := db.DB.Exec(`CREATE TABLE t (i int)`); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := db.DB.Exec(`INSERT INTO t VALUES ($1)`, i); err != nil {
			t.Fatal(err)
		}
		family, err := children(s.backend.(*cluster).process.pid)
		if err != nil || len(family) == 0 {
			t.Fatalf("backends %v, %v", family, err)
		}
		if i < 2 {
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			for _, pid := range family {
				if !ended(pid) {
					t.Errorf("process %d lives on", pid)
				}
			}
			if conn, err := pgx.Connect(t.Context(), db.DSN); err == nil {
				conn.Close(t.Context())
				t.Fatal("a killed server answers")
			}
		}
		if err := s.Restart(t.Context()); err != nil { // the last time of a running server
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), db.DSN) // same port, so the DSN holds
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM t`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		conn.Close(t.Context())
		if n != i+1 {
			t.Errorf("after restart %d: %d rows, want %d", i, n, i+1)
		}
		db.DB.SetMaxIdleConns(0)
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCloseRemovesEverything(t *testing.T) {
	t.Parallel()
	s := own(t, nil)
	db := database(t, s)
	folder := s.backend.(*cluster).folder.path
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
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
}

func TestSettingsReplaceDefaults(t *testing.T) {
	t.Parallel()
	s := own(t, map[string]string{"fsync": "on", "application_name": `it's a \ name`})
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
	s := own(t, nil)
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
	s := own(t, nil)
	u, err := pgx.ParseConfig(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	socket := s.backend.(*cluster).folder.path
	for name, dsn := range map[string]string{
		"URL":      s.DSN(),
		"keywords": "host=127.0.0.1 user=postgres dbname='postgres' sslmode=disable port=" + portOf(u),
		"socket":   "host=" + socket + " user=postgres dbname=postgres port=" + portOf(u),
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Start(t.Context(), Config{Source: SourceDSN, DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			db := database(t, f)
			var got string
			if err := db.DB.QueryRow(`SELECT current_database()`).Scan(&got); err != nil || got != db.Name {
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
}
