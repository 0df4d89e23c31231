package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/mysql"
	"github.com/phasedb/phased/lockcheck"
)

// world is a database of one family of servers, and an engine on it.
type world struct {
	*testing.T
	eng     *mysql.Engine
	db      *sql.DB
	dsn     string
	name    string // of the database
	dialect plan.Dialect
}

// eachEmpty runs fn once for each family of servers at hand, with an empty database.
// MySQL is left out where there is none.
func eachEmpty(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	for _, d := range []plan.Dialect{plan.DialectMariaDB, plan.DialectMySQL} {
		if d == plan.DialectMySQL && !scratch.Available(d) {
			t.Log("no MySQL at hand: left out")
			continue
		}
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			fn(t, newWorld(t, d))
		})
	}
}

// each is eachEmpty with the state tables there.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	eachEmpty(t, func(t *testing.T, w *world) {
		w.must(w.eng.Bootstrap(t.Context()))
		fn(t, w)
	})
}

func newWorld(t *testing.T, d plan.Dialect) *world {
	t.Helper()
	s := scratch.On(t, d)
	return &world{t, mysql.New(s.DB, d, nil), s.DB, s.DSN, s.Name, d}
}

func (w *world) mariadb() bool { return w.dialect == plan.DialectMariaDB }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) exec(statements ...string) {
	w.Helper()
	for _, s := range statements {
		if _, err := w.db.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
}

// get asks for one value.
func get[V any](w *world, query string, args ...any) V {
	w.Helper()
	var v V
	if err := w.db.QueryRowContext(w.Context(), query, args...).Scan(&v); err != nil {
		w.Fatalf("%v\n%s", err, query)
	}
	return v
}

func is[V comparable](w *world, what string, got, want V) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}

// until waits for a condition that a query gives.
func (w *world) until(what, query string, args ...any) {
	w.Helper()
	for begin := time.Now(); !get[bool](w, query, args...); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			w.Fatalf("waited in vain until %s", what)
		}
	}
}

// waiting waits until n sessions of the database wait, for a row or for a table. What
// InnoDB says of its transactions is renewed only when nobody has asked for 0.1 s.
func (w *world) waiting(n int) {
	w.Helper()
	for begin := time.Now(); get[int](w, `SELECT COUNT(*) FROM information_schema.PROCESSLIST p WHERE p.DB = DATABASE() AND (p.STATE LIKE 'Waiting for %lock'
		OR p.ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'))`) < n; time.Sleep(150 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			w.Fatalf("waited in vain until %d sessions wait for a lock", n)
		}
	}
}

// lease takes the lease, from whoever has it.
func (w *world) lease(holder string) (token int64) {
	w.Helper()
	_, err := w.db.ExecContext(w.Context(), `UPDATE phased_lease SET token = token + 1, holder = ?, expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR WHERE id = 1`, holder)
	w.must(err)
	return get[int64](w, `SELECT token FROM phased_lease WHERE id = 1`)
}

// begin records a migration with these steps.
func (w *world) begin(token int64, name string, steps ...plan.Step) *plan.Plan {
	w.Helper()
	p := w.planned(name, steps...)
	w.must(w.eng.Begin(w.Context(), token, p, engine.StateExpanding))
	return p
}

func (w *world) planned(name string, steps ...plan.Step) *plan.Plan {
	return &plan.Plan{Format: plan.Format, Migration: plan.Migration{Name: name, Checksum: plan.Checksum(name)}, Dialect: w.dialect, Steps: steps}
}

// step is a step of statements on the table users.
func step(phase plan.Phase, statements ...string) plan.Step {
	return plan.Step{Phase: phase, Change: 1, Title: "do it", Statements: statements, Lock: lockcheck.LockMetadataExclusive, Relation: "`users`",
		LockTimeout: 20 * time.Second, StatementTimeout: time.Minute}
}

func stepRun(token int64, p *plan.Plan, n int) engine.StepRun {
	return engine.StepRun{Token: token, Migration: p.Migration.Name, N: n, Step: p.Steps[n]}
}

// pair is a link between two columns of one type.
func pair(migration, table, from, to, typ string) plan.Link {
	return plan.Link{ID: migration + "/1", Migration: migration, Table: table, Old: from, New: to, Hidden: from + "~hidden", Type: typ, OldType: typ}
}

// later runs fn beside the test and gives what it returned.
func later(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// holding opens a transaction that has run statements and stays open until end or the test's.
func (w *world) holding(statements ...string) (end func()) {
	w.Helper()
	tx, err := w.db.BeginTx(context.WithoutCancel(w.Context()), nil)
	w.must(err)
	for _, s := range statements {
		if _, err := tx.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
	end = sync.OnceFunc(func() {
		if err := tx.Commit(); err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(end)
	return end
}

// wire is an engine on a pool of its own whose traffic the test sees.
type wire struct {
	eng *mysql.Engine
	db  *sql.DB

	mu   sync.Mutex
	sent []command
}

// command is what a client sent: one round trip, but for the closing of a statement.
type command struct {
	kind byte
	text string
}

// The commands of the protocol that matter here.
const (
	comQuery   = 3
	comPrepare = 22
	comExecute = 23
	comClose   = 25
)

// wire makes such a pool; change may alter how it connects.
func (w *world) wire(change ...func(*driver.Config)) *wire {
	w.Helper()
	x := &wire{}
	cfg, err := driver.ParseDSN(w.dsn)
	w.must(err)
	cfg.Logger = &driver.NopLogger{}
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		server, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		client, near := net.Pipe()
		go func() { _, _ = io.Copy(io.MultiWriter(server, &listener{wire: x}), near); server.Close() }()
		go func() { _, _ = io.Copy(near, server); near.Close() }()
		return client, nil
	}
	for _, fn := range change {
		fn(cfg)
	}
	connector, err := driver.NewConnector(cfg)
	w.must(err)
	x.db = sql.OpenDB(connector)
	w.Cleanup(func() { x.db.Close() })
	x.eng = mysql.New(x.db, w.dialect, nil)
	return x
}

// hostile is a pool whose sessions are set up as differently from ours as a user's may be.
func hostile(cfg *driver.Config) {
	cfg.ParseTime, cfg.ClientFoundRows, cfg.InterpolateParams = true, true, true
	cfg.Params = map[string]string{
		"sql_mode":  "'ANSI,NO_BACKSLASH_ESCAPES,NO_ZERO_DATE,NO_ZERO_IN_DATE,PAD_CHAR_TO_FULL_LENGTH'",
		"time_zone": "'+05:30'", "lock_wait_timeout": "1", "innodb_lock_wait_timeout": "1", "autocommit": "1", "sql_safe_updates": "1",
		"collation_connection": "latin1_swedish_ci", "character_set_results": "latin1",
	}
	cfg.Loc = time.FixedZone("elsewhere", 3*3600)
}

// listener reads the client's packets.
type listener struct {
	wire *wire
	buf  []byte
}

func (l *listener) Write(b []byte) (int, error) {
	l.buf = append(l.buf, b...)
	for len(l.buf) >= 4 {
		n := int(l.buf[0]) | int(l.buf[1])<<8 | int(l.buf[2])<<16
		if len(l.buf) < 4+n {
			break
		}
		if l.buf[3] == 0 && n > 0 { // a packet with number 0 begins a command
			c := command{kind: l.buf[4]}
			if c.kind == comQuery || c.kind == comPrepare {
				c.text = string(l.buf[5 : 4+n])
			}
			l.wire.mu.Lock()
			l.wire.sent = append(l.wire.sent, c)
			l.wire.mu.Unlock()
		}
		l.buf = l.buf[4+n:]
	}
	return len(b), nil
}

// take gives what was sent since the last call, without the closing of statements.
func (x *wire) take() []command {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []command
	for _, c := range x.sent {
		if c.kind == comQuery || c.kind == comPrepare || c.kind == comExecute {
			out = append(out, c)
		}
	}
	x.sent = nil
	return out
}

// as makes an account that may do what the grants say in the test's database
// ("SELECT", "ALL"), and gives a pool of it.
func (w *world) as(grants ...string) (x *wire, account string) {
	w.Helper()
	user := "u" + w.name[max(0, len(w.name)-20):] + fmt.Sprint(time.Now().UnixNano()%1e6)
	account = "`" + user + "`@`%`"
	w.exec("CREATE USER " + account + " IDENTIFIED BY 'secret'")
	w.Cleanup(func() {
		if _, err := w.db.Exec("DROP USER " + account); err != nil {
			w.Error(err)
		}
	})
	for _, g := range grants {
		w.exec("GRANT " + g + " ON `" + w.name + "`.* TO " + account)
	}
	return w.wire(func(cfg *driver.Config) { cfg.User, cfg.Passwd = user, "secret" }), account
}

// dump is everything phased keeps, and every table of the test's, with their triggers.
func (w *world) dump() string {
	w.Helper()
	var out strings.Builder
	for _, table := range w.column("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME") {
		columns := w.column("SELECT CONCAT('COALESCE(HEX(`', REPLACE(COLUMN_NAME, '`', '``'), '`), ''-'')') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION", table)
		rows := w.column("SELECT CONCAT_WS(' ', " + strings.Join(columns, ", ") + ") AS row_text FROM `" + strings.ReplaceAll(table, "`", "``") + "` ORDER BY 1")
		fmt.Fprintf(&out, "%s (%s)\n  %s\n", table, strings.Join(columns, ", "), strings.Join(rows, "\n  "))
	}
	for _, trigger := range w.column("SELECT CONCAT_WS(' ', TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME") {
		fmt.Fprintln(&out, trigger)
	}
	return out.String()
}

// column reads one column of text.
func (w *world) column(query string, args ...any) []string {
	w.Helper()
	rows, err := w.db.QueryContext(w.Context(), query, args...)
	if err != nil {
		w.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		w.must(rows.Scan(&s))
		out = append(out, s)
	}
	w.must(rows.Err())
	return out
}

// without is a pool whose sessions have a variable off.
func without(variable string) func(*driver.Config) {
	return func(cfg *driver.Config) { cfg.Params = map[string]string{variable: "0"} }
}

// serializable is a pool whose sessions are at SERIALIZABLE.
func serializable(w *world) func(*driver.Config) {
	name := "transaction_isolation"
	if w.mariadb() {
		name = "tx_isolation"
	}
	return func(cfg *driver.Config) { cfg.Params = map[string]string{name: "'SERIALIZABLE'"} }
}
