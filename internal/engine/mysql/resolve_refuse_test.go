package mysql_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Bad input and what cannot be done online are refused by name, with the way out, and
// nothing is changed.
func TestResolveRefuses(t *testing.T) {
	base := "CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50), n int)"
	with := func(column string) string { return "CREATE TABLE users (id bigint PRIMARY KEY, n int, " + column + ")" }
	email := rename("users", "email", "email_address")
	cases := []struct {
		name    string
		setup   []string
		change  plan.Change
		hazards string // separated by blanks
		says    string // part of the message
		only    plan.Dialect
	}{
		{"unknown table", []string{base}, rename("user", "a", "b"), "unknown-table", "check the name", ""},
		{"table in another case", []string{base}, rename("Users", "email", "b"), "unknown-table", "did you mean [users]", ""},
		{"another database", []string{base}, plan.RenameColumn{Schema: "elsewhere", Table: "users", From: "email", To: "b"}, "other-database", "leave its name out", ""},
		{"unknown column", []string{base}, rename("users", "mail", "b"), "unknown-column", "it has [id email n]", ""},
		{"name taken", []string{base}, rename("users", "email", "N"), "duplicate-name", "already has a column n", ""},
		{"same name", []string{base}, rename("users", "email", "email"), "duplicate-name", "", ""},
		{"another case only", []string{base}, rename("users", "email", "Email"), "case-only", "as-written", ""},
		{"empty name", []string{base}, rename("users", "email", ""), "name-length", "", ""},
		{"65 characters", []string{base}, rename("users", "email", long64+"y"), "name-length", "has 65 characters", ""},
		{"blank at the end", []string{base}, rename("users", "email", "b "), "name-characters", "", ""},
		{"beyond U+FFFF", []string{base}, rename("users", "email", "a😀"), "name-characters", "", ""},
		{"view", []string{base, "CREATE VIEW v AS SELECT * FROM users"}, rename("v", "email", "b"), "not-a-table", "is a view", ""},
		{"not InnoDB", []string{base + " ENGINE = MyISAM"}, email, "engine", "MyISAM", ""},
		{"system-versioned", []string{base + " WITH SYSTEM VERSIONING"}, email, "system-versioned", "", plan.DialectMariaDB},
		{"no key", []string{"CREATE TABLE users (id bigint UNIQUE, email varchar(50))"}, email, "no-key", "ADD PRIMARY KEY", ""},
		{"no key but a part of one", []string{"CREATE TABLE users (id varchar(50) NOT NULL, email varchar(50), UNIQUE (id(3)))"}, email, "no-key", "", ""},
		{"primary key", []string{base}, rename("users", "id", "b"), "primary-key", "", ""},
		{"auto_increment", []string{with("email bigint AUTO_INCREMENT UNIQUE")}, email, "identity", "AUTO_INCREMENT", ""},
		{"changes by itself", []string{with("email datetime ON UPDATE CURRENT_TIMESTAMP")}, email, "on-update", "CURRENT_TIMESTAMP", ""},
		{"generated", []string{with("email varchar(50) AS (n) VIRTUAL")}, email, "generated-column", "", ""},
		{"column that a generated one uses", []string{with("email varchar(50), low varchar(50) AS (lower(email)) STORED")}, email, "dependent-generated-column", "low", ""},
		{"check", []string{with("email varchar(50), CONSTRAINT c CHECK (email <> 'x' OR n > 0)")}, email, "check", "DROP CONSTRAINT `c`", ""},
		{"check of the column", []string{with("email varchar(50) CHECK (email <> 'x')")}, email, "check", "", plan.DialectMariaDB},
		{"partition key", []string{"CREATE TABLE users (id bigint, email int, PRIMARY KEY (id)) PARTITION BY HASH (id)"}, rename("users", "id", "b"), "partition-key primary-key", "", ""},
		{"partition expression", []string{"CREATE TABLE users (id bigint, email date, n int, UNIQUE KEY (email)) PARTITION BY RANGE (YEAR(email)) (PARTITION p VALUES LESS THAN MAXVALUE)"}, email, "partition-key", "", ""},
		{"fulltext", []string{with("email varchar(50), FULLTEXT KEY ft (email)")}, email, "fulltext-index", "ft", ""},
		{"functional index", []string{with("email varchar(50), KEY f ((lower(email)))")}, email, "functional-index", "", plan.DialectMySQL},
		{"fulltext beside it", []string{with("email varchar(50), v text, FULLTEXT KEY ft (v)")}, email, "blocks-writes", "only by blocking writes", ""},
		{"geometry", []string{with("email point")}, email, "type", "point", ""},
		{"compressed column", []string{with("email varchar(500) COMPRESSED")}, email, "column-option", "COMPRESSED", plan.DialectMariaDB},
		{"referenced", []string{base, "CREATE TABLE other (u bigint, CONSTRAINT fk FOREIGN KEY (u) REFERENCES users (id))"}, rename("users", "id", "b"), "primary-key referenced", "other", ""},
		{"on update cascade", []string{"CREATE TABLE p (k varchar(50) PRIMARY KEY)", with("email varchar(50), CONSTRAINT fk FOREIGN KEY (email) REFERENCES p (k) ON UPDATE CASCADE")}, email, "foreign-key-action", "ON UPDATE CASCADE", ""},
		{"on delete set null", []string{"CREATE TABLE p (k varchar(50) PRIMARY KEY)", with("email varchar(50), CONSTRAINT fk FOREIGN KEY (email) REFERENCES p (k) ON DELETE SET NULL")}, email, "foreign-key-action", "SET NULL", ""},
		{"view over it", []string{base, "CREATE VIEW v AS SELECT email FROM users"}, email, "dependent-view", "contract stays shut", ""},
		{"routine that names it", []string{base, "CREATE PROCEDURE p() SELECT email FROM users"}, email, "dependent-procedure", "", ""},
		{"trigger that assigns it", []string{base, "CREATE TRIGGER g BEFORE INSERT ON users FOR EACH ROW SET NEW.email = LOWER(NEW.email)"}, email, "trigger-assigns-column dependent-trigger", "", ""},
		{"trigger of nobody's", []string{base, "CREATE DEFINER = `no such account`@`nowhere` TRIGGER g BEFORE DELETE ON users FOR EACH ROW SET @x = OLD.n"}, email, "trigger-definer", "no such account@nowhere", ""},
		{"trigger on updates", []string{base, "CREATE TRIGGER g AFTER UPDATE ON users FOR EACH ROW SET @x = NEW.n"}, email, "trigger-fires-on-backfill", "", ""},
		{"default that changes", []string{with("email char(36) DEFAULT (uuid())")}, email, "volatile-default", "uuid()", ""},
		{"default that cannot be told", []string{with("email double(10,2) NOT NULL DEFAULT 1.5")}, email, "default", "", ""},
		{"hidden name taken", []string{with("email varchar(50), `email~hidden` int")}, email, "duplicate-name", "would be hidden", ""},
		{"serialize inserts", []string{base}, plan.RenameColumn{Table: "users", From: "email", To: "b", SerializeInserts: true}, "serialize-inserts", "", ""},
		{"expression misspelt", []string{base}, plan.RenameColumn{Table: "users", From: "email", To: "b", Up: "lowr(email)", Down: "b"}, "up-expression", "lowr", ""},
		{"expression unreadable", []string{base}, plan.RenameColumn{Table: "users", From: "email", To: "b", Up: "email", Down: "lower(b"}, "down-expression", "", ""},
		{"expression of another column", []string{base}, plan.RenameColumn{Table: "users", From: "email", To: "b", Up: "concat(email, n)", Down: "b"}, "up-expression", "n", ""},
		{"expression that changes", []string{base}, plan.RenameColumn{Table: "users", From: "email", To: "b", Up: "concat(email, rand())", Down: "b"}, "up-volatile", "rand", ""},
		{"null is something", []string{base}, plan.RenameColumn{Table: "users", From: "email", To: "b", Up: "coalesce(email, '')", Down: "b"}, "null", "", ""},
		{"expression and constraint", []string{with("email varchar(50) NOT NULL UNIQUE")}, plan.RenameColumn{Table: "users", From: "email", To: "b", Up: "lower(email)", Down: "b"}, "expression-and-constraint", "NOT NULL, unique index", ""},
		{"expression of an enum", []string{with("email enum('a', 'b')")}, plan.RenameColumn{Table: "users", From: "email", To: "b", Up: "lower(email)", Down: "b"}, "expression-type", "", ""},

		{"add: taken", []string{base}, plan.AddColumn{Table: "users", Column: "N", Type: "int"}, "duplicate-name", "", ""},
		{"add: unknown type", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "itn"}, "add-column", "itn", ""},
		{"add: bad default", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "int", Default: "'x'"}, "add-column", "Invalid default", ""},
		{"add: not null without default", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "int", NotNull: true}, "not-null", "", ""},
		{"add: not null in the type", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "int NOT NULL"}, "add-column", "beside the type", ""},
		{"add: default that changes", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "char(36)", Default: "(uuid())"}, "blocks-writes", "", plan.DialectMariaDB},
		{"add: default that changes", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "char(36)", Default: "(uuid())"}, "add-column", "unsafe", plan.DialectMySQL},
		{"add: default of an expression", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "int", Default: "(1 + 1)"}, "blocks-writes", "", plan.DialectMySQL},
		{"add: serial", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "serial"}, "blocks-writes", "", ""},
		{"add: unique", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "int UNIQUE"}, "add-column", "brings an index", ""},
		{"add: another column in the type", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "int, ADD COLUMN c int"}, "add-column", "another column", ""},
		{"add: stored", []string{base}, plan.AddColumn{Table: "users", Column: "b", Type: "int AS (n + 1) STORED"}, "blocks-writes", "", ""},
		{"drop: unknown", []string{base}, plan.DropColumn{Table: "users", Column: "x"}, "unknown-column", "", ""},
		{"drop: key", []string{base}, plan.DropColumn{Table: "users", Column: "id"}, "primary-key", "", ""},
		{"drop: shared index", []string{with("email int, KEY both_columns (email, n)")}, plan.DropColumn{Table: "users", Column: "n"}, "drops-others", "both_columns", ""},
		{"drop: check", []string{with("email int, CONSTRAINT c CHECK (n > 0)")}, plan.DropColumn{Table: "users", Column: "n"}, "check", "", ""},
		{"drop: view", []string{base, "CREATE VIEW v AS SELECT n FROM users"}, plan.DropColumn{Table: "users", Column: "n"}, "dependent-view", "", ""},
		{"rename table: taken", []string{base, "CREATE TABLE people (id int)"}, plan.RenameTable{From: "users", To: "people"}, "duplicate-name", "", ""},
		{"rename table: aside taken", []string{base, "CREATE TABLE `people~hidden` (id int)"}, plan.RenameTable{From: "users", To: "people"}, "duplicate-name", "", ""},
		{"rename table: name too long", []string{base}, plan.RenameTable{From: "users", To: long64 + "y"}, "name-length", "", ""},
		{"rename table: invisible column", []string{with("email int INVISIBLE")}, plan.RenameTable{From: "users", To: "people"}, "invisible-column", "", ""},
		{"index: taken", []string{with("email int, KEY i (n)")}, plan.CreateIndex{Table: "users", Name: "I", Definition: "(n)"}, "duplicate-name", "", ""},
		{"index: bad definition", []string{base}, plan.CreateIndex{Table: "users", Name: "i", Definition: "(m)"}, "create-index", "m", ""},
		{"index: fulltext", []string{base}, plan.CreateIndex{Table: "users", Name: "i", Definition: "(email), ADD FULLTEXT INDEX j (email)"}, "blocks-writes", "", ""},
		{"create: taken", []string{base}, plan.CreateTable{Name: "users", SQL: base}, "duplicate-name", "", ""},
		{"as written without a reason", []string{base}, plan.AsWritten{SQL: "SELECT 1"}, "as-written", "", ""},
	}
	eachEmpty(t, func(t *testing.T, w *world) {
		for _, c := range cases {
			if c.only != "" && c.only != w.dialect {
				continue
			}
			w.clear()
			w.exec(c.setup...)
			before := w.dump()
			_, err := w.eng.Resolve(t.Context(), migration("0001", c.change), nil)
			var refused *engine.Refused
			if !errors.As(err, &refused) {
				t.Errorf("%s: got %v, want a refusal by %s", c.name, err, c.hazards)
				continue
			}
			var got []string
			for _, p := range refused.Problems {
				got = append(got, p.Hazard)
				if p.Where == "" || p.Text == "" || p.Way == "" {
					t.Errorf("%s: the problem does not say where, what or the way out: %+v", c.name, p)
				}
			}
			want := strings.Fields(c.hazards)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: refused by %v, want %v, saying %q\n%v", c.name, got, want, c.says, err)
			}
			is(w, c.name+": what is there afterwards", w.dump(), before)
		}
	})
}

// clear drops all tables, views and procedures of the test's database.
func (w *world) clear() {
	w.Helper()
	c, err := w.db.Conn(w.Context())
	w.must(err)
	defer c.Close()
	drop := []string{"SET foreign_key_checks = 0"}
	drop = append(drop, w.column("SELECT CONCAT('DROP PROCEDURE `', ROUTINE_NAME, '`') FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()")...)
	drop = append(drop, w.column("SELECT CONCAT('DROP ', IF(TABLE_TYPE = 'VIEW', 'VIEW', 'TABLE'), ' `', TABLE_NAME, '`') FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_TYPE DESC")...)
	for _, s := range append(drop, "SET foreign_key_checks = 1") {
		if _, err := c.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
}
