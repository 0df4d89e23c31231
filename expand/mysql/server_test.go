package mysql_test

import (
	"context"
	"database/sql"
	"testing"
	"testing/fstest"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/mysql"
	"github.com/phasedb/phased/expand/plan"
)

const (
	both    = ""
	mariadb = plan.DialectMariaDB
	onMySQL = plan.DialectMySQL
)

// TestServersMeanTheSame: what becomes of a statement here gives the table that the
// server makes of the statement itself.
func TestServersMeanTheSame(t *testing.T) {
	t.Parallel()
	const base = "CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(50) CHARACTER SET utf8mb4, d datetime)"
	for _, d := range []plan.Dialect{mariadb, onMySQL} {
		if d == onMySQL && !scratch.Available(d) {
			t.Log("there is no MySQL on this machine")
			continue
		}
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			for _, test := range []struct {
				on  plan.Dialect
				sql string
			}{
				{both, "ALTER TABLE t ADD COLUMN c varchar(10) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL DEFAULT 'it''s \\'x\\'\\n' COMMENT 'a\\tb'"},
				{both, "ALTER TABLE t ADD c varchar(10) COMMENT \"it's \"\"x\"\"\" DEFAULT \"\\\"'\" COLLATE utf8mb4_bin NOT NULL"},
				{both, "ALTER TABLE t ADD c timestamp(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3) COMMENT 'x'"},
				{both, "ALTER TABLE t ADD c datetime ON UPDATE NOW() DEFAULT NULL"},
				{both, "ALTER TABLE t ADD (c decimal(10,2) unsigned DEFAULT -0.0, e bit(3) DEFAULT b'101', f enum('a','b;','c''d') DEFAULT 'b;' NOT NULL), ADD g double precision DEFAULT 1e3, ADD `key` set('x') CHARSET ascii"},
				{both, "ALTER TABLE t ADD c char(3) CHARACTER SET ucs2 DEFAULT _utf8mb4'x', ALGORITHM=INPLACE, LOCK=NONE"},
				{both, "ALTER TABLE t ADD c bool DEFAULT TRUE, ADD e national char(5), ADD f text(70000), ADD g year DEFAULT 2020, ADD h point, ADD i json, ADD j long varchar, ADD k varbinary(9) DEFAULT X'00FF', ADD l int(5) unsigned zerofill"},
				{mariadb, "ALTER TABLE t ADD c uuid, ADD e inet6 DEFAULT '::1', ADD f inet4, ADD g varchar(5) COLLATE utf8mb4_general_nopad_ci, ADD h int DEFAULT (1 + 2)"},
				{onMySQL, "ALTER TABLE t ADD c varchar(5) COLLATE utf8mb4_0900_as_cs, ADD e vector(3)"},
				{both, "ALTER TABLE t ADD INDEX i (a, b(10) DESC) USING BTREE COMMENT \"it's\""},
				{both, "ALTER TABLE t ADD UNIQUE KEY u (a), ADD CONSTRAINT v UNIQUE (b, d), ADD KEY `w ``x` USING HASH (d)"},
				{both, "CREATE UNIQUE INDEX i USING BTREE ON t (d, a) KEY_BLOCK_SIZE 8 COMMENT 'x' ALGORITHM=INPLACE"},
				{onMySQL, "CREATE INDEX i ON t (a) INVISIBLE"},
				{both, "-- phased:as-written reason=\"x\"\nALTER TABLE t ADD COLUMN c int AFTER a, ADD INDEX (c)"},
				{both, "CREATE TABLE x (id bigint AUTO_INCREMENT PRIMARY KEY, p point NOT NULL, n int DEFAULT (1 + 1), s varchar(9) CHARACTER SET koi8r COLLATE koi8r_bin, SPATIAL KEY (p), CHECK (n > 0)) COMMENT 'y'"},
				{mariadb, "CREATE TABLE x (u uuid DEFAULT (uuid()), i inet6) COLLATE=utf8mb4_nopad_bin"},
			} {
				if test.on != both && test.on != d {
					continue
				}
				want, got := scratch.On(t, d).DB, scratch.On(t, d).DB
				run(t, want, base, "INSERT INTO t (id) VALUES (1)", test.sql)
				run(t, got, base, "INSERT INTO t (id) VALUES (1)")
				up(t, got, test.sql)
				for _, table := range []string{"t", "x"} {
					if w, g := created(want, table), created(got, table); w != g {
						t.Errorf("%s\n got %s\nwant %s", test.sql, g, w)
					}
				}
			}
		})
	}
}

// A body of several statements reaches the server as one, and so does what no grammar
// here reads.
func TestAsWrittenReachesTheServerWhole(t *testing.T) {
	t.Parallel()
	db := scratch.MariaDB(t).DB
	run(t, db, "CREATE TABLE t (id int PRIMARY KEY, a int)")
	up(t, db, `
-- phased:as-written reason="counts"
CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN
  IF NEW.a IS NULL THEN SET NEW.a = CASE WHEN NEW.id > 1 THEN 2 ELSE 1 END; END IF; -- ;
  SET NEW.a = NEW.a * 10;
END;

-- phased:as-written reason="a sequence"
CREATE SEQUENCE s START WITH 7;
`)
	run(t, db, "INSERT INTO t (id) VALUES (1), (2)", "INSERT INTO t VALUES (3, NEXT VALUE FOR s)")
	var sum int
	if err := db.QueryRow("SELECT SUM(a) FROM t").Scan(&sum); err != nil || sum != 10+20+70 {
		t.Errorf("sum %d, %v", sum, err)
	}
}

// up runs one migration in a database that has been in use.
func up(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	m, err := expand.New(db, fstest.MapFS{"0001_x.sql": {Data: []byte(text)}}, expand.Config{App: "test", Version: "v1", Parser: mysql.Parser()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.WithoutCancel(t.Context()))
	if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context()); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// created is the definition of a table; empty where there is none.
func created(db *sql.DB, table string) string {
	var name, text string
	if db.QueryRow("SHOW CREATE TABLE "+table).Scan(&name, &text) != nil {
		return ""
	}
	return text
}
