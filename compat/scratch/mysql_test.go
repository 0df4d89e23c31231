package scratch

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/plan"
)

// eachMySQL runs the test on MariaDB, and on MySQL where one is at hand.
func eachMySQL(t *testing.T, test func(*testing.T, plan.Dialect)) {
	for _, d := range atHand(t) {
		if d == plan.DialectPostgres {
			continue
		}
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

// A commit that was confirmed survives SIGKILL in the middle of others. The folder is on a disk: in memory MariaDB maps its
// log, and keeps what it never wrote.
func TestHardStopKeepsConfirmedCommits(t *testing.T) {
	t.Parallel()
	eachMySQL(t, func(t *testing.T, d plan.Dialect) {
		s := PostgresServer(t, Config{Dialect: d, Source: SourceBinaries, Dir: openDir(t)})
		db := database(t, s)
		if _, err := db.DB.Exec(`CREATE TABLE t (w int, i int, PRIMARY KEY (w, i))`); err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			const writers = 4
			var confirmed [writers]int
			var wg sync.WaitGroup
			started := make(chan bool, writers)
			for w := range writers {
				wg.Go(func() {
					for {
						if _, err := db.DB.Exec(`INSERT INTO t VALUES (?, ?)`, 10*round+w, confirmed[w]); err != nil {
							return
						}
						if confirmed[w]++; confirmed[w] == 100 {
							started <- true
						}
					}
				})
			}
			for range writers {
				<-started
			}
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			for w := range writers {
				var n int
				if err := db.DB.QueryRow(`SELECT count(*) FROM t WHERE w = ?`, 10*round+w).Scan(&n); err != nil {
					t.Fatal(err)
				}
				// The last insert may have been committed and not confirmed.
				if n != confirmed[w] && n != confirmed[w]+1 {
					t.Errorf("round %d: %d rows of writer %d, confirmed were %d", round, n, w, confirmed[w])
				}
			}
		}
	})
}

func TestDefaultsOfMySQL(t *testing.T) {
	t.Parallel()
	eachMySQL(t, func(t *testing.T, d plan.Dialect) {
		s := own(t, d, map[string]string{"innodb_lock_wait_timeout": "7", "max_connections": "77"})
		db := database(t, s)
		for name, want := range map[string]string{
			"innodb_lock_wait_timeout": "7",
			"max_connections":          "77",
			"innodb_flush_method":      "nosync",
			"log_bin":                  "1",
			"binlog_format":            "ROW",
			"time_zone":                "+00:00",
			"character_set_database":   "utf8mb4",
			"performance_schema":       "1",
		} {
			var got string
			if err := db.DB.QueryRow(`SELECT @@` + name).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		off := database(t, own(t, d, map[string]string{"log_bin": "OFF"}))
		var on bool
		if err := off.DB.QueryRow(`SELECT @@log_bin`).Scan(&on); err != nil || on {
			t.Errorf("log_bin is %v, %v, want it off", on, err)
		}
	})
}

func TestUnknownSettingOfMySQLIsAnError(t *testing.T) {
	t.Parallel()
	eachMySQL(t, func(t *testing.T, d plan.Dialect) {
		s, err := Start(t.Context(), Config{Dialect: d, Source: SourceBinaries, Settings: map[string]string{"no_such_thing": "1"}})
		if err == nil {
			s.Close()
			t.Fatal("no error")
		}
		t.Log(err)
	})
}

// Metadata locks and statements of others can be read, as tests of locks do.
func TestLocksOfMySQLCanBeRead(t *testing.T) {
	t.Parallel()
	eachMySQL(t, func(t *testing.T, d plan.Dialect) {
		db := On(t, d)
		if _, err := db.DB.Exec(`CREATE TABLE t (i int PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
		tx, err := db.DB.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.Exec(`INSERT INTO t VALUES (1)`); err != nil {
			t.Fatal(err)
		}
		var lock, statement string
		if err := db.DB.QueryRow(`SELECT l.lock_type, s.sql_text FROM performance_schema.metadata_locks l
			JOIN performance_schema.events_statements_current s ON s.thread_id = l.owner_thread_id
			WHERE l.object_schema = ? AND l.object_name = 't' AND l.lock_status = 'GRANTED'
			ORDER BY s.event_id DESC LIMIT 1`, db.Name).Scan(&lock, &statement); err != nil {
			t.Fatal(err)
		}
		if lock != "SHARED_WRITE" || statement != `INSERT INTO t VALUES (1)` {
			t.Errorf("got %s by %q", lock, statement)
		}
	})
}

// Neither who is connected to the database nor who holds a table of it from another one is in the way of a drop.
func TestDropEndsWhoHoldsTheDatabase(t *testing.T) {
	t.Parallel()
	eachMySQL(t, func(t *testing.T, d plan.Dialect) {
		db, other := On(t, d), On(t, d)
		if _, err := db.DB.Exec(`CREATE TABLE t (i int PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
		inside, err := (mysql{}).open(db.DSN)
		if err != nil {
			t.Fatal(err)
		}
		defer inside.Close()
		for _, from := range []*sql.DB{inside, other.DB} {
			tx, err := from.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			if _, err := tx.Exec("SELECT * FROM `" + db.Name + "`.t"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := db.Drop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := other.DB.Exec("USE `" + db.Name + "`"); !isNumber(err, 1049) {
			t.Errorf("the database is still there: %v", err)
		}
	})
}

// Without a performance schema at least who is connected to the database is found.
func TestDropWithoutPerformanceSchema(t *testing.T) {
	t.Parallel()
	eachMySQL(t, func(t *testing.T, d plan.Dialect) {
		db := database(t, own(t, d, map[string]string{"performance_schema": "OFF"}))
		if _, err := db.DB.Exec(`CREATE TABLE t (i int PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
		inside, err := (mysql{}).open(db.DSN)
		if err != nil {
			t.Fatal(err)
		}
		defer inside.Close()
		tx, err := inside.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.Exec(`SELECT * FROM t`); err != nil {
			t.Fatal(err)
		}
		if err := db.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestServerOfTheOtherProductIsRefused(t *testing.T) {
	t.Parallel()
	s, err := SharedOf(t.Context(), plan.DialectMariaDB)
	if err != nil {
		giveUp(t, err)
	}
	_, err = Start(t.Context(), Config{Dialect: plan.DialectMySQL, Source: SourceDSN, DSN: s.DSN()})
	if err == nil || errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v, want it to say that the server is MariaDB", err)
	}
}

// Both products install a mysqld. Not in parallel: a file that was just written cannot be run while another test starts a
// process.
func TestProgramIsToldByItsVersion(t *testing.T) {
	for version, want := range map[string]mysql{
		"mysqld  Ver 10.11.19-MariaDB for Linux on x86_64 (MariaDB Server)": {maria: true},
		"mysqld  Ver 9.7.4 for Linux on x86_64 (MySQL Community Server)":    {},
	} {
		dir := t.TempDir()
		for name, script := range map[string]string{"mysqld": "echo '" + version + "'", "mariadb-install-db": ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range []mysql{{}, {maria: true}} {
			if got := p.program(t.Context(), dir); (got != "") != (p == want) {
				t.Errorf("%s: %s takes %q", version, p.traits().name, got)
			}
		}
	}
}

func TestDSNOfMySQL(t *testing.T) {
	for dsn, want := range map[string]string{
		"root@tcp(127.0.0.1:7)/":                "root@tcp(127.0.0.1:7)/new",
		"u:p@ss:w/ord@tcp(db:7)/x":              "u:p@ss:w/ord@tcp(db:7)/new",
		"u@unix(/run/my.sock)/x?parseTime=true": "u@unix(/run/my.sock)/new?parseTime=true",
		"u:p@tcp([::1]:3306)/x%2Fy?tls=false":   "u:p@tcp([::1]:3306)/new?tls=false",
		"secret":                                "",
		"postgres://secret":                     "",
	} {
		t.Run(dsn, func(t *testing.T) {
			got, err := (mysql{}).parse(dsn)
			if want == "" {
				if err == nil {
					t.Fatalf("got %s", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := (mysql{}).withDatabase(got, "new"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if _, err := driver.ParseDSN(got); err != nil {
				t.Error(err)
			}
		})
	}
}
