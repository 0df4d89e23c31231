package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
)

var mysqlSettings = map[string]string{
	"innodb_flush_log_at_trx_commit": "1", "sync_binlog": "1", "innodb_flush_method": "O_DIRECT", "binlog_format": "ROW", "innodb_buffer_pool_size": "512M",
}

func mysqlSite(b *testing.B, d *scratch.Database, sh shape) *site {
	b.Helper()
	c := connect(b, d)
	x := &site{conn: c, log: "redo log", email: "LEFT(SHA2(RAND(), 256), 20)"}
	typ := "varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
	if sh.wide {
		x.email, typ = "REPEAT(SHA2(RAND(), 256), 1600)", "mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
	}
	execute(b, c, "CREATE TABLE digit (n int PRIMARY KEY)")
	execute(b, c, "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
	numbers := fmt.Sprintf("(SELECT 1 + 10000 * a.n + 1000 * b.n + 100 * c.n + 10 * d.n + e.n AS g FROM digit a, digit b, digit c, digit d, digit e) numbers WHERE g <= %d ORDER BY g", sh.rows)
	for _, t := range tables {
		execute(b, c, fmt.Sprintf("CREATE TABLE %s (id bigint PRIMARY KEY, email %s, n int NOT NULL DEFAULT 0, name varchar(100), created datetime DEFAULT CURRENT_TIMESTAMP)", t, typ))
		execute(b, c, fmt.Sprintf("INSERT INTO %s (id, email, name) SELECT g, %s, CONCAT('name of ', g) FROM %s", t, x.email, numbers))
		if t != "synced" {
			execute(b, c, fmt.Sprintf("ALTER TABLE %s ADD email_address %s", t, typ))
			execute(b, c, fmt.Sprintf("UPDATE %s SET email_address = email", t))
		}
	}
	expandOnMySQL(b, d, sh)
	execute(b, c, "UPDATE synced SET n = n + 1")

	tid := int(ask(b, c, "SELECT THREAD_OS_ID FROM performance_schema.threads WHERE PROCESSLIST_ID = CONNECTION_ID()"))
	lsn := "Innodb_redo_log_current_lsn"
	if d.Dialect == plan.DialectMariaDB {
		lsn = "Innodb_lsn_current"
	}
	x.counters = server{
		log: func() (n int64) {
			var name string
			if err := c.QueryRowContext(b.Context(), "SHOW GLOBAL STATUS LIKE '"+lsn+"'").Scan(&name, &n); err != nil {
				b.Fatal(err)
			}
			return n
		},
		cpu: func() time.Duration { return processorTime(tid) },
	}
	x.rest = func() {
		for _, t := range tables {
			execute(b, c, fmt.Sprintf("DELETE FROM %s WHERE id > %d", t, sh.rows))
		}
		// Old versions of rows are removed in the background, as long as they become fewer.
		for left, was := int64(0), int64(-1); left != was; time.Sleep(50 * time.Millisecond) {
			left, was = ask(b, c, "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'"), left
		}
	}
	x.empty = "a trigger that does nothing"
	x.nothing = []string{"CREATE TRIGGER nothing BEFORE UPDATE ON control FOR EACH ROW BEGIN END"}
	n := 0
	x.loop = func(t, set string) string {
		n++
		execute(b, c, fmt.Sprintf("CREATE PROCEDURE loop%d() BEGIN DECLARE i INT DEFAULT 1; START TRANSACTION; WHILE i <= %d DO UPDATE %s SET %s WHERE id = i; SET i = i + 1; END WHILE; COMMIT; END",
			n, sh.loops, t, set))
		return fmt.Sprintf("CALL loop%d()", n)
	}
	x.single = func(t, set string) string { return fmt.Sprintf("UPDATE %s SET %s WHERE id = ?", t, set) }
	x.insert = func(t string) string {
		return fmt.Sprintf("INSERT INTO %[1]s (id, email, name) SELECT (SELECT MAX(id) FROM %[1]s) + g, %[2]s, CONCAT('name of ', g) FROM %[3]s", t, x.email, numbers)
	}
	return x
}

// expandOnMySQL keeps synced.email and email_address in step.
func expandOnMySQL(b *testing.B, d *scratch.Database, sh shape) {
	b.Helper()
	c := sh.rename
	c.Table, c.From, c.To = "synced", "email", "email_address"
	m, err := expand.New(d.DB, nil, expand.Config{App: "bench", Version: "1", Migrations: []*plan.Migration{{Name: "0001", Checksum: plan.Checksum("0001"), Statements: []plan.Statement{{Change: c}}}}})
	if err != nil {
		b.Fatal(err)
	}
	for _, run := range []func(context.Context) error{
		func(ctx context.Context) error { return m.Baseline(ctx, expand.BaselineNone) }, m.Up, m.Close,
	} {
		if err := run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
