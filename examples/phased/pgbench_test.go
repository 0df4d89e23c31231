package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// newScript is pgbench's own transaction as new code would write it: it knows only
// the new name.
const newScript = `\set aid random(1, 100000 * :scale)
\set bid random(1, 1 * :scale)
\set tid random(1, 10 * :scale)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET balance = balance + :delta WHERE aid = :aid;
SELECT balance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
`

// TestPgbench renames a column of pgbench's own table, up to its drop, while pgbench,
// unmodified, is the old code and a script that knows only the new name is the new
// code. No transaction fails, and at the end the books agree.
func TestPgbench(t *testing.T) {
	e := newEnv(t)
	bench := findPgbench(t)
	e.pgbench(bench, "-i", "-s", "2", "-q")
	e.write("0001_rename.sql", "ALTER TABLE pgbench_accounts RENAME COLUMN abalance TO balance;\n")
	e.write("0002_contract.sql", "-- phased:contract 0001_rename\n")
	script := filepath.Join(t.TempDir(), "new.sql")
	if err := os.WriteFile(script, []byte(newScript), 0o644); err != nil {
		t.Fatal(err)
	}

	old := e.load(bench, "-c", "4")
	e.ok(args("baseline", e.dir, "none"))
	e.ok(args("up", e.dir))
	e.ok(args("backfill"))
	recent := e.load(bench, "-c", "2", "-f", script, "-D", "scale=2")
	// Both are running: the server has seen the old side being written.
	e.want(1, args("contract", "-dry-run", "-apps", "phased", e.dir), "NOT MET writes")
	oldDone := old.stop(t)
	e.ok(args("contract", "-assume-gone", "the old pgbench has ended", e.dir), "hidden")
	e.ok(args("contract", "-assume-gone", "the old pgbench has ended", "-drop", e.dir), "dropped")
	newDone := recent.stop(t)
	t.Logf("%d transactions of the old pgbench, %d of the new one, none failed", oldDone, newDone)

	var sums string
	if err := e.db.DB.QueryRow(`SELECT format('%s %s %s %s', (SELECT sum(balance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
		(SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history))`).Scan(&sums); err != nil {
		t.Fatal(err)
	}
	if s := strings.Fields(sums); s[0] != s[1] || s[0] != s[2] || s[0] != s[3] {
		t.Errorf("accounts, tellers, branches and history add up to %s", sums)
	}
	var columns string
	if err := e.db.DB.QueryRow("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'pgbench_accounts'::regclass AND attnum > 0 AND NOT attisdropped").Scan(&columns); err != nil {
		t.Fatal(err)
	}
	if columns != "aid bid filler balance" {
		t.Errorf("columns at the end are %s", columns)
	}
}

// findPgbench looks where PostgreSQL's packages put it.
func findPgbench(t *testing.T) string {
	t.Helper()
	if p, err := exec.LookPath("pgbench"); err == nil {
		if exec.Command(p, "--version").Run() == nil {
			return p
		}
	}
	var found []string
	for _, pattern := range []string{os.Getenv("PHASED_POSTGRES_BIN") + "/pgbench", "/usr/lib/postgresql/*/bin/pgbench", "/usr/pgsql-*/bin/pgbench", "/opt/homebrew/opt/postgresql*/bin/pgbench"} {
		m, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, m...)
	}
	if len(found) == 0 {
		t.Fatal("pgbench is not on this machine; it comes with PostgreSQL's server or contrib package")
	}
	sort.Strings(found)
	return found[len(found)-1]
}

// libpq is the DSN for a program that does not know pgx's own parameter.
func (e *env) libpq() string {
	e.t.Helper()
	u, err := url.Parse(e.db.DSN)
	if err != nil {
		e.t.Fatal(err)
	}
	query := u.Query()
	query.Del("default_query_exec_mode")
	u.RawQuery = query.Encode()
	return u.String()
}

func (e *env) pgbench(bench string, a ...string) string {
	e.t.Helper()
	out, err := exec.Command(bench, append(a, e.libpq())...).CombinedOutput()
	if err != nil {
		e.t.Fatalf("pgbench %v: %v\n%s", a, err, out)
	}
	return string(out)
}

// load runs pgbench for two seconds again and again, until it is stopped.
type load struct {
	end  chan struct{}
	done chan struct{}
	runs []string
	err  error
}

func (e *env) load(bench string, a ...string) *load {
	l := &load{end: make(chan struct{}), done: make(chan struct{})}
	first := make(chan struct{})
	go func() {
		defer close(l.done)
		for n := 0; ; n++ {
			cmd := exec.Command(bench, append(append([]string{"-n", "-T", "2"}, a...), e.libpq())...)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Start()
			if n == 0 {
				close(first)
			}
			if err == nil {
				err = cmd.Wait()
			}
			l.runs = append(l.runs, out.String())
			if err != nil {
				l.err = fmt.Errorf("pgbench %v: %w\n%s", a, err, out.String())
				return
			}
			select {
			case <-l.end:
				return
			default:
			}
		}
	}()
	<-first
	return l
}

var (
	processed = regexp.MustCompile(`transactions actually processed: (\d+)`)
	failed    = regexp.MustCompile(`number of failed transactions: (\d+)`) // PostgreSQL 15 and later; before, an error ends the client
)

// stop ends the load behind the run at hand and wants every run without a failure.
func (l *load) stop(t *testing.T) (transactions int) {
	t.Helper()
	close(l.end)
	<-l.done
	if l.err != nil {
		t.Fatal(l.err)
	}
	for _, out := range l.runs {
		if m := failed.FindStringSubmatch(out); m != nil && m[1] != "0" || strings.Contains(out, "ERROR") || strings.Contains(out, "aborted") {
			t.Errorf("transactions failed:\n%s", out)
		}
		m := processed.FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("pgbench says no number of transactions:\n%s", out)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		transactions += n
	}
	return transactions
}
