package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// until waits for a condition that a query gives. InnoDB renews what it says about
// transactions only when nobody has asked for 100 ms.
func (f *filling) until(query string) {
	f.t.Helper()
	for begin := time.Now(); !ask[bool](f, query); time.Sleep(120 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			f.t.Fatalf("never true: %s", query)
		}
	}
}

// blocks starts a chunk that waits for a row. Chunks wait for a second: one
// that had given up before it was seen to wait is started again.
func (f *filling) blocks(fill *engine.Fill, token int64, r engine.Range) (done <-chan error) {
	f.t.Helper()
	for range 10 {
		done = f.later(f.Engine, fill, token, r, time.Minute)
		for {
			time.Sleep(120 * time.Millisecond)
			if len(done) > 0 {
				break
			}
			if ask[bool](f, "SELECT EXISTS ("+waits+")") {
				return done
			}
		}
		if err := <-done; !f.LockTimeout(err) {
			f.t.Fatalf("the chunk did not wait, it ended with %v", err)
		}
	}
	f.t.Fatal("no chunk was ever seen to wait")
	return nil
}

// waits is a query for the sessions of the database that wait for a row.
const waits = "SELECT t.trx_mysql_thread_id FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE p.DB = DATABASE() AND t.trx_state = 'LOCK WAIT'"

// hold opens a transaction that has run a statement.
func (f *filling) hold(statement string) *sql.Tx {
	f.t.Helper()
	tx, err := f.db.BeginTx(f.t.Context(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.Exec(statement); err != nil {
		f.t.Fatal(err)
	}
	return tx
}

// later runs a chunk beside the test.
func (f *filling) later(e *Engine, fill *engine.Fill, token int64, r engine.Range, timeout time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := e.Write(f.t.Context(), fill, token, r, timeout)
		done <- err
	}()
	return done
}

// A connection that dies in the middle of a chunk leaves neither rows nor a moved cursor.
func TestCursorMovesWithTheRows(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		r := f.next(fill, 10)
		var err error
		for range 10 { // the chunk may give up before it is ended
			tx := f.hold("SELECT id FROM t WHERE id = 7 FOR UPDATE")
			done := f.blocks(fill, token, *r)
			if _, err := f.db.Exec("KILL CONNECTION " + fmt.Sprint(ask[int64](f, "SELECT COALESCE(MAX(id), 0) FROM ("+strings.Replace(waits, "thread_id FROM", "thread_id AS id FROM", 1)+") w"))); err != nil && number(err) != errNoThread {
				t.Fatal(err)
			}
			err = <-done
			_ = tx.Rollback()
			if !f.LockTimeout(err) {
				break
			}
		}
		if !f.Disconnected(err) {
			t.Errorf("write ended with %v, want a broken connection", err)
		}
		if n := ask[int](f, "SELECT COUNT(new) FROM t"); n != 0 {
			t.Errorf("%d rows written", n)
		}
		if ask[bool](f, "SELECT at_key IS NOT NULL OR chunks > 0 FROM phased_fill") {
			t.Error("the cursor has moved")
		}
		if got, err := f.Write(t.Context(), fill, token, *r, time.Minute); err != nil || got.Filled != 10 || got.Seen != 10 {
			t.Errorf("written again: %+v, %v", got, err)
		}
		// An answer that was lost: the same chunk is not written a second time.
		if _, err := f.Write(t.Context(), fill, token, *r, time.Minute); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("sent again: %v, want ErrLeaseLost", err)
		}
	})
}

func TestPoison(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{tens[0], "INSERT INTO t " + hundred + " SELECT i, IF(i = 5, 'x', i) FROM s WHERE i <= 10"}, []string{"id"}, func(l *plan.Link) {
			l.Type, l.Up, l.Down = "int", "CAST(old AS SIGNED)", "CAST(new AS CHAR)"
		})
		fill, token := f.start("w")
		_, err := f.Write(t.Context(), fill, token, *f.next(fill, 10), time.Minute)
		if !f.RowError(err) {
			t.Fatalf("write of a row that cannot be converted: %v, want the row's error", err)
		}
		if n := ask[int](f, "SELECT COUNT(new) FROM t"); n != 0 {
			t.Errorf("%d rows written", n)
		}
		if _, err := f.Write(t.Context(), fill, token, *f.next(fill, 4), time.Minute); err != nil {
			t.Fatal(err)
		}
		r := f.next(fill, 1)
		if err := f.Skip(t.Context(), fill, token, *r, "it's poison \xff"); err != nil {
			t.Fatal(err)
		}
		if err := f.Skip(t.Context(), fill, token, *r, "again"); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("skipped again: %v, want ErrLeaseLost", err)
		}
		f.walk(fill, token, 3)
		p, err := f.Poisoned(t.Context(), "m/1", 10)
		if err != nil || len(p) != 1 || fmt.Sprint(p[0]) != "{m/1 [5] it's poison ?}" {
			t.Errorf("poison rows %v, %v", p, err)
		}
		if fill.Seen != 10 || fill.Filled != 9 || fill.Poison != 1 || f.outOfStep() != 1 {
			t.Errorf("seen %d, filled %d, poison %d, out of step %d", fill.Seen, fill.Filled, fill.Poison, f.outOfStep())
		}

		if err := f.Verified(t.Context(), "m/1", token, 1); err != nil {
			t.Fatal(err)
		}
		if err := f.Mend(t.Context(), fill, token, []string{"5"}, time.Minute); !f.RowError(err) {
			t.Errorf("mend: %v, want the row's error", err)
		}
		f.exec("UPDATE t SET old = '55' WHERE id = 5")
		if err := f.Mend(t.Context(), fill, token, []string{"5"}, time.Minute); err != nil {
			t.Error(err)
		}
		if got := ask[string](f, "SELECT CONCAT(state, ' ', out_of_step, ' ', (SELECT COUNT(*) FROM phased_poison)) FROM phased_fill"); got != "walked 1 0" {
			t.Errorf("the fill is %s", got)
		}
		f.exec(`INSERT INTO phased_poison VALUES ('m/1', UNHEX(SHA2('["9"]', 256)), '["9"]', 'mended by somebody else', UTC_TIMESTAMP(6))`)
		if err := f.Verified(t.Context(), "m/1", token, f.outOfStep()); err != nil {
			t.Error(err)
		}
		if n := ask[int](f, "SELECT COUNT(*) FROM phased_poison"); n != 0 {
			t.Errorf("%d poison rows in a complete fill", n)
		}
		if got := ask[string](f, "SELECT CONCAT(state, ' ', out_of_step, ' ', worker) FROM phased_fill"); got != "complete 0 " {
			t.Errorf("the fill is %s", got)
		}
	})
}

// A constraint of the new side that a row meets is the row's own fault.
func TestDuplicateIsPoison(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		f.exec("ALTER TABLE t ADD UNIQUE (new)")
		fill, token := f.start("w")
		if _, err := f.Write(t.Context(), fill, token, *f.next(fill, 10), time.Minute); !f.RowError(err) || number(err) != errDuplicateEntry {
			t.Errorf("write: %v, want the row's error", err)
		}
	})
}

func TestRepeat(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		f.walk(fill, token, 3)
		for _, name := range triggerNames("t", []plan.Link{f.link}) {
			f.exec("DROP TRIGGER " + ident(name))
		}
		f.exec("INSERT INTO t VALUES (11, 'unseen', NULL)", "UPDATE t SET new = 'broken' WHERE id = 2")
		f.exec(f.Compose("", "t", []plan.Link{f.link})...)
		if n := f.outOfStep(); n != 2 {
			t.Fatalf("%d rows out of step, want 2", n)
		}
		if err := f.Repeat(t.Context(), "m/1", token); err != nil {
			t.Fatal(err)
		}
		fill, err := f.Start(t.Context(), "m/1", token)
		if err != nil {
			t.Fatal(err)
		}
		f.walk(fill, token, 3)
		if n := f.outOfStep(); n != 0 || fill.Pass != 2 || fill.Filled != 12 || fill.Seen != 11 {
			t.Errorf("%d out of step, pass %d, filled %d, seen %d", n, fill.Pass, fill.Filled, fill.Seen)
		}
	})
}

// What shows when a row was last changed goes on to show it.
func TestStampsAreLeftAlone(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{"CREATE TABLE t (id int PRIMARY KEY, old varchar(100), `Changed ``at` timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), seen datetime NULL ON UPDATE CURRENT_TIMESTAMP)",
			"INSERT INTO t " + hundred + " SELECT i, 'v', '2020-01-02 03:04:05.678', NULL FROM s WHERE i <= 10"}, []string{"id"}, nil)
		fill, token := f.start("w")
		f.walk(fill, token, 4)
		if err := f.Mend(t.Context(), fill, token, []string{"5"}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if n := ask[int](f, "SELECT COUNT(*) FROM t WHERE `Changed ``at` = '2020-01-02 03:04:05.678' AND seen IS NULL AND new = 'v'"); n != 10 {
			t.Errorf("%d rows of 10 are filled and show no change", n)
		}
	})
}

// What a chunk sets for itself is gone afterwards, and nothing stays open.
func TestChunkLeavesTheSessionAlone(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		f.Engine = f.pool(foreign)
		f.Engine.db.SetMaxOpenConns(1)
		settings := func() map[string]string {
			t.Helper()
			out := map[string]string{}
			rows, err := f.Engine.db.Query("SHOW SESSION VARIABLES WHERE Variable_name NOT IN ('timestamp', 'rand_seed1', 'rand_seed2', 'last_insert_id', 'identity', 'error_count', 'warning_count', 'pseudo_thread_id', 'in_transaction', 'last_gtid', 'statement_id')")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var name, value string
				if err := rows.Scan(&name, &value); err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(name, "gtid") && !strings.HasPrefix(name, "innodb_") || name == "innodb_lock_wait_timeout" {
					out[name] = value
				}
			}
			return out
		}
		before := settings()
		fill, token := f.start("w")
		f.walk(fill, token, 5)
		f.outOfStep()
		for name, value := range settings() {
			if before[name] != value {
				t.Errorf("%s was %s and is %s", name, before[name], value)
			}
		}
		if n := ask[int](f, "SELECT COUNT(*) FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE p.DB = DATABASE()"); n != 0 {
			t.Errorf("%d transactions are open", n)
		}
	})
}

// A chunk waits for a row that somebody changes, and sees what they made of it.
func TestChunkIsReadCommitted(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		for range 10 { // the chunk may give up before the commit
			tx := f.hold("UPDATE t SET old = 'w' WHERE id = 7")
			done := f.blocks(fill, token, *f.next(fill, 10))
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			err := <-done
			if f.LockTimeout(err) {
				f.exec("UPDATE t SET old = 'v' WHERE id = 7")
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if fill.Filled != 9 || f.outOfStep() != 0 {
			t.Errorf("%d rows filled, %d out of step; want 9 and 0", fill.Filled, f.outOfStep())
		}
	})
}

// A chunk waits for nobody for long, and a chunk in flight keeps nobody from inserting
// into its range or from changing rows that it has left alone.
func TestChunkLocksItsRowsOnly(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{tens[0], "INSERT INTO t " + hundred + " SELECT i * 10, 'v' FROM s WHERE i <= 10"}, []string{"id"}, nil)
		f.exec("UPDATE t SET old = 'in step' WHERE id IN (30, 40)")
		fill, token := f.start("w")
		x := f.stopping("SET at_key")
		done := f.later(x.Engine, fill, token, *f.next(fill, 10), time.Minute)
		x.reached()
		isolation := map[plan.Dialect]string{plan.DialectMySQL: "transaction_isolation", plan.DialectMariaDB: "tx_isolation"}[d]
		other := f.pool(func(c *driver.Config) {
			c.Params = map[string]string{"innodb_lock_wait_timeout": "1", isolation: "'REPEATABLE-READ'"}
		})
		for _, s := range []string{"INSERT INTO t (id, old) VALUES (5, 'x'), (55, 'x'), (105, 'x')", "UPDATE t SET old = 'y' WHERE id = 30", "DELETE FROM t WHERE id = 40"} {
			if _, err := other.db.Exec(s); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
		if _, err := other.db.Exec("UPDATE t SET old = 'y' WHERE id = 50"); !f.LockTimeout(err) {
			t.Errorf("a row that was filled is not locked: %v", err)
		}
		x.release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if fill.Filled != 8 || f.outOfStep() != 0 {
			t.Errorf("%d rows filled, %d out of step; want 8 and 0", fill.Filled, f.outOfStep())
		}
	})
}

// After a pause has returned, no chunk is in flight any more.
func TestPauseWaitsForTheChunk(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		x := f.stopping("SET at_key")
		done := f.later(x.Engine, fill, token, *f.next(fill, 5), time.Minute)
		x.reached()
		paused := make(chan error, 1)
		go func() {
			_, err := f.Pause(t.Context(), "m", true)
			paused <- err
		}()
		f.until("SELECT EXISTS (" + waits + ")")
		select {
		case err := <-paused:
			t.Errorf("the pause has returned while a chunk is in flight: %v", err)
		default:
		}
		x.release()
		if err := <-done; err != nil {
			t.Errorf("the chunk in flight: %v", err)
		}
		if err := <-paused; err != nil {
			t.Error(err)
		}
		if _, err := f.Write(t.Context(), fill, token, *f.next(fill, 5), time.Minute); !errors.Is(err, engine.ErrLeaseLost) {
			t.Errorf("a chunk after the pause: %v, want ErrLeaseLost", err)
		}
	})
}

// Whoever claims a fill waits for the chunk in flight of the one before.
func TestClaimWaitsForTheChunk(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		x := f.stopping("SET at_key")
		done := f.later(x.Engine, fill, token, *f.next(fill, 5), time.Minute)
		x.reached()
		f.Engine.db.SetMaxIdleConns(2)
		claimed := make(chan int64, 1)
		go func() {
			now, err := f.Claim(t.Context(), "m/1", "w", time.Minute)
			if err != nil {
				t.Error(err)
			}
			claimed <- now
		}()
		f.until("SELECT EXISTS (" + waits + ")")
		select {
		case <-claimed:
			t.Error("claimed while a chunk is in flight")
		default:
		}
		x.release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if now := <-claimed; now != token {
			t.Errorf("token %d, want %d", now, token)
		}
	})
}

// A client that is stopped in the middle of a chunk keeps the rows, and those who wait
// for the fill, for no longer than the server waits for its next word.
func TestStoppedClientIsEnded(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		fill, token := f.start("w")
		x := f.stopping("SET at_key")
		done := f.later(x.Engine, fill, token, *f.next(fill, 10), time.Minute)
		x.reached()
		begin := time.Now()
		if _, err := f.db.Exec("UPDATE t SET old = 'mine' WHERE id = 7"); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < fillIdle/2 || took > fillIdle+4*time.Second {
			t.Errorf("a row of a stopped client's chunk was to be had after %s, the server ends it after %s", took, fillIdle)
		}
		if _, err := f.Pause(t.Context(), "m", true); err != nil {
			t.Error(err)
		}
		x.release()
		if err := <-done; !f.Disconnected(err) {
			t.Errorf("the stopped client's chunk ended with %v, want a broken connection", err)
		}
		if n := ask[int](f, "SELECT COUNT(new) FROM t"); n != 1 {
			t.Errorf("%d rows are filled, want the one that was changed", n)
		}
	})
}

// slow makes every row of a chunk take a while.
func (f *filling) slow(d time.Duration) {
	f.exec(fmt.Sprintf("CREATE TRIGGER slow AFTER UPDATE ON t FOR EACH ROW DO SLEEP(%.3f)", d.Seconds()))
}

// A chunk that takes too long is ended on the server, whatever the server has a limit for.
func TestChunkIsBounded(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		f.slow(time.Second)
		fill, token := f.start("w")
		begin := time.Now()
		_, err := f.Write(t.Context(), fill, token, *f.next(fill, 10), 700*time.Millisecond)
		if took := time.Since(begin); !f.Retryable(err) || took > 5*time.Second {
			t.Errorf("after %s: %v, want that it took too long", took, err)
		}
		f.free()
		if n := ask[int](f, "SELECT COUNT(new) FROM t"); n != 0 {
			t.Errorf("%d rows written", n)
		}
		if _, err := f.Write(t.Context(), fill, token, *f.next(fill, 1), time.Minute); err != nil {
			t.Errorf("a smaller chunk: %v", err)
		}
	})
}

// Who stops working leaves nothing at work in the server.
func TestChunkEndsWithItsContext(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, tens, []string{"id"}, nil)
		f.slow(time.Second)
		fill, token := f.start("w")
		r := f.next(fill, 10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := f.Write(ctx, fill, token, *r, time.Minute)
			done <- err
		}()
		f.until("SELECT EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE = 'User sleep')")
		cancel()
		begin := time.Now()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the chunk ended with %v", err)
		}
		f.free()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the rows were locked for %s longer", took)
		}
		if n := ask[int](f, "SELECT COUNT(new) FROM t"); n != 0 {
			t.Errorf("%d rows written", n)
		}
	})
}

// free waits until no row of the table and of the fill is locked.
func (f *filling) free() {
	f.t.Helper()
	f.exec("DROP TRIGGER slow") // waits for whoever uses the table
	if _, err := list(f.t.Context(), f.db, "SELECT id FROM phased_fill FOR UPDATE"); err != nil {
		f.t.Error(err)
	}
}

// stopped is an engine whose client stops before it sends a certain statement.
type stopped struct {
	*Engine
	at, on chan struct{}
	once   sync.Once
	t      *testing.T
}

func (f *filling) stopping(before string) *stopped {
	s := &stopped{at: make(chan struct{}), on: make(chan struct{}), t: f.t}
	s.Engine = f.pool(func(cfg *driver.Config) {
		cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return &stoppingConn{c, s, []byte(before)}, err
		}
	})
	f.t.Cleanup(s.release)
	return s
}

// reached waits until the client has stopped.
func (s *stopped) reached() {
	s.t.Helper()
	select {
	case <-s.at:
	case <-time.After(30 * time.Second):
		s.t.Fatal("the statement was never sent")
	}
}

// release lets it go on.
func (s *stopped) release() { s.once.Do(func() { close(s.on) }) }

type stoppingConn struct {
	net.Conn
	s      *stopped
	before []byte
}

func (c *stoppingConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, c.before) {
		select {
		case <-c.s.at:
		default:
			close(c.s.at)
			<-c.s.on
		}
	}
	return c.Conn.Write(b)
}
