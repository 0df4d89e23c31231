package mysql_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/mysql"
)

const plainUsers = "CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50), n int)"

// refused plans a change that must be refused by that hazard, and gives the message.
func (w *world) refused(eng *mysql.Engine, hazard string, m *plan.Migration) string {
	w.Helper()
	links, err := w.eng.Links(w.Context(), "", "")
	if !errors.Is(err, engine.ErrNoState) {
		w.must(err)
	}
	_, err = eng.Resolve(w.Context(), m, links)
	var refused *engine.Refused
	if !errors.As(err, &refused) {
		w.Fatalf("got %v, want a refusal by %s", err, hazard)
	}
	for _, p := range refused.Problems {
		if p.Hazard == hazard {
			return err.Error()
		}
	}
	w.Errorf("refused by %v, want %s", err, hazard)
	return err.Error()
}

func contains(w *world, text string, want ...string) {
	w.Helper()
	for _, s := range want {
		if !strings.Contains(text, s) {
			w.Errorf("%q is not in: %s", s, text)
		}
	}
}

// What belongs to a change in flight is not changed by another one.
func TestResolveBesideAChangeInFlight(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(plainUsers)
		w.life(w.resolve("0001", rename("users", "email", "mail"))).phase(plan.PhaseExpand)
		for hazard, changes := range map[string][]plan.Change{
			"duplicate-name": {rename("users", "n", "mail")},
			"in-flight": {rename("users", "email", "third"), rename("users", "n", "email~hidden"), plan.DropColumn{Table: "users", Column: "email"},
				plan.DropColumn{Table: "users", Column: "mail"}, plan.RenameTable{From: "users", To: "people"}},
			"created-here": {plan.CreateTable{Name: "tags", SQL: "CREATE TABLE tags (id int PRIMARY KEY)"}},
		} {
			for _, c := range changes {
				m := migration("0002", c)
				if hazard == "created-here" {
					m = migration("0002", c, rename("tags", "id", "key"))
				}
				w.refused(w.eng, hazard, m)
			}
		}
		w.resolve("0002", rename("users", "n", "m"))
	})
}

// What the account may not do is found before anything is done.
func TestResolveAsksForPrivileges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(plainUsers)
		m := migration("0001", rename("users", "email", "mail"))
		reader, _ := w.as("SELECT, INSERT, UPDATE, DELETE")
		contains(w, w.refused(reader.eng, "privilege", m), "GRANT", w.name)
		some, super := w.as("SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX")
		w.exec("GRANT SUPER ON *.* TO " + super)
		contains(w, w.refused(some.eng, "trigger-privilege", m), "GRANT TRIGGER")
		owner, account := w.as("ALL")
		if get[bool](w, "SELECT @@GLOBAL.log_bin = 1 AND @@GLOBAL.log_bin_trust_function_creators = 0") {
			contains(w, w.refused(owner.eng, "trigger-privilege", m), "log_bin_trust_function_creators")
		} else if _, err := owner.eng.Resolve(t.Context(), m, nil); err != nil {
			t.Errorf("an account with all privileges on the database: %v", err)
		}

		// Privileges on the column or the table do not go over.
		w.exec("GRANT SELECT (email) ON users TO "+account, "GRANT SELECT ON users TO "+account)
		contains(w, w.refused(w.eng, "grants", m), "users.email", strings.Trim(strings.Split(account, "@")[0], "`"))
		contains(w, w.refused(w.eng, "grants", migration("0001", plan.RenameTable{From: "users", To: "people"})), "users itself")
	})
}

// A prepared transaction would keep every step out, and is named.
func TestResolveNamesPreparedTransactions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(plainUsers)
		c, err := w.db.Conn(t.Context())
		w.must(err)
		defer c.Close()
		xid := "'" + w.name + " ours'"
		for _, s := range []string{"XA START " + xid, "INSERT INTO users VALUES (1, 'a', 1)", "XA END " + xid, "XA PREPARE " + xid} {
			_, err := c.ExecContext(t.Context(), s)
			w.must(err)
		}
		m := migration("0001", rename("users", "email", "mail"))
		m.Directives = plan.Directives{}
		contains(w, w.refused(w.eng, "prepared-transaction", m), "XA ROLLBACK "+xid, "phased:accept prepared-transaction")
		_, err = c.ExecContext(t.Context(), "XA ROLLBACK "+xid)
		w.must(err)
	})
}

// A plan is made beside readers and writers, and nobody waits for it; two are made at once.
func TestResolveBlocksNobody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(plainUsers, "INSERT INTO users VALUES (1, 'a', 1)")
		end := w.holding("UPDATE users SET n = 2 WHERE id = 1", "SELECT * FROM users")
		m := migration("0001", rename("users", "email", "mail"))
		other := later(func() error { _, err := w.eng.Resolve(t.Context(), m, nil); return err })
		_, err := w.eng.Resolve(t.Context(), m, nil)
		w.must(err)
		w.must(<-other)
		end()
		is(w, "left", get[int](w, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'phased~%'"), 0)
	})
}

// What a plan left that was ended is removed by a later one; what another one uses is not.
func TestResolveRemovesLeftovers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c, err := w.db.Conn(t.Context())
		w.must(err)
		defer c.Close()
		for _, s := range []string{plainUsers, "CREATE TABLE `phased~copy~new` LIKE users", "CREATE VIEW `phased~copy~new~v` AS SELECT id FROM `phased~copy~new`", "CREATE VIEW `phased~copy~gone~v` AS SELECT id FROM users",
			"SET timestamp = UNIX_TIMESTAMP() - 7200", "CREATE TABLE `phased~copy~old` LIKE users", "SET timestamp = DEFAULT"} {
			_, err := c.ExecContext(t.Context(), s)
			w.must(err)
		}
		w.resolve("0001", plan.AddColumn{Table: "users", Column: "b", Type: "int"})
		want := "phased~copy~new, phased~copy~new~v"
		if w.mariadb() { // whose tables are as old as their files
			want += ", phased~copy~old"
		}
		is(w, "left", strings.Join(w.column("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'phased~%' ORDER BY 1"), ", "), want)
	})
}

// MySQL takes so many instant changes of a table and no more.
func TestResolveCountsRowVersions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if w.mariadb() {
			return
		}
		w.exec(plainUsers, "INSERT INTO users VALUES (1, 'a', 1)")
		for i := range 53 {
			w.exec(fmt.Sprintf("ALTER TABLE users ADD COLUMN c%d int, ALGORITHM=INSTANT", i))
		}
		text := w.refused(w.eng, "row-versions", migration("0001", rename("users", "email", "mail")))
		contains(w, text, "53 times", "ALTER TABLE `users` FORCE, ALGORITHM=INPLACE, LOCK=NONE")
		w.exec("ALTER TABLE users FORCE, ALGORITHM=INPLACE, LOCK=NONE")
		w.resolve("0001", rename("users", "email", "mail"))
	})
}

// A binary log of statements refuses the backfill.
func TestResolveLooksAtTheBinaryLog(t *testing.T) {
	t.Parallel()
	for _, d := range []plan.Dialect{plan.DialectMariaDB, plan.DialectMySQL} {
		if d == plan.DialectMySQL && !scratch.Available(d) {
			continue
		}
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			server := scratch.MariaDBServer
			if d == plan.DialectMySQL {
				server = scratch.MySQLServer
			}
			s, err := server(t, scratch.Config{Settings: map[string]string{"log_bin": "binlog", "binlog_format": "STATEMENT"}}).CreateDatabase(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t, mysql.New(s.DB, d, nil), s.DB, s.DSN, s.Name, d}
			w.exec(plainUsers)
			contains(w, w.refused(w.eng, "binlog-format", migration("0001", rename("users", "email", "mail"))), "STATEMENT", "ROW")
		})
	}
}

// The plan is made on one connection: a pool of one is enough. It does not depend on how
// the pool's sessions are set up, and leaves them as they were.
func TestResolveNeedsOneConnection(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(kindTables...)
		want := w.resolve("0001", kinds[0].changes...)
		x := w.wire(hostile)
		x.db.SetMaxOpenConns(1)
		x.db.SetConnMaxIdleTime(time.Hour)
		p, err := x.eng.Resolve(t.Context(), migration("0001", kinds[0].changes...), nil)
		w.must(err)
		p.Notes = want.Notes
		is(w, "the plan", p.SQL(), want.SQL())
		var mode sql.NullString
		w.must(x.db.QueryRow("SELECT @@SESSION.sql_mode").Scan(&mode))
		contains(w, mode.String, "ANSI_QUOTES")
	})
}
