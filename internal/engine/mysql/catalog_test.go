package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// facts reads a table as a plan keeps it.
func (w *world) facts(table string) *schema.Catalog {
	w.Helper()
	p, err := w.eng.Resolve(w.Context(), migration("0001", plan.AddColumn{Table: table, Column: "one more", Type: "int"}), nil)
	w.must(err)
	return p.Facts
}

// Defaults are read as DDL has them, on every server, with what evaluating them twice gives.
func TestDefaultsAreRead(t *testing.T) {
	const constant, volatile = schema.DefaultConstant, schema.DefaultVolatile
	columns := []struct {
		declared string
		def      string // of both families; "mariadb | mysql" where they differ
		class    schema.DefaultClass
		only     plan.Dialect
	}{
		{"int", "", "", ""}, {"int NULL DEFAULT NULL", "", "", ""}, {"int NOT NULL", "", "", ""},
		{"int DEFAULT 5", "5", constant, ""}, {"int DEFAULT '-5'", "-5", constant, ""}, {"decimal(10,2) DEFAULT 1.5", "1.50", constant, ""}, {"double DEFAULT 1e30", "1e30", constant, ""},
		{"boolean DEFAULT TRUE", "1", constant, ""}, {"year DEFAULT 2020", "2020", constant, ""}, {"bit(3) DEFAULT b'101'", "b'101'", constant, ""},
		{`varchar(20) DEFAULT 'it''s \\ "x"'`, `'it''s \\ "x"'`, constant, ""}, {"varchar(20) DEFAULT ''", "''", constant, ""}, {"varchar(20) DEFAULT 'NULL'", "'NULL'", constant, ""},
		{"varchar(20) DEFAULT 'CURRENT_TIMESTAMP'", "'CURRENT_TIMESTAMP'", constant, ""}, {"varchar(20) DEFAULT 'a, b) COMMENT x'", "'a, b) COMMENT x'", constant, ""},
		{"varchar(20) DEFAULT 'ü✓'", "'ü✓'", constant, ""}, {`varchar(20) DEFAULT 'a\nb'`, `'a\nb'`, constant, ""},
		{"binary(3) DEFAULT 'a\\0b'", "x'610062'", constant, ""}, {"varbinary(5) DEFAULT x'ff0041'", "x'ff0041'", constant, ""}, {"varbinary(5) DEFAULT 'abc'", "x'616263'", constant, ""},
		{"enum('a','b''c') DEFAULT 'b''c'", "'b''c'", constant, ""}, {"set('x','y') DEFAULT 'x,y'", "'x,y'", constant, ""},
		{"date DEFAULT '2020-01-02'", "'2020-01-02'", constant, ""}, {"time(2) DEFAULT '10:00:00.5'", "'10:00:00.50'", constant, ""},
		{"timestamp NULL DEFAULT '2020-01-02 03:04:05'", "'2020-01-02 03:04:05'", constant, ""},
		{"datetime DEFAULT CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", constant, ""}, {"datetime(3) DEFAULT NOW(3)", "CURRENT_TIMESTAMP(3)", constant, ""}, {"timestamp DEFAULT CURRENT_TIMESTAMP()", "CURRENT_TIMESTAMP", constant, ""},
		{"char(36) DEFAULT (uuid())", "uuid() | (uuid())", volatile, ""}, {"int DEFAULT (1 + 1)", "(1 + 1) | ((1 + 1))", constant, ""}, {"double DEFAULT (rand())", "rand() | (rand())", volatile, ""},
		{"varchar(20) DEFAULT (concat('a', 'uuid()'))", "concat('a','uuid()') | (concat(_utf8mb4'a',_utf8mb4'uuid()'))", constant, ""},
		{"text DEFAULT ('abc')", "'abc' | (_utf8mb4'abc')", constant, ""}, {"json DEFAULT (json_array())", "json_array() | (json_array())", constant, ""},
		{"date DEFAULT (curdate() + interval 1 day)", "(curdate() + interval 1 day) | ((curdate() + interval 1 day))", constant, ""},
		{"bigint DEFAULT (nextval(numbers))", "nextval(`numbers`)", volatile, plan.DialectMariaDB},
	}
	eachEmpty(t, func(t *testing.T, w *world) {
		x := w.wire(hostile)
		if w.mariadb() {
			w.exec("CREATE SEQUENCE numbers")
		}
		var list []string
		for i, c := range columns {
			if c.only == "" || c.only == w.dialect {
				list = append(list, fmt.Sprintf("c%d %s", i, c.declared))
			}
		}
		w.exec("CREATE TABLE t (id int PRIMARY KEY, " + strings.Join(list, ", ") + ") DEFAULT CHARSET utf8mb4")
		// Whatever the pool's sessions are set to.
		p, err := x.eng.Resolve(t.Context(), migration("0001", plan.AddColumn{Table: "t", Column: "b", Type: "int"}), nil)
		w.must(err)
		for i, c := range columns {
			if c.only != "" && c.only != w.dialect {
				continue
			}
			want, mysql, differ := strings.Cut(c.def, " | ")
			if differ && !w.mariadb() {
				want = mysql
			}
			col := p.Facts.Tables[0].Column(fmt.Sprintf("c%d", i))
			if col.Default != want || col.DefaultClass != c.class {
				t.Errorf("%s: default %s (%s), want %s (%s)", c.declared, col.Default, col.DefaultClass, want, c.class)
			}
		}
	})
}

// The facts say what a table is, and nothing of the database's name, of counters or of
// the order in which things were made.
func TestFactsAreEqualBetweenDatabases(t *testing.T) {
	tables := func(keys string) []string {
		return []string{
			"CREATE TABLE domains (name varchar(50) PRIMARY KEY) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
			"CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY, email varchar(50) NOT NULL DEFAULT 'x', at timestamp(3) NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(3), n int INVISIBLE, low varchar(50) AS (lower(email)) VIRTUAL, " + keys +
				", CONSTRAINT f FOREIGN KEY (email) REFERENCES domains (name) ON DELETE CASCADE, CONSTRAINT c CHECK (n > 0 OR email <> 'it''s')) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
			"CREATE TABLE child (t bigint, CONSTRAINT of_t FOREIGN KEY (t) REFERENCES t (id))",
			"CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW SET @x = NEW.n",
		}
	}
	each(t, func(t *testing.T, w *world) {
		other := newWorld(t, w.dialect)
		w.exec(tables("KEY a (email(5), n DESC), UNIQUE KEY b (email, n)")...)
		other.exec(tables("UNIQUE KEY b (email, n), KEY a (email(5), n DESC)")...)
		w.exec("INSERT INTO domains VALUES ('x')", "INSERT INTO t (n) VALUES (1), (2), (3)", "ANALYZE TABLE t")
		facts := w.facts("t")
		if diff := plan.DiffFacts(facts, other.facts("t")); len(diff) > 0 {
			t.Errorf("facts differ: %v", diff)
		}
		tab := facts.Tables[0]
		key := tab.Key()
		is(w, "key", strings.Join(key, ", "), "id")
		is(w, "invisible", tab.Column("n").Invisible, true)
		is(w, "generated", tab.Column("low").Generated, "virtual")
		is(w, "on update", tab.Column("at").OnUpdate, "CURRENT_TIMESTAMP(3)")
		is(w, "identity", tab.Column("id").Identity, "auto_increment")
		is(w, "type", tab.Column("email").Type, "varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
		is(w, "index", tab.Index("a").Definition+" "+strings.Join(tab.Index("a").Key, " "), "(`email`(5),`n` DESC) email n")
		is(w, "parts of columns", tab.Index("a").Plain, false)
		is(w, "foreign key", tab.Constraint("f").References+" "+tab.Constraint("f").Tail, "`domains` ON DELETE CASCADE")
		is(w, "check", strings.Join(tab.Constraint("c").Columns, ", "), "n, email")
		is(w, "referenced by", tab.ReferencedBy[0].Table+" "+strings.Join(tab.ReferencedBy[0].RefColumns, ", "), "`child` id")
		is(w, "triggers", len(tab.Triggers), 1)

		// A sync of ours is no fact.
		w.exec("CREATE TRIGGER `phased~1` BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1")
		if diff := plan.DiffFacts(facts, w.facts("t")); len(diff) > 0 {
			t.Errorf("facts differ by the sync: %v", diff)
		}
		for _, change := range []string{
			"ALTER TABLE t MODIFY n bigint INVISIBLE", "ALTER TABLE t ALTER email SET DEFAULT 'y'", "ALTER TABLE t ALTER at SET DEFAULT '2020-01-01 00:00:00'", "ALTER TABLE t MODIFY n int", "ALTER TABLE t DROP INDEX a, ADD INDEX a (email(6), n DESC)",
			"ALTER TABLE t DROP FOREIGN KEY f, ADD CONSTRAINT f2 FOREIGN KEY (email) REFERENCES domains (name)", "ALTER TABLE t DROP CONSTRAINT c", "DROP TABLE child", "DROP TRIGGER g",
			"ALTER TABLE t DEFAULT COLLATE utf8mb4_bin", "ALTER TABLE t ADD COLUMN more int",
		} {
			before := w.facts("t")
			w.exec(change)
			if diff := plan.DiffFacts(before, w.facts("t")); len(diff) == 0 {
				t.Errorf("the facts are equal after %s", change)
			}
		}
	})
}
