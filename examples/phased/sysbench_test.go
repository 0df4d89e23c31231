package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"
)

// TestSysbench renames a column of sysbench's own table, up to its drop, while
// sysbench's oltp_read_write, unmodified, is the old code, and transactions that know
// only the new name are the new code. No transaction fails but for the deadlocks that
// sysbench repeats by itself, both sides agree at any time, and at the end so do the
// table, its index and what new code remembers.
func TestSysbench(t *testing.T) {
	onBoth(t, func(e *env) {
		for _, c := range []struct{ old, new, columns, indexes string }{
			{"k", "kilo", "id c pad kilo", "k_1(kilo) PRIMARY(id)"},
			{"c", "charlie", "id k pad charlie", "k_1(k) PRIMARY(id)"},
		} {
			e.t.Run(c.old, func(t *testing.T) {
				t.Parallel()
				e := newEnvOn(t, e.dialect)
				e.renameBesideSysbench(c.old, c.new)
				if got := e.text(`SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION SEPARATOR ' ') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'sbtest1'`); got != c.columns {
					t.Errorf("columns at the end are %s", got)
				}
				if got := e.text(`SELECT GROUP_CONCAT(INDEX_NAME, '(', COLUMN_NAME, ')' ORDER BY INDEX_NAME SEPARATOR ' ') FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'sbtest1'`); got != c.indexes {
					t.Errorf("indexes at the end are %s", got)
				}
			})
		}
	})
}

func (e *env) renameBesideSysbench(old, new string) {
	t := e.t
	e.sysbench("prepare")
	e.write("0001_rename.sql", fmt.Sprintf("ALTER TABLE sbtest1 RENAME COLUMN %s TO %s;\n", old, new))
	e.write("0002_contract.sql", "-- phased:contract 0001_rename\n")
	// same wants no row whose sides differ, whatever is being written.
	same := func(old string) {
		t.Helper()
		if n := e.text(fmt.Sprintf("SELECT COUNT(*) FROM sbtest1 WHERE NOT (CAST(`%s` AS BINARY) <=> CAST(`%s` AS BINARY))", old, new)); n != "0" {
			t.Errorf("%s rows differ in %s and %s", n, old, new)
		}
	}

	was := e.repeat("--threads=4", "--rate=100")
	e.ok(args("baseline", e.dir, "none"))
	e.ok(args("up", e.dir))
	column := strings.NewReplacer(old, new).Replace
	newEnds := e.newCode(column)
	e.ok(args("backfill"), "verified: 0001_rename")
	same(old)
	e.want(1, args("contract", "-dry-run", "-apps", "phased", e.dir), "NOT MET reads")
	oldDone, repeated := was.stop(t)
	e.ok(args("contract", "-assume-gone", "the old sysbench has ended", e.dir), "hidden")
	same(old + "~hidden")
	e.ok(args("contract", "-assume-gone", "the old sysbench has ended", "-drop", e.dir), "dropped")
	newDone := newEnds()
	t.Logf("%d transactions of sysbench (%d repeated by itself), %d of new code, none failed", oldDone, repeated, newDone)
	if oldDone == 0 || newDone == 0 {
		t.Error("one of them did nothing")
	}
	k := column("k")
	if sums := e.text(fmt.Sprintf("SELECT CONCAT_WS(' ', (SELECT SUM(%[1]s) FROM sbtest1 FORCE INDEX (PRIMARY)), (SELECT SUM(%[1]s) FROM sbtest1 FORCE INDEX (k_1)))", k)); strings.Fields(sums)[0] != strings.Fields(sums)[1] {
		t.Errorf("by the table and by its index, %s adds up to %s", k, sums)
	}
}

// text asks for one value.
func (e *env) text(query string, args ...any) string {
	e.t.Helper()
	var s sql.NullString
	if err := e.db.DB.QueryRowContext(e.t.Context(), query, args...).Scan(&s); err != nil {
		e.t.Fatalf("%v\n%s", err, query)
	}
	return s.String
}

// sysbenchCommand is oltp_read_write on the test's database.
func (e *env) sysbenchCommand(a ...string) *exec.Cmd {
	e.t.Helper()
	program, err := exec.LookPath("sysbench")
	if err != nil {
		e.t.Fatal("sysbench is not on this machine: `.ci/setup sysbench` installs it where it can")
	}
	cfg, err := driver.ParseDSN(e.db.DSN)
	if err != nil {
		e.t.Fatal(err)
	}
	options := []string{"oltp_read_write", "--db-driver=mysql", "--tables=1", "--table_size=10000", "--mysql-user=" + cfg.User, "--mysql-password=" + cfg.Passwd, "--mysql-db=" + cfg.DBName}
	if cfg.Net == "unix" {
		options = append(options, "--mysql-socket="+cfg.Addr)
	} else {
		host, port, err := net.SplitHostPort(cfg.Addr)
		if err != nil {
			e.t.Fatal(err)
		}
		options = append(options, "--mysql-host="+host, "--mysql-port="+port)
	}
	return exec.Command(program, append(options, a...)...)
}

func (e *env) sysbench(a ...string) {
	e.t.Helper()
	if out, err := e.sysbenchCommand(a...).CombinedOutput(); err != nil {
		e.t.Fatalf("sysbench %v: %v\n%s", a, err, out)
	}
}

// oldCode is sysbench, run for a second again and again.
type oldCode struct {
	end, done chan struct{}
	runs      []string
	err       error
}

func (e *env) repeat(a ...string) *oldCode {
	e.t.Helper()
	l := &oldCode{end: make(chan struct{}), done: make(chan struct{})}
	first := e.sysbenchCommand(append(a, "--time=1", "run")...)
	go func() {
		defer close(l.done)
		for cmd := first; ; cmd = exec.Command(first.Args[0], first.Args[1:]...) {
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			l.runs = append(l.runs, out.String())
			if err != nil {
				l.err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out.String())
				return
			}
			select {
			case <-l.end:
				return
			default:
			}
		}
	}()
	return l
}

var (
	ofSysbench = regexp.MustCompile(`transactions: +(\d+) `)
	ignored    = regexp.MustCompile(`ignored errors: +(\d+) `)
)

// stop ends it behind the run at hand and wants every run without a failure.
func (l *oldCode) stop(t *testing.T) (transactions, repeated int) {
	t.Helper()
	close(l.end)
	<-l.done
	if l.err != nil {
		t.Fatal(l.err)
	}
	for _, out := range l.runs {
		if strings.Contains(out, "FATAL") || strings.Contains(out, "ALERT") {
			t.Errorf("transactions failed:\n%s", out)
		}
		for re, sum := range map[*regexp.Regexp]*int{ofSysbench: &transactions, ignored: &repeated} {
			m := re.FindStringSubmatch(out)
			if m == nil {
				t.Fatalf("sysbench does not say %s:\n%s", re, out)
			}
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			*sum += n
		}
	}
	return transactions, repeated
}

// newCode runs transactions like sysbench's that know only the new name, again and
// again, until stop is called. They have rows of their own, and remember what is in them.
func (e *env) newCode(column func(string) string) (stop func() (transactions int)) {
	e.t.Helper()
	const first, own = 1_000_001, 50
	insert := fmt.Sprintf("INSERT INTO sbtest1 (id, %s, %s, pad) VALUES (?, ?, ?, '')", column("k"), column("c"))
	add := fmt.Sprintf("UPDATE sbtest1 SET %[1]s = %[1]s + 1 WHERE id = ?", column("k"))
	set := fmt.Sprintf("UPDATE sbtest1 SET %s = ? WHERE id = ?", column("c"))
	read := fmt.Sprintf("SELECT %s, %s FROM sbtest1 WHERE id = ?", column("k"), column("c"))

	type row struct {
		k int
		c string
	}
	known := map[int]row{}
	transaction := func(n int) error {
		tx, err := e.db.DB.BeginTx(context.Background(), nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		id := first + n%own
		was, there := known[id]
		got := row{}
		switch err := tx.QueryRow(read, id).Scan(&got.k, &got.c); {
		case errors.Is(err, sql.ErrNoRows) && !there:
			was = row{n, fmt.Sprint("new ", n)}
			if _, err := tx.Exec(insert, id, was.k, was.c); err != nil {
				return err
			}
		case err != nil:
			return err
		case got != was:
			return fmt.Errorf("row %d is %v, want %v", id, got, was)
		}
		was.k++
		was.c = fmt.Sprint("changed ", n)
		for _, s := range []struct {
			text string
			args []any
		}{{add, []any{id}}, {set, []any{was.c, id}}, {add, []any{1 + n%10000}}} {
			if _, err := tx.Exec(s.text, s.args...); err != nil {
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		known[id] = was
		return nil
	}
	end, done, transactions := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-end:
				return
			default:
			}
			err := transaction(n)
			var refused *driver.MySQLError
			switch {
			case err == nil:
				transactions++
			case errors.As(err, &refused) && (refused.Number == 1213 || refused.Number == 1205 || refused.Number == 1020): // as sysbench does
				n--
			default:
				e.t.Errorf("new code: %v", err)
				return
			}
		}
	}()
	stop = sync.OnceValue(func() int {
		close(end)
		<-done
		return transactions
	})
	e.t.Cleanup(func() { stop() })
	return stop
}
