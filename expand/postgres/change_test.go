package postgres

import (
	"reflect"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

func TestChanges(t *testing.T) {
	long := strings.Repeat("ä", 31) + "x" // 63 bytes
	for _, test := range []struct {
		name, sql string
		want      []plan.Change
	}{
		{"rename column", "ALTER TABLE users RENAME COLUMN email TO email_address", []plan.Change{plan.RenameColumn{Table: "users", From: "email", To: "email_address"}}},
		{"rename without the word column", "alter table App.Users rename EMail to Email_Address;", []plan.Change{plan.RenameColumn{Schema: "app", Table: "users", From: "email", To: "email_address"}}},
		{"rename of odd names", `ALTER TABLE "a.b"."Weird ""Name"" x" RENAME "select" TO "ÄÖ; -- "`, []plan.Change{plan.RenameColumn{Schema: "a.b", Table: `Weird "Name" x`, From: "select", To: "ÄÖ; -- "}}},
		{"capitals that are not ASCII", `ALTER TABLE ÄB RENAME Ö TO Ü`, []plan.Change{plan.RenameColumn{Table: "Äb", From: "Ö", To: "Ü"}}},
		{"63 bytes", "ALTER TABLE t RENAME a TO " + long, []plan.Change{plan.RenameColumn{Table: "t", From: "a", To: long}}},
		{"names that differ in case", `ALTER TABLE t RENAME a TO "A"`, []plan.Change{plan.RenameColumn{Table: "t", From: "a", To: "A"}}},
		{"rename table", "ALTER TABLE app.users RENAME TO accounts", []plan.Change{plan.RenameTable{Schema: "app", From: "users", To: "accounts"}}},
		{"add column", "ALTER TABLE t ADD COLUMN c int", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "int"}}},
		{"add column with everything", `ALTER TABLE s.t ADD c varchar(10) COLLATE "de_DE" DEFAULT lower('A' || E'\n''') NOT NULL`,
			[]plan.Change{plan.AddColumn{Schema: "s", Table: "t", Column: "c", Type: "varchar(10)", Collate: `"de_DE"`, Default: "lower('A' || '\n''')", NotNull: true}}},
		{"add nullable column", "ALTER TABLE t ADD c numeric(10,2)[] NULL DEFAULT ARRAY[1, 2.5]", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "numeric(10, 2)[]", Default: "ARRAY[1, 2.5]"}}},
		{"add column of an own type", `ALTER TABLE t ADD c "My"."Type" DEFAULT 'a'::"My"."Type"`, []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: `"My"."Type"`, Default: `('a'::"My"."Type")`}}},
		{"add timestamp", "ALTER TABLE t ADD c timestamp(3) with time zone DEFAULT now()", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "timestamp (3) with time zone", Default: "now()"}}},
		{"drop column", "ALTER TABLE t DROP c RESTRICT", []plan.Change{plan.DropColumn{Table: "t", Column: "c"}}},
		{"several clauses", "ALTER TABLE t ADD a int, DROP COLUMN b, ADD c text", []plan.Change{
			plan.AddColumn{Table: "t", Column: "a", Type: "int"}, plan.DropColumn{Table: "t", Column: "b"}, plan.AddColumn{Table: "t", Column: "c", Type: "text"},
		}},
		{"create table", "CREATE TABLE app.t (\n  id bigserial PRIMARY KEY, -- key\n  b text CHECK (b <> ';')\n) ;", []plan.Change{plan.CreateTable{Schema: "app", Name: "t", SQL: "CREATE TABLE app.t (\n  id bigserial PRIMARY KEY, -- key\n  b text CHECK (b <> ';')\n)"}}},
		{"create table like another", "CREATE UNLOGGED TABLE t (LIKE u INCLUDING ALL)", []plan.Change{plan.CreateTable{Name: "t", SQL: "CREATE UNLOGGED TABLE t (LIKE u INCLUDING ALL)"}}},
		{"create partitioned table", "CREATE TABLE t (a int) PARTITION BY RANGE (a)", []plan.Change{plan.CreateTable{Name: "t", SQL: "CREATE TABLE t (a int) PARTITION BY RANGE (a)"}}},
		{"create index", "CREATE INDEX i ON app.t (a)", []plan.Change{plan.CreateIndex{Schema: "app", Table: "t", Name: "i", Definition: "USING btree (a)"}}},
		{"create index with everything", `CREATE UNIQUE INDEX CONCURRENTLY "I x" ON t (lower(email) COLLATE "C" text_pattern_ops DESC NULLS LAST, (a+b)) INCLUDE (x) NULLS NOT DISTINCT WITH (fillfactor=90) TABLESPACE ts WHERE active AND b <> 'x'`,
			[]plan.Change{plan.CreateIndex{Table: "t", Name: "I x", Unique: true, Definition: `USING btree (lower(email) COLLATE "C" text_pattern_ops DESC NULLS LAST, (a + b)) INCLUDE (x) NULLS NOT DISTINCT WITH (fillfactor=90) TABLESPACE ts WHERE active AND b <> 'x'`}}},
		{"create GIN index", "CREATE INDEX i ON t USING gin (a jsonb_path_ops)", []plan.Change{plan.CreateIndex{Table: "t", Name: "i", Definition: "USING gin (a jsonb_path_ops)"}}},
		{"as written", "-- phased:as-written reason=\"empty\"\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; -- x\n$$;", []plan.Change{plan.AsWritten{SQL: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; -- x\n$$", Reason: "empty"}}},
		{"as written, with a table", "-- phased:as-written reason=\"empty\"\n\n-- and more\nALTER TABLE IF EXISTS s.t ALTER a TYPE bigint;", []plan.Change{plan.AsWritten{SQL: "ALTER TABLE IF EXISTS s.t ALTER a TYPE bigint", Reason: "empty", Schema: "s", Table: "t"}}},
		{"as written, a statement that could be planned", "-- phased:as-written reason=\"empty\"\nALTER TABLE t ADD COLUMN a int", []plan.Change{plan.AsWritten{SQL: "ALTER TABLE t ADD COLUMN a int", Reason: "empty", Table: "t"}}},
		{"as written, for the current transaction", "-- phased:as-written reason=\"empty\"\nSET LOCAL work_mem = '1GB'", []plan.Change{plan.AsWritten{SQL: "SET LOCAL work_mem = '1GB'", Reason: "empty"}}},
		{"up and down", "-- phased:up users.b = a * 100\n-- phased:down app.users.a = b / 100.0\nALTER TABLE app.users RENAME a TO b", []plan.Change{plan.RenameColumn{Schema: "app", Table: "users", From: "a", To: "b", Up: "a * 100", Down: "b / 100.0"}}},
		{"up and down behind", "ALTER TABLE users RENAME a TO b;\n-- phased:down users.a = b\n-- phased:up users.b = a", []plan.Change{plan.RenameColumn{Table: "users", From: "a", To: "b", Up: "a", Down: "b"}}},
		{"up and down of two", "-- phased:up users.b = a\n-- phased:down users.a = b\nALTER TABLE users RENAME x TO y; ALTER TABLE users RENAME a TO b; ALTER TABLE other RENAME a TO b", []plan.Change{
			plan.RenameColumn{Table: "users", From: "x", To: "y"}, plan.RenameColumn{Table: "users", From: "a", To: "b", Up: "a", Down: "b"}, plan.RenameColumn{Table: "other", From: "a", To: "b"},
		}},
		{"serialize inserts by the old name", "-- phased:serialize-inserts t.a\nALTER TABLE t RENAME a TO b", []plan.Change{plan.RenameColumn{Table: "t", From: "a", To: "b", SerializeInserts: true}}},
		{"serialize inserts by the new name", "-- phased:serialize-inserts t.b\nALTER TABLE t RENAME a TO b", []plan.Change{plan.RenameColumn{Table: "t", From: "a", To: "b", SerializeInserts: true}}},
		{"only contract lines", "-- phased:contract 0007\n", nil},
		{"same names in several schemas", "CREATE TABLE a.t (x int); CREATE TABLE b.t (x int); ALTER TABLE a.u ADD c int; ALTER TABLE b.u ADD c int", []plan.Change{
			plan.CreateTable{Schema: "a", Name: "t", SQL: "CREATE TABLE a.t (x int)"}, plan.CreateTable{Schema: "b", Name: "t", SQL: "CREATE TABLE b.t (x int)"},
			plan.AddColumn{Schema: "a", Table: "u", Column: "c", Type: "int"}, plan.AddColumn{Schema: "b", Table: "u", Column: "c", Type: "int"},
		}},
		{"byte order mark", "\ufeffALTER TABLE t ADD c int", []plan.Change{plan.AddColumn{Table: "t", Column: "c", Type: "int"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Parser().Parse("migrations/0007_x.sql", test.sql)
			if err != nil {
				t.Fatal(err)
			}
			if m.Name != "0007_x" || m.SQL != test.sql || m.Checksum != plan.Checksum(test.sql) {
				t.Errorf("name %q, checksum %q, SQL %q", m.Name, m.Checksum, m.SQL)
			}
			var got []plan.Change
			for _, s := range m.Statements {
				got = append(got, s.Change)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("\n got %#v\nwant %#v", got, test.want)
			}
		})
	}
}

func TestStatementPlaces(t *testing.T) {
	sql := "-- a file\n\n/* of three\n */ ALTER TABLE t\n  ADD a int,\n  ADD b int; -- two\n;\nDROP_LINE\n-- phased:contract x\nALTER TABLE \"ä\" DROP b\n-- end\n"
	sql = strings.Replace(sql, "DROP_LINE\n", "", 1)
	first := "ALTER TABLE t\n  ADD a int,\n  ADD b int"
	want := []plan.Statement{
		{Change: plan.AddColumn{Table: "t", Column: "a", Type: "int"}, File: "d/x.sql", Line: 4, Index: 1, SQL: first},
		{Change: plan.AddColumn{Table: "t", Column: "b", Type: "int"}, File: "d/x.sql", Line: 4, Index: 1, SQL: first},
		{Change: plan.DropColumn{Table: "ä", Column: "b"}, File: "d/x.sql", Line: 9, Index: 2, SQL: `ALTER TABLE "ä" DROP b`},
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
