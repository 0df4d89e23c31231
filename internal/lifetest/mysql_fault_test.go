package lifetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	my "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/compat/scratch"
)

type mysqlServer struct {
	s    *scratch.Server
	live *atomic.Int64 // databases on a server of our own, else nil
}

func (f mysql) server(t testing.TB) server {
	s, err := scratch.SharedOf(context.Background(), f.dialect)
	if err != nil {
		t.Fatal(err)
	}
	return mysqlServer{s, nil}
}

func (f mysql) ownServer(t testing.TB) server {
	return mysqlServer{scratch.PostgresServer(t, scratch.Config{Dialect: f.dialect, Settings: map[string]string{
		"innodb_lock_wait_timeout": "20", // a client's wait for a row; no fault holds one for so long
	}}), new(atomic.Int64)}
}

func (s mysqlServer) database(ctx context.Context) (address, func(context.Context) error, error) {
	db, err := s.s.CreateDatabase(ctx)
	if err != nil {
		return address{}, nil, err
	}
	at := address{db.DSN, db.DSN}
	if s.live == nil {
		return at, db.Drop, nil
	}
	s.live.Add(1)
	return at, func(ctx context.Context) error {
		if err := db.Drop(ctx); err != nil || s.live.Add(-1) > 0 {
			return err
		}
		return s.forget(ctx)
	}, nil
}

// forget deletes the binary logs of lives that are over.
func (s mysqlServer) forget(ctx context.Context) error {
	db, err := sql.Open("mysql", s.s.DSN())
	if err != nil {
		return err
	}
	defer db.Close()
	files, err := binaryLogs(ctx, db)
	if err == nil {
		_, err = db.ExecContext(ctx, "PURGE BINARY LOGS TO '"+filepath.Base(files[len(files)-1])+"'")
	}
	return err
}

func (s mysqlServer) crash(ctx context.Context) error {
	err := s.s.Kill()
	if errors.Is(err, scratch.ErrNotOwned) {
		return nil // it is not ours to crash
	}
	return errors.Join(err, s.s.Restart(ctx))
}

// tolerated: cut connections, deadlocks, a column or table that is not there for the code's version.
func (mysql) tolerated(err error) string {
	var e *my.MySQLError
	if !errors.As(err, &e) {
		return "cut" // the connection
	}
	switch e.Number {
	case 1054, 1146: // unknown column, no such table
		return "not deployed"
	case 1213, 1020, // deadlock; the row has changed since the transaction's first read
		1040, 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 3169: // too many connections, shutdown, aborted, killed
		return "cut"
	case 1412, 1615: // the table's definition has changed: the client begins anew
		return "prepared again"
	}
	return ""
}

func (mysql) cut(ctx context.Context, db *sql.DB, which int) error {
	var id int64
	err := db.QueryRowContext(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() ORDER BY MD5(CONCAT(ID, ?)) LIMIT 1", fmt.Sprint(which)).Scan(&id)
	if err == nil {
		_, err = db.ExecContext(ctx, fmt.Sprintf("KILL %d", id))
	}
	return err
}

// patience: the servers count a metadata lock's timeout in whole seconds.
func (mysql) patience() time.Duration { return time.Second }

// newWaits: a column is there before its sync, which are two statements.
func (mysql) newWaits() bool { return true }

func (mysql) hold(ctx context.Context, db *sql.DB, l lock) (func() error, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	statements := map[lockKind][]string{
		lockReader: {"START TRANSACTION", "SELECT 1 FROM " + l.table + " LIMIT 1"},
		lockWriter: {"START TRANSACTION", "DELETE FROM " + l.table + " WHERE 1 = 0"},
		lockRow:    {"START TRANSACTION", l.row},
		lockTable:  {"LOCK TABLES " + l.table + " WRITE"},
	}[l.kind]
	for _, s := range statements {
		if _, err := c.ExecContext(ctx, s); err != nil {
			return nil, errors.Join(err, end(c))
		}
	}
	return func() error { return end(c) }, nil
}

// end closes a session, with all it holds, and waits for that.
func end(c *sql.Conn) error {
	_, err := c.ExecContext(context.Background(), "ROLLBACK")
	if err == nil {
		_, err = c.ExecContext(context.Background(), "UNLOCK TABLES")
	}
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // its error is what was asked for
	return err
}

// sessions are those of a program.
const sessions = `information_schema.PROCESSLIST p JOIN performance_schema.session_connect_attrs a
	ON a.PROCESSLIST_ID = p.ID AND a.ATTR_NAME = 'program_name' AND a.ATTR_VALUE = ? WHERE p.DB = DATABASE() AND `

func (mysql) waits(ctx context.Context, db *sql.DB, program string) (statement string, err error) {
	// What InnoDB says of its transactions is renewed only when nobody has asked for 0.1 s.
	time.Sleep(120 * time.Millisecond)
	err = db.QueryRowContext(ctx, "SELECT COALESCE(MIN(p.INFO), '') FROM "+sessions+`(p.STATE LIKE 'Waiting for %lock'
		OR p.ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'))`, program).Scan(&statement)
	return strings.ReplaceAll(statement, "COUNT(*)", "count(*)"), err
}

func (mysql) delayWalked(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `CREATE TRIGGER delay BEFORE UPDATE ON phased_fill FOR EACH ROW BEGIN
		DECLARE x int; IF NEW.state = 'walked' AND OLD.state <> 'walked' THEN SET x = SLEEP(1); END IF; END`)
	return err
}

func (mysql) delayed(ctx context.Context, db *sql.DB, program string) (is bool, err error) {
	return is, db.QueryRowContext(ctx, "SELECT COUNT(*) > 0 FROM "+sessions+"p.STATE = 'User sleep'", program).Scan(&is)
}

// crossing: a step keeps the table's writers out and waits for its readers; one of
// those wants to write.
func (f mysql) crossing(s shape, n int) []string {
	return []string{fmt.Sprintf("SELECT n FROM items WHERE %s", s.where(n)), fmt.Sprintf("UPDATE items SET n = n + 1 WHERE %s", s.where(n))}
}

// The faults that only these servers know.
const (
	faultSever faultKind = "sever" // a program loses its connections; the server finishes what it is at
	faultIdle  faultKind = "idle"  // a client sits idle in a transaction that has read the table, again and again
)

func (mysql) faults() []faultKind { return []faultKind{faultSever, faultSever, faultIdle} }

func (f mysql) happen(l *life, what fault) {
	switch what.What {
	case faultSever:
		if c := l.victim(what.Which); c != nil {
			c.signal(severSignal)
		}
	case faultIdle: // readers are not excused: they wait for the step that waits
		for range 2 {
			release, err := f.hold(context.Background(), l.db, lock{kind: lockReader, table: "items"})
			if err == nil {
				time.Sleep(f.patience() + 200*time.Millisecond)
				_ = release() // the connection may have been cut
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
