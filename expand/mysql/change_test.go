package mysql

import (
	"reflect"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

func TestChanges(t *testing.T) {
	long := strings.Repeat("ä", 64) // 64 characters
	addC := func(typ string) []plan.Change {
		return []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: typ}}
	}
	index := func(definition string) []plan.Change {
		return []plan.Change{plan.CreateIndex{Table: "t", Name: "i", Definition: definition}}
	}
	written := func(sql, table string) []plan.Change {
		return []plan.Change{plan.AsWritten{SQL: sql, Reason: "empty", Table: table}}
	}
	const mark = "-- phased:as-written reason=\"empty\"\n"
	for _, test := range []struct {
		name, sql string
		want      []plan.Change
	}{
		{"rename column", "ALTER TABLE users RENAME COLUMN email TO email_address", []plan.Change{plan.RenameColumn{Table: "users", From: "email", To: "email_address"}}},
		{"rename column of another database", "alter table App.Users rename column EMail to Email_Address;", []plan.Change{plan.RenameColumn{Schema: "App", Table: "Users", From: "EMail", To: "Email_Address"}}},
		{"rename of odd names", "ALTER TABLE `a.b`.`Weird ``Name`` \"x\"` RENAME COLUMN `select` TO `ÄÖ; -- `", []plan.Change{plan.RenameColumn{Schema: "a.b", Table: "Weird `Name` \"x\"", From: "select", To: "ÄÖ; -- "}}},
		{"64 characters", "ALTER TABLE t RENAME COLUMN a TO " + long, []plan.Change{plan.RenameColumn{Table: "t", From: "a", To: long}}},
		{"names that begin with a digit", "ALTER TABLE 1t RENAME COLUMN 2a TO 3$b", []plan.Change{plan.RenameColumn{Table: "1t", From: "2a", To: "3$b"}}},
		{"several renames", "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN c TO d", []plan.Change{plan.RenameColumn{Table: "t", From: "a", To: "b"}, plan.RenameColumn{Table: "t", From: "c", To: "d"}}},
		{"rename table", "RENAME TABLE users TO accounts", []plan.Change{plan.RenameTable{From: "users", To: "accounts"}}},
		{"rename tables", "RENAME TABLES app.a TO app.b, c TO d", []plan.Change{plan.RenameTable{Schema: "app", From: "a", To: "b"}, plan.RenameTable{From: "c", To: "d"}}},
		{"alter table rename", "ALTER TABLE a RENAME b", []plan.Change{plan.RenameTable{From: "a", To: "b"}}},
		{"alter table rename to", "ALTER TABLE a RENAME TO b", []plan.Change{plan.RenameTable{From: "a", To: "b"}}},
		{"alter table rename as", "ALTER TABLE app.a RENAME AS app.b", []plan.Change{plan.RenameTable{Schema: "app", From: "a", To: "b"}}},

		{"add column", "ALTER TABLE t ADD COLUMN c int", addC("int")},
		{"add column with everything", "ALTER TABLE s.t ADD c VARCHAR ( 10 ) CHARACTER SET latin2 COLLATE latin2_bin NOT NULL DEFAULT \"it's \"\"x\"\" \\\"y\\\"\" COMMENT 'a /* b */' ",
			[]plan.Change{plan.AddColumn{Schema: "s", Table: "t", Column: "c", Type: "VARCHAR ( 10 ) CHARACTER SET latin2 COMMENT 'a /* b */'", Collate: "latin2_bin", Default: `'it''s "x" \"y\"'`, NotNull: true}}},
		{"add column, its options in another order", "ALTER TABLE t ADD c varchar(10) COMMENT 'x' DEFAULT 'a' COLLATE utf8mb4_uca1400_ai_ci NOT NULL",
			[]plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "varchar(10) COMMENT 'x'", Collate: "utf8mb4_uca1400_ai_ci", Default: "'a'", NotNull: true}}},
		{"add column with comments between", "ALTER TABLE t ADD c /* the price */ decimal(10,2) -- in euros\n unsigned # and cents\n DEFAULT -1.50",
			[]plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "decimal(10,2) unsigned", Default: "-1.50"}}},
		{"add column with a comment that is code to another product", "ALTER TABLE t ADD c int /*T! NOT NULL */ DEFAULT /*T![auto_rand] 2 */ 1", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "int", Default: "1"}}},
		{"add nullable column", "ALTER TABLE t ADD c int NULL DEFAULT NULL", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "int", Default: "NULL"}}},
		{"add timestamp", "ALTER TABLE t ADD c timestamp(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)",
			[]plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "timestamp(3) NULL ON UPDATE CURRENT_TIMESTAMP(3)", Default: "CURRENT_TIMESTAMP(3)"}}},
		{"add with an expression as default", "ALTER TABLE t ADD c int DEFAULT ((1 + 2) * 3) NOT NULL", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "int", Default: "((1 + 2) * 3)", NotNull: true}}},
		{"add with a function as default", "ALTER TABLE t ADD c uuid DEFAULT uuid()", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "uuid", Default: "uuid()"}}},
		{"add with an introducer", "ALTER TABLE t ADD c varchar(9) DEFAULT _utf8mb4'x'", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "varchar(9)", Default: "_utf8mb4'x'"}}},
		{"add bit", "ALTER TABLE t ADD c bit(2) DEFAULT b'01'", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "bit(2)", Default: "b'01'"}}},
		{"add enum", "ALTER TABLE t ADD c enum('a','b;',\"c'd\") CHARSET ascii", addC("enum('a','b;','c''d') CHARSET ascii")},
		{"add double precision", "ALTER TABLE t ADD c double precision", addC("double precision")},
		{"add point", "ALTER TABLE t ADD c point", addC("point")},
		{"add inet6", "ALTER TABLE t ADD COLUMN (c inet6)", addC("inet6")},
		{"add vector", "ALTER TABLE t ADD c vector(3)", addC("vector(3)")},
		{"add columns named like what the grammar knows", "ALTER TABLE t ADD `default` int, ADD `comment` text, ADD charset int, ADD `key` json, ADD point int, ADD COLUMN uuid uuid", []plan.Change{
			plan.AddColumn{Table: "t", Column: "default", Type: "int"}, plan.AddColumn{Table: "t", Column: "comment", Type: "text"}, plan.AddColumn{Table: "t", Column: "charset", Type: "int"},
			plan.AddColumn{Table: "t", Column: "key", Type: "json"}, plan.AddColumn{Table: "t", Column: "point", Type: "int"}, plan.AddColumn{Table: "t", Column: "uuid", Type: "uuid"}}},
		{"several columns", "ALTER TABLE t ADD a int, DROP COLUMN b, ADD (c text, d decimal(5,2) DEFAULT 1), DROP e", []plan.Change{
			plan.AddColumn{Table: "t", Column: "a", Type: "int"}, plan.DropColumn{Table: "t", Column: "b"}, plan.AddColumn{Table: "t", Column: "c", Type: "text"},
			plan.AddColumn{Table: "t", Column: "d", Type: "decimal(5,2)", Default: "1"}, plan.DropColumn{Table: "t", Column: "e"}}},
		{"gentle clauses", "ALTER TABLE t ADD c int, ALGORITHM=INSTANT, LOCK = NONE", addC("int")},
		{"gentle clauses of MariaDB", "ALTER ONLINE TABLE t ALGORITHM NOCOPY, ADD c int, LOCK=DEFAULT", addC("int")},
		{"drop column", "ALTER TABLE t DROP c RESTRICT", []plan.Change{plan.DropColumn{Table: "t", Column: "c"}}},

		{"create table", "CREATE TABLE app.t (\n  id bigint AUTO_INCREMENT PRIMARY KEY, -- key\n  b text CHECK (b <> ';')\n) ENGINE=InnoDB ;", []plan.Change{plan.CreateTable{Schema: "app", Name: "t", SQL: "CREATE TABLE app.t (\n  id bigint AUTO_INCREMENT PRIMARY KEY, -- key\n  b text CHECK (b <> ';')\n) ENGINE=InnoDB"}}},
		{"create table with what the grammar does not know", "CREATE TABLE t (p point NOT NULL, u uuid DEFAULT (uuid()), n int DEFAULT (1 + 1), s varchar(9) CHARACTER SET koi8r COLLATE koi8r_bin, SPATIAL KEY (p)) COLLATE=utf8mb4_uca1400_ai_ci",
			[]plan.Change{plan.CreateTable{Name: "t", SQL: "CREATE TABLE t (p point NOT NULL, u uuid DEFAULT (uuid()), n int DEFAULT (1 + 1), s varchar(9) CHARACTER SET koi8r COLLATE koi8r_bin, SPATIAL KEY (p)) COLLATE=utf8mb4_uca1400_ai_ci"}}},
		{"create partitioned table", "CREATE TABLE t (a int) PARTITION BY HASH (a) PARTITIONS 4", []plan.Change{plan.CreateTable{Name: "t", SQL: "CREATE TABLE t (a int) PARTITION BY HASH (a) PARTITIONS 4"}}},
		{"create table named like a function", "CREATE TABLE `trigger` (a int)", []plan.Change{plan.CreateTable{Name: "trigger", SQL: "CREATE TABLE `trigger` (a int)"}}},

		{"create index", "CREATE INDEX i ON app.t (a)", []plan.Change{plan.CreateIndex{Schema: "app", Table: "t", Name: "i", Definition: "(`a`)"}}},
		{"create index with everything", "CREATE UNIQUE INDEX `I ``x` USING BTREE ON t (a(10) ASC, `b c` DESC, (lower(`d`) /* small */) DESC) KEY_BLOCK_SIZE 8 COMMENT \"it's\" INVISIBLE ALGORITHM=INPLACE LOCK NONE",
			[]plan.Change{plan.CreateIndex{Table: "t", Name: "I `x", Unique: true, Definition: "(`a`(10), `b c` DESC, (lower(`d`) ) DESC) USING BTREE KEY_BLOCK_SIZE = 8 COMMENT 'it''s' INVISIBLE"}}},
		{"add index", "ALTER TABLE t ADD INDEX i (a, b(10) DESC) USING BTREE COMMENT 'x'", index("(`a`, `b`(10) DESC) USING BTREE COMMENT 'x'")},
		{"add key", "ALTER TABLE t ADD KEY i USING HASH (a)", index("(`a`) USING HASH")},
		{"add an index with TYPE", "ALTER TABLE t ADD INDEX i TYPE BTREE (a)", index("(`a`) USING BTREE")},
		{"add unique", "ALTER TABLE t ADD UNIQUE u (a), ADD UNIQUE KEY v (a, b), ADD CONSTRAINT w UNIQUE (b)", []plan.Change{
			plan.CreateIndex{Table: "t", Name: "u", Unique: true, Definition: "(`a`)"}, plan.CreateIndex{Table: "t", Name: "v", Unique: true, Definition: "(`a`, `b`)"}, plan.CreateIndex{Table: "t", Name: "w", Unique: true, Definition: "(`b`)"}}},
		{"an index behind its column", "ALTER TABLE t ADD INDEX i (c), ADD c int, ADD (d int, KEY j (d), e int)", []plan.Change{
			plan.AddColumn{Table: "t", Column: "c", Type: "int"}, plan.AddColumn{Table: "t", Column: "d", Type: "int"}, plan.AddColumn{Table: "t", Column: "e", Type: "int"},
			plan.CreateIndex{Table: "t", Name: "i", Definition: "(`c`)"}, plan.CreateIndex{Table: "t", Name: "j", Definition: "(`d`)"}}},
		{"the same index name on two tables", "CREATE INDEX i ON t (a); CREATE INDEX i ON u (a)", []plan.Change{plan.CreateIndex{Table: "t", Name: "i", Definition: "(`a`)"}, plan.CreateIndex{Table: "u", Name: "i", Definition: "(`a`)"}}},

		{"as written", mark + "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN\n  IF NEW.a IS NULL THEN SET NEW.a = CASE WHEN NEW.b THEN 'x;' END; END IF;\nEND;", written("CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN\n  IF NEW.a IS NULL THEN SET NEW.a = CASE WHEN NEW.b THEN 'x;' END; END IF;\nEND", "t")},
		{"as written, what no grammar here reads", mark + "\n-- and more\nALTER TABLE IF EXISTS s.t WAIT 1 ADD SYSTEM VERSIONING;", []plan.Change{plan.AsWritten{SQL: "ALTER TABLE IF EXISTS s.t WAIT 1 ADD SYSTEM VERSIONING", Reason: "empty", Schema: "s", Table: "t"}}},
		{"as written, a sequence", mark + "CREATE SEQUENCE s START 5;", written("CREATE SEQUENCE s START 5", "")},
		{"as written, a replaced table", "# phased:as-written reason=\"empty\"\nCREATE OR REPLACE TABLE t (a int) WITH SYSTEM VERSIONING", written("CREATE OR REPLACE TABLE t (a int) WITH SYSTEM VERSIONING", "t")},
		{"as written, a statement that could be planned", mark + "ALTER TABLE t ADD COLUMN a int AFTER b", written("ALTER TABLE t ADD COLUMN a int AFTER b", "t")},
		{"as written, code to some servers", mark + "/*!80016 ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED */;", written("/*!80016 ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED */", "t")},
		{"as written, a variable of the server", mark + "SET GLOBAL event_scheduler = ON", written("SET GLOBAL event_scheduler = ON", "")},

		{"up and down", "-- phased:up users.b = a * 100\n-- phased:down app.users.a = B / 100.0\nALTER TABLE app.users RENAME COLUMN A TO b", []plan.Change{plan.RenameColumn{Schema: "app", Table: "users", From: "A", To: "b", Up: "a * 100", Down: "B / 100.0"}}},
		{"up and down of quoted names", "# phased:down `my users`.`old col` = `new col`\n-- phased:up `my users`.`new col` = lower(`old col`)\nALTER TABLE `my users` RENAME COLUMN `old col` TO `new col`", []plan.Change{plan.RenameColumn{Table: "my users", From: "old col", To: "new col", Up: "lower(`old col`)", Down: "`new col`"}}},
		{"up and down of two", "-- phased:up users.b = a\n-- phased:down users.a = b\nALTER TABLE users RENAME COLUMN x TO y, RENAME COLUMN a TO b; ALTER TABLE other RENAME COLUMN a TO b", []plan.Change{
			plan.RenameColumn{Table: "users", From: "x", To: "y"}, plan.RenameColumn{Table: "users", From: "a", To: "b", Up: "a", Down: "b"}, plan.RenameColumn{Table: "other", From: "a", To: "b"},
		}},
		{"only contract lines", "-- phased:contract 0007\n", nil},
		{"same names in several databases", "CREATE TABLE a.t (x int); CREATE TABLE b.t (x int); ALTER TABLE a.u ADD c int; ALTER TABLE b.u ADD c int", []plan.Change{
			plan.CreateTable{Schema: "a", Name: "t", SQL: "CREATE TABLE a.t (x int)"}, plan.CreateTable{Schema: "b", Name: "t", SQL: "CREATE TABLE b.t (x int)"},
			plan.AddColumn{Schema: "a", Table: "u", Column: "c", Type: "int"}, plan.AddColumn{Schema: "b", Table: "u", Column: "c", Type: "int"},
		}},
		{"byte order mark", "\ufeffALTER TABLE t ADD c int", addC("int")},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parser().Parse("migrations/0007_x.sql", test.sql)
			if err != nil {
				t.Fatal(err)
			}
			if m.Name != "0007_x" || m.SQL != test.sql || m.Checksum != plan.Checksum(test.sql) {
				t.Errorf("name %q, checksum %q, SQL %q", m.Name, m.Checksum, m.SQL)
			}
			if got := changes(m); !reflect.DeepEqual(got, test.want) {
				t.Errorf("\n got %#v\nwant %#v", got, test.want)
			}
		})
	}
}

func changes(m *plan.Migration) []plan.Change {
	var out []plan.Change
	for _, s := range m.Statements {
		out = append(out, s.Change)
	}
	return out
}

func TestStatementPlaces(t *testing.T) {
	sql := "-- a file\n\n/* of three\n */ ALTER TABLE t\n  ADD a int,\n  ADD b int; -- two\n;\n# phased:contract x\nALTER TABLE `ä` DROP b\n-- end\n"
	first := "ALTER TABLE t\n  ADD a int,\n  ADD b int"
	want := []plan.Statement{
		{Change: plan.AddColumn{Table: "t", Column: "a", Type: "int"}, File: "d/x.sql", Line: 4, Index: 1, SQL: first},
		{Change: plan.AddColumn{Table: "t", Column: "b", Type: "int"}, File: "d/x.sql", Line: 4, Index: 1, SQL: first},
		{Change: plan.DropColumn{Table: "ä", Column: "b"}, File: "d/x.sql", Line: 9, Index: 2, SQL: "ALTER TABLE `ä` DROP b"},
	}
	for _, text := range []string{sql, strings.ReplaceAll(sql, "\n", "\r\n"), "\ufeff" + sql} {
		m, err := Parser().Parse("d/x.sql", text)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m.Statements, want) {
			t.Errorf("\n got %+v\nwant %+v", m.Statements, want)
		}
	}
}
