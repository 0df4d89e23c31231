package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine/mysql"
)

const varchar = "varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"

// sync puts the triggers of these links on a table, in place of what is there, on a
// session with the sql_mode of a step.
func (w *world) sync(table string, links ...plan.Link) {
	w.Helper()
	c, err := w.db.Conn(w.Context())
	w.must(err)
	defer c.Close()
	statements := []string{"SET SESSION sql_mode = '" + mysql.StrictMode + "'"}
	for _, name := range w.column("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ? AND TRIGGER_NAME LIKE 'phased~%'", table) {
		statements = append(statements, "DROP TRIGGER `"+name+"`")
	}
	statements = append(append(statements, w.eng.Compose("", table, links)...), "SET SESSION sql_mode = DEFAULT")
	for _, s := range statements {
		if _, err := c.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
}

func (w *world) row(query string) string {
	w.Helper()
	return strings.Join(w.column("SELECT CONCAT_WS('|', "+query), "; ")
}

func TestSyncCarriesWhatEitherSideWrites(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, email "+varchar+" NOT NULL DEFAULT '', n int)",
			"INSERT INTO users VALUES (1, 'one', 0), (2, 'two', 0), (3, '', 0)",
			"ALTER TABLE users ADD COLUMN mail "+varchar+" NOT NULL DEFAULT '\x01', ALGORITHM=INSTANT", "ALTER TABLE users ALTER COLUMN mail SET DEFAULT ''")
		l := pair("0007", "users", "email", "mail", varchar)
		l.Default = "''"
		w.sync("users", l)
		all := "email, mail) FROM users WHERE id = %d"
		for _, c := range []struct {
			what, statement, want string
			id                    int
		}{
			{"old code's update", "UPDATE users SET email = 'ONE' WHERE id = 1", "ONE|ONE", 1},
			{"a change of case only", "UPDATE users SET email = 'One' WHERE id = 1", "One|One", 1},
			{"a blank at the end only", "UPDATE users SET email = 'One ' WHERE id = 1", "One |One ", 1},
			{"new code's update", "UPDATE users SET mail = 'uno' WHERE id = 1", "uno|uno", 1},
			{"both at once: new wins", "UPDATE users SET email = 'a', mail = 'b' WHERE id = 1", "b|b", 1},
			{"both at once, alike", "UPDATE users SET email = 'c', mail = 'c' WHERE id = 1", "c|c", 1},
			{"an update of something else heals", "UPDATE users SET n = 1 WHERE id = 2", "two|two", 2},
			{"an empty value heals too", "UPDATE users SET n = 1 WHERE id = 3", "|", 3},
			{"new code empties it", "UPDATE users SET mail = '' WHERE id = 1", "|", 1},
			{"old code's insert", "INSERT INTO users (id, email) VALUES (10, 'x')", "x|x", 10},
			{"new code's insert", "INSERT INTO users (id, mail) VALUES (11, 'y')", "y|y", 11},
			{"an insert with both", "INSERT INTO users (id, email, mail) VALUES (12, 'x', 'y')", "y|y", 12},
			{"an insert with neither", "INSERT INTO users (id) VALUES (13)", "|", 13},
			{"INSERT … SELECT of old code", "INSERT INTO users (id, email) SELECT 14, 'z'", "z|z", 14},
			{"INSERT … SELECT of new code", "INSERT INTO users (id, mail) SELECT 15, 'z'", "z|z", 15},
			{"REPLACE of old code", "REPLACE INTO users (id, email) VALUES (10, 'r')", "r|r", 10},
			{"REPLACE … SELECT of new code", "REPLACE INTO users (id, mail) SELECT 10, 's'", "s|s", 10},
			{"upsert of old code", "INSERT INTO users (id, email) VALUES (10, 'u') ON DUPLICATE KEY UPDATE email = VALUES(email)", "u|u", 10},
			{"upsert of new code", "INSERT INTO users (id, mail) VALUES (10, 'v') ON DUPLICATE KEY UPDATE mail = VALUES(mail)", "v|v", 10},
			{"INSERT IGNORE", "INSERT IGNORE INTO users (id, email) VALUES (16, 'i')", "i|i", 16},
			{"several tables", "UPDATE users u JOIN (SELECT 10 AS id) x ON x.id = u.id SET u.email = 'm'", "m|m", 10},
		} {
			w.exec(c.statement)
			is(w, c.what, w.row(fmt.Sprintf(all, c.id)), c.want)
		}
	})
}

// A side may be nullable, and null is a value like others.
func TestSyncCarriesNull(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, a int, b int, n int)", "INSERT INTO users VALUES (1, 5, NULL, 0)")
		l := pair("0007", "users", "a", "b", "int(11)")
		w.sync("users", l)
		show := "COALESCE(a, 'null'), COALESCE(b, 'null')) FROM users WHERE id = 1"
		for _, c := range [][2]string{
			{"UPDATE users SET n = 1", "5|5"}, {"UPDATE users SET a = NULL", "null|null"}, {"UPDATE users SET b = 7", "7|7"}, {"UPDATE users SET b = NULL", "null|null"},
			{"UPDATE users SET a = 1, b = NULL", "1|1"}, // b was not written: its image is what it was
		} {
			w.exec(c[0])
			is(w, c[0], w.row(show), c[1])
		}
	})
}

// A session's own settings change nothing of what the sync does.
func TestSyncUnderHostileSessions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, email " + varchar + " NOT NULL DEFAULT '', mail " + varchar + " NOT NULL DEFAULT '', d date NULL, d2 date NULL)")
		l, d := pair("0007", "users", "email", "mail", varchar), pair("0008", "users", "d", "d2", "date")
		l.Default = "''"
		w.sync("users", l, d)
		x := w.wire(hostile)
		if _, err := x.db.ExecContext(t.Context(), "INSERT INTO users (id, email) VALUES (1, 'a\\b')"); err != nil {
			t.Fatal(err)
		}
		is(w, "a backslash", w.row("email, mail) FROM users"), `a\b|a\b`)
		// A strict client cannot write a zero date; one that is not can, and its write is carried.
		c, err := w.db.Conn(t.Context())
		w.must(err)
		defer c.Close()
		for _, s := range []string{"SET SESSION sql_mode = ''", "UPDATE users SET d = '0000-00-00'", "INSERT INTO users (id, mail) VALUES (2, 'x')", "INSERT INTO users (id) VALUES (3)", "SET SESSION sql_mode = DEFAULT"} {
			if _, err := c.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		is(w, "a zero date", w.row("d, d2) FROM users WHERE id = 1"), "0000-00-00|0000-00-00")
		is(w, "a lax insert", w.row("email, mail) FROM users WHERE id = 2"), "x|x")
	})
}

// Stacked changes are carried through in one statement, in both directions.
func TestSyncOfStackedChanges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, a int, b int, c int)", "INSERT INTO users VALUES (1, 1, 1, 1)")
		links := []plan.Link{pair("0001", "users", "a", "b", "int(11)"), pair("0002", "users", "b", "c", "int(11)")}
		w.sync("users", links...)
		for i, s := range []string{"UPDATE users SET a = %d", "UPDATE users SET b = %d", "UPDATE users SET c = %d", "UPDATE users SET a = 0, c = %d"} {
			w.exec(fmt.Sprintf(s, 10+i))
			is(w, s, w.row("a, b, c) FROM users"), fmt.Sprintf("%d|%[1]d|%[1]d", 10+i))
		}
	})
}

// While the old column changes its name, the sync works under both, and at no instant
// is there none: the two statements of a swap are each atomic.
func TestSyncWorksUnderBothNames(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, a "+varchar+" NOT NULL DEFAULT '', b "+varchar+" NOT NULL DEFAULT '')", "INSERT INTO users VALUES (1, 'x', 'x')")
		l := pair("0007", "users", "a", "b", varchar)
		l.Default = "''"
		n := 0
		check := func(old string) {
			t.Helper()
			for _, column := range []string{"b", old} {
				n++
				w.exec(fmt.Sprintf("UPDATE users SET `%s` = 'v%d' WHERE id = 1", column, n), fmt.Sprintf("INSERT INTO users (id, `%s`) VALUES (%d, 'v%[3]d')", column, 100+n, n))
				want := fmt.Sprintf("v%d|v%[1]d", n)
				is(w, "update of "+column, w.row("`"+old+"`, b) FROM users WHERE id = 1"), want)
				is(w, "insert of "+column, w.row(fmt.Sprintf("`%s`, b) FROM users WHERE id = %d", old, 100+n)), want)
			}
		}
		w.sync("users", l)
		check("a")
		w.exec("ALTER TABLE users ADD COLUMN `a~hidden` " + varchar + " NULL INVISIBLE, ALGORITHM=INSTANT")
		check("a")
		hide := l
		hide.Swap = plan.NameHidden
		w.sync("users", hide)
		check("a")
		w.exec("ALTER TABLE users DROP COLUMN `a~hidden`, RENAME COLUMN a TO `a~hidden`, ALGORITHM=INSTANT")
		check("a~hidden")
		hidden := l.Hide()
		w.sync("users", hidden)
		check("a~hidden")
		w.exec("ALTER TABLE users ADD COLUMN a " + varchar + " NULL INVISIBLE, ALGORITHM=INSTANT")
		check("a~hidden")
		show := hidden
		show.Swap = plan.NameShown
		w.sync("users", show)
		check("a~hidden")
		w.exec("ALTER TABLE users DROP COLUMN a, RENAME COLUMN `a~hidden` TO a, ALGORITHM=INSTANT")
		check("a")
		w.sync("users", l)
		check("a")
	})
}

// What a session's time zone shows twice in a year is still two moments.
func TestSyncKeepsTheMomentOfATimestamp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE e (id int PRIMARY KEY, a timestamp(6) NULL, b timestamp(6) NULL)")
		w.sync("e", pair("0001", "e", "a", "b", "timestamp(6)"))
		w.exec("INSERT INTO e (id, a) VALUES (1, FROM_UNIXTIME(1761442199.25))", "UPDATE e SET b = FROM_UNIXTIME(1761442200.5)")
		is(w, "moments", w.row("UNIX_TIMESTAMP(a), UNIX_TIMESTAMP(b)) FROM e"), "1761442200.500000|1761442200.500000")
	})
}

// Values of every type are carried exactly, both ways, and compared by their image.
func TestSyncOfEveryType(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		latin := " CHARACTER SET latin1 COLLATE latin1_swedish_ci"
		types := []struct {
			typ    string
			values []string
		}{
			{"tinyint(4)", []string{"-128", "127"}}, {"bigint(20) unsigned", []string{"18446744073709551615", "18446744073709551614"}}, {"bigint(20)", []string{"9223372036854775807", "9223372036854775806"}},
			{"decimal(30,10)", []string{"12345678901234567890.0123456789", "12345678901234567890.0123456788"}}, {"float", []string{"0.1", "1e10", "0", "-0e0"}}, {"double", []string{"0.1", "0.10000000000000002", "-0e0", "0"}},
			{"bit(8)", []string{"b'1'", "b'10000000'"}}, {"year(4)", []string{"1999", "2000"}}, {"date", []string{"'2000-02-29'", "'1000-01-01'"}}, {"datetime(6)", []string{"'2000-02-29 00:00:00.000001'", "'2000-02-29'"}},
			{"time(6)", []string{"'-838:59:58.999999'", "'00:00:00.000001'"}}, {"char(5)" + latin, []string{"'a'", "'A'", "'ä'"}}, {"varchar(5)" + latin, []string{"'a'", "'a '", "'Ä'", "''"}},
			{"varchar(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", []string{"'ß'", "'ss'", "'SS'", "'😀'"}}, {"text" + latin, []string{"'long'", "'LONG'"}}, {"binary(4)", []string{"X'00'", "X'0001'"}}, {"varbinary(4)", []string{"X'00'", "X'0000'", "''"}},
			{"blob", []string{"X'00ff'", "'a'"}}, {"enum('x','X ','y')" + strings.ReplaceAll(latin, "swedish_ci", "bin"), []string{"'y'", "'x'"}}, {"set('a','b')" + latin, []string{"'a,b'", "''", "'b'"}},
		}
		if w.mariadb() {
			types = append(types, struct {
				typ    string
				values []string
			}{"uuid", []string{"'123e4567-e89b-12d3-a456-426655440000'", "'123e4567-e89b-12d3-a456-426655440001'"}})
		} else {
			types = append(types, struct {
				typ    string
				values []string
			}{"json", []string{`'{"a": 1}'`, `'{"a": 1.0}'`, `'"x"'`, `'"X"'`, `'null'`}})
		}
		for i, x := range types {
			table := fmt.Sprintf("t%d", i)
			w.exec(fmt.Sprintf("CREATE TABLE %s (id int PRIMARY KEY, a %s NULL, b %[2]s NULL)", table, x.typ), fmt.Sprintf("INSERT INTO %s (id) VALUES (1)", table))
			w.sync(table, pair("0001", table, "a", "b", x.typ))
			for j, v := range x.values {
				for k, column := range []string{"a", "b"} {
					w.exec(fmt.Sprintf("UPDATE %s SET %s = %s WHERE id = 1", table, column, x.values[(j+1)%len(x.values)]), fmt.Sprintf("UPDATE %s SET %s = %s WHERE id = 1", table, column, v),
						fmt.Sprintf("INSERT INTO %s (id, %s) VALUES (%d, %s)", table, column, 10+j*2+k, v))
					for _, id := range []int{1, 10 + j*2 + k} {
						is(w, fmt.Sprintf("%s %s written to %s", x.typ, v, column), w.row(fmt.Sprintf("HEX(CAST(a AS BINARY)) = HEX(CAST(b AS BINARY)), a IS NOT NULL) FROM %s WHERE id = %d", table, id)), "1|1")
					}
				}
			}
		}
	})
}

// Most writes leave every pair in step: that is asked once, in front of everything.
func TestSyncAsksFirstWhetherARowIsInStep(t *testing.T) {
	t.Parallel()
	e := mysql.New(nil, plan.DialectMariaDB, nil)
	ab, bc := pair("0007", "users", "a", "b", varchar), pair("0008", "users", "b", "c", varchar)
	in := func(column string) string { return "CAST(NEW.`" + column + "` AS BINARY)" }
	want := "BEGIN\n  IF NOT (" + in("b") + " <=> " + in("a") + ") OR NOT (" + in("c") + " <=> " + in("b") + ") THEN\n"
	for _, create := range e.Compose("", "users", []plan.Link{ab, bc}) {
		if !strings.Contains(create, want) {
			t.Errorf("want %q in\n%s", want, create)
		}
	}
}
