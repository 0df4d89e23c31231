package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

const mark = "if it is safe to run unchanged, put `-- phased:as-written reason=\"…\"` on the line before"

func TestRefusals(t *testing.T) {
	reason := "-- phased:as-written reason=\"x\"\n"
	for _, test := range []struct{ sql, want string }{
		// Renames.
		{"ALTER TABLE t RENAME a TO a", `1: statement 1: ALTER TABLE t RENAME: the old name and the new name are both "a"; drop the statement, or write the new name`},
		{"ALTER TABLE t RENAME a TO A", `1: statement 1: ALTER TABLE t RENAME: the old name and the new name are both "a"; drop the statement, or write the new name`},
		{"ALTER TABLE t RENAME TO t", `1: statement 1: ALTER TABLE t RENAME: the old name and the new name are both "t"; drop the statement, or write the new name`},
		{"ALTER TABLE ONLY t RENAME a TO b", "1: statement 1: ALTER TABLE t RENAME: ONLY would leave the tables that inherit from it behind; leave ONLY away"},
		{"ALTER TABLE IF EXISTS t RENAME a TO b", "1: statement 1: ALTER TABLE t RENAME: IF EXISTS leaves open what the statement does; leave it away: a plan asks the catalog itself"},
		{"ALTER TABLE t RENAME CONSTRAINT a TO b", "1: statement 1: ALTER TABLE … RENAME is not planned: only tables and columns are renamed in phases; " + mark},
		{"ALTER VIEW v RENAME a TO b", "1: statement 1: ALTER VIEW … RENAME is not planned: old code looks for the old name, and only tables and their columns are renamed in phases; create a view with the new name in an as-written statement, and drop the old one later"},
		{"ALTER INDEX i RENAME TO j", "1: statement 1: ALTER INDEX … RENAME is not planned: only tables and columns are renamed in phases; " + mark},
		{"ALTER SEQUENCE i RENAME TO j", "1: statement 1: ALTER SEQUENCE … RENAME is not planned: old code looks for the old name, and only tables and their columns are renamed in phases; " + mark},
		{"ALTER TABLE d.s.t RENAME a TO b", "1: statement 1: d.s.t names a database; write schema and name: the connection decides on the database"},

		// Columns.
		{"ALTER TABLE t ADD c serial", "1: statement 1: ALTER TABLE t ADD COLUMN c: serial fills every row, under a lock that stops reads; add an integer column without default here, and its sequence and default in as-written statements"},
		{"ALTER TABLE t ADD c int GENERATED ALWAYS AS IDENTITY", "1: statement 1: ALTER TABLE t ADD COLUMN c: GENERATED AS IDENTITY writes every row under a lock that stops reads and writes; add a plain column, and fill it in code"},
		{"ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) STORED", "1: statement 1: ALTER TABLE t ADD COLUMN c: GENERATED ALWAYS AS writes every row under a lock that stops reads and writes; add a plain column, and fill it in code"},
		{`ALTER TABLE t ADD "C" int CHECK ("C" > 0)`, `1: statement 1: ALTER TABLE t ADD COLUMN "C": CHECK is read against every row under a lock that stops reads and writes; add the column alone, then add the constraint NOT VALID and validate it, in two as-written statements`},
		{"ALTER TABLE t ADD c int UNIQUE", "1: statement 1: ALTER TABLE t ADD COLUMN c: UNIQUE builds an index under a lock that stops reads and writes; add the column alone, then write CREATE UNIQUE INDEX"},
		{"ALTER TABLE t ADD c int PRIMARY KEY", "1: statement 1: ALTER TABLE t ADD COLUMN c: PRIMARY KEY builds an index under a lock that stops reads and writes; add the column alone"},
		{"ALTER TABLE t ADD c int REFERENCES u", "1: statement 1: ALTER TABLE t ADD COLUMN c: FOREIGN KEY (REFERENCES) locks both tables against writes; add the column alone, then add the constraint NOT VALID and validate it, in two as-written statements"},
		{"ALTER TABLE t ADD c int NOT NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: NOT NULL without a default is refused by any table with rows, and breaks the inserts of old code; add a default, or leave NOT NULL away"},
		{"ALTER TABLE t ADD c int NOT NULL DEFAULT NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: NOT NULL without a default is refused by any table with rows, and breaks the inserts of old code; add a default, or leave NOT NULL away"},
		{"ALTER TABLE t ADD c int NULL NOT NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: NULL and NOT NULL contradict each other; keep one of them"},
		{"ALTER TABLE t ADD c int DEFAULT 1 DEFAULT 2", "1: statement 1: ALTER TABLE t ADD COLUMN c: a second DEFAULT is not planned; add the column without it, and what it says in an as-written statement"},
		{"ALTER TABLE t ADD c text COMPRESSION lz4", "1: statement 1: ALTER TABLE t ADD COLUMN c: COMPRESSION is not planned; add the column without it, and what it says in an as-written statement"},
		{"ALTER TABLE t ADD COLUMN IF NOT EXISTS c int", "1: statement 1: ALTER TABLE t ADD COLUMN c: IF NOT EXISTS leaves open what the statement does; leave it away: a plan asks the catalog itself"},
		{"ALTER TABLE ONLY t ADD c int", "1: statement 1: ALTER TABLE t: ONLY would leave the tables that inherit from it behind; leave ONLY away"},
		{"ALTER TABLE t DROP c CASCADE", "1: statement 1: ALTER TABLE t DROP COLUMN c: CASCADE drops what nobody has named; drop what depends on the column first, each by its name"},
		{"ALTER TABLE t DROP IF EXISTS c", "1: statement 1: ALTER TABLE t DROP COLUMN c: IF EXISTS leaves open what the statement does; leave it away: a plan asks the catalog itself"},
		{"ALTER TABLE t ADD a int, ALTER b SET NOT NULL", "1: statement 1: ALTER TABLE … ALTER COLUMN … SET NOT NULL is not planned: it reads every row under a lock that stops reads and writes; add CHECK (… IS NOT NULL) NOT VALID, validate it, then set NOT NULL, in three as-written statements"},
		{"ALTER FOREIGN TABLE t ADD c int", "1: statement 1: ALTER FOREIGN TABLE is not planned: phases are for tables, columns and indexes; " + mark},
		{"ALTER VIEW v ALTER c SET DEFAULT 1", "1: statement 1: ALTER VIEW is not planned: phases are for tables, columns and indexes; " + mark},

		// Tables and indexes.
		{"CREATE TABLE IF NOT EXISTS t (a int)", "1: statement 1: CREATE TABLE t: IF NOT EXISTS leaves open what the statement does; leave it away: a plan asks the catalog itself"},
		{"CREATE TEMP TABLE t (a int)", "1: statement 1: CREATE TABLE t: a temporary table is gone with the session that runs the step; leave TEMPORARY away"},
		{"CREATE TABLE t PARTITION OF u DEFAULT", "1: statement 1: CREATE TABLE t: PARTITION OF locks the parent against reads and writes; create the table alone, and attach it in an as-written statement"},
		{"CREATE TABLE t () INHERITS (u)", "1: statement 1: CREATE TABLE t: INHERITS locks the parent; create the table alone, and add INHERIT in an as-written statement"},
		{"CREATE TABLE t AS SELECT 1", "1: statement 1: CREATE TABLE AS is not planned: it holds the locks of its query until every row is copied; write CREATE TABLE, which is planned, and copy the rows in code; or put `-- phased:as-written reason=\"…\"` on the line before"},
		{"CREATE INDEX ON t (a)", "1: statement 1: CREATE INDEX on t: a name that the server makes up cannot be asked for later; give the index a name"},
		{"CREATE INDEX IF NOT EXISTS i ON t (a)", "1: statement 1: CREATE INDEX i: IF NOT EXISTS takes an invalid index for a good one; leave it away: a plan asks the catalog itself"},
		{"CREATE INDEX i ON ONLY t (a)", "1: statement 1: CREATE INDEX i: ON ONLY leaves an invalid index that waits for those of the partitions; " + mark},

		// Other kinds.
		{"ALTER TABLE t ALTER a TYPE bigint", "1: statement 1: ALTER TABLE … ALTER COLUMN … TYPE is not planned: most changes of type rewrite the table under a lock that stops reads and writes; add a column of the new type, and drop the old one later; or, if the server rewrites nothing (varchar(50) to varchar(100)), put `-- phased:as-written reason=\"…\"` on the line before"},
		{"ALTER TABLE t ADD CHECK (a > 0)", "1: statement 1: ALTER TABLE … ADD CHECK is not planned: it reads every row under a lock that stops reads and writes; add the constraint NOT VALID and validate it, in two as-written statements"},
		{"ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u NOT VALID", "1: statement 1: ALTER TABLE … ADD FOREIGN KEY … NOT VALID is not planned: from that moment old code has to satisfy it; " + mark},
		{"ALTER TABLE t ADD UNIQUE (a)", "1: statement 1: ALTER TABLE … ADD UNIQUE is not planned: it builds an index under a lock that stops reads and writes; write CREATE UNIQUE INDEX, which is planned"},
		{"ALTER TABLE t CLUSTER ON i", "1: statement 1: ALTER TABLE … CLUSTER ON is not planned: there is no safe form of it yet; " + mark},
		{"ALTER TABLE t OWNER TO r", "1: statement 1: ALTER TABLE … OWNER TO is not planned: there is no safe form of it yet; " + mark},
		{"ALTER TYPE t ADD VALUE 'x'", "1: statement 1: ALTER TYPE … ADD VALUE is not planned: old code may not know the new value; " + mark},
		{"DROP TABLE t", "1: statement 1: DROP TABLE is not planned: old code may still use it, and nothing brings its rows back; rename it first, and once nothing misses it, drop it in an as-written statement"},
		{"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$", "1: statement 1: CREATE FUNCTION is not planned: what its body does cannot be read from outside; " + mark},
		{"CREATE TYPE t AS ENUM ('a')", "1: statement 1: CREATE TYPE is not planned: phases are for tables, columns and indexes; " + mark},
		{"CREATE EXTENSION citext", "1: statement 1: CREATE EXTENSION is not planned: phases are for tables, columns and indexes; " + mark},
		{"COMMENT ON TABLE t IS 'x'", "1: statement 1: COMMENT is not planned: phases are for tables, columns and indexes; " + mark},
		{"GRANT SELECT ON t TO r", "1: statement 1: GRANT is not planned: phases are for tables, columns and indexes; " + mark},
		{"INSERT INTO t VALUES (1)", "1: statement 1: INSERT is not planned: it is about rows, not about the schema; " + mark},
		{"SELECT 1", "1: statement 1: SELECT is not planned: nobody reads its result; leave it away; or, if it calls a function that does something, put `-- phased:as-written reason=\"…\"` on the line before"},

		// What no mark helps.
		{"BEGIN", "1: statement 1: BEGIN cannot be part of a migration: each step has a transaction of its own; leave it away"},
		{reason + "COMMIT", "2: statement 1: COMMIT cannot be part of a migration: each step has a transaction of its own; leave it away"},
		{reason + "SAVEPOINT s", "2: statement 1: SAVEPOINT cannot be part of a migration: each step has a transaction of its own; leave it away"},
		{"SET lock_timeout = '1s'", "1: statement 1: SET cannot be part of a migration: it changes the session, which does other work afterwards; leave it away: each step sets its own timeouts"},
		{reason + "SET search_path = x", "2: statement 1: SET cannot be part of a migration: it changes the session, which does other work afterwards; leave it away: each step sets its own timeouts"},
		{reason + "VACUUM t", "2: statement 1: VACUUM cannot be part of a migration: the server refuses it within a transaction; run it by hand"},
		{reason + "CREATE INDEX CONCURRENTLY i ON t (a)", "2: statement 1: CREATE INDEX in this form cannot be part of a migration: the server refuses it within a transaction; leave the mark away: an index is built without blocking writes anyway"},
		{reason + "DROP INDEX CONCURRENTLY i", "2: statement 1: DROP INDEX in this form cannot be part of a migration: the server refuses it within a transaction; write it without CONCURRENTLY: the lock it takes is short, and waits only briefly"},
		{reason + "REINDEX TABLE CONCURRENTLY t", "2: statement 1: REINDEX in this form cannot be part of a migration: the server refuses it within a transaction; run it by hand"},
		{reason + "ALTER SYSTEM SET work_mem = '1MB'", "2: statement 1: ALTER SYSTEM cannot be part of a migration: the server refuses it within a transaction; run it by hand"},
		{reason + "CREATE DATABASE d", "2: statement 1: CREATE DATABASE cannot be part of a migration: the server refuses it within a transaction; run it by hand"},
		{reason + "ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "2: statement 1: ALTER TABLE in this form cannot be part of a migration: the server refuses it within a transaction; write it without CONCURRENTLY, or run it by hand"},
		{reason + "COPY t FROM STDIN", "2: statement 1: COPY cannot be part of a migration: its rows go between the server and a client; load the rows in code, or write INSERT"},
		{reason + "DROP SUBSCRIPTION s", "2: statement 1: DROP SUBSCRIPTION cannot be part of a migration: it acts on another server, outside of any transaction; run it by hand"},

		// Marks.
		{"ALTER TABLE t ADD c int;\n" + reason, "2: phased:as-written is followed by no statement; put it on the line before its statement"},
		{"ALTER TABLE t\n" + reason + "ADD c int;", "2: statement 1: phased:as-written stands inside a statement; put it on the line before its statement"},
		{reason + reason + "TRUNCATE t", "2: statement 1: phased:as-written for this statement stands on line 1 already; keep one of them"},

		// Text.
		{"", " says nothing: no statement and no phased:contract line; delete the file or write what it is for"},
		{"-- later\n;;\n-- phased:accept a reason=\"b\"", " says nothing: no statement and no phased:contract line; delete the file or write what it is for"},
		{"SELECT 'ä';\nALTER TABLE t\n  ADD COLUM c int", `3: statement 2: unreadable: syntax error at or near "int"; write it so that PostgreSQL 16 reads it`},
		{"\n\nALTER TABLE t ADD\n\n", "3: statement 1: unreadable: syntax error at end of input; write it so that PostgreSQL 16 reads it"},
		{"\\connect x\nALTER TABLE t ADD c int", "1: statement 1: unreadable: syntax error at or near \"\\\"; write it so that PostgreSQL 16 reads it"},
		{"\n-- x\nALTER TABLE t ADD c int DEFAULT 'x", "3: a string begins here and does not end; close it"},
		{"\n-- \xff", "2: byte 0xff is not UTF-8; save the file as UTF-8"},
		{"SELECT 1;\x00", "1: the text holds a NUL byte; save the file as UTF-8"},
		{"ALTER TABLE t\n ADD " + strings.Repeat("ä", 32) + " int", `2: statement 1: the name "` + strings.Repeat("ä", 32) + `" has 64 bytes, and PostgreSQL keeps 63 without a word; shorten it`},
		{`ALTER TABLE t RENAME "` + strings.Repeat(`""`, 64) + `" TO b`, `1: statement 1: the name "` + strings.Repeat(`\"`, 64) + `" has 64 bytes, and PostgreSQL keeps 63 without a word; shorten it`},
		{`ALTER TABLE t RENAME U&"d\0061ta" TO b`, `1: statement 1: the name U&"d\0061ta" is written with escapes; write its characters themselves`},

		// Directives and statements.
		{"-- phased:up t.b = a\nALTER TABLE t RENAME a TO b", "2: statement 1: rename column t.a to b has phased:up, but no phased:down: writes of one side would not reach the other; add -- phased:down t.a = …"},
		{"-- phased:down t.a = b\nALTER TABLE t RENAME a TO b", "2: statement 1: rename column t.a to b has phased:down, but no phased:up: writes of one side would not reach the other; add -- phased:up t.b = …"},
		{"-- phased:up t.a = b\nALTER TABLE t RENAME a TO b", "1: phased:up t.a matches no statement; name the new column of a RENAME COLUMN in this file: t.b"},
		{"\n-- phased:down \"T\".a = b\nALTER TABLE t RENAME a TO b", `2: phased:down "T".a matches no statement; name the old column of a RENAME COLUMN in this file`},
		{"-- phased:up t.b = a\nALTER TABLE t ADD b int", "1: phased:up t.b matches no statement; name the new column of a RENAME COLUMN in this file"},
		{"-- phased:up s.t.b = a\nALTER TABLE t RENAME a TO b", "1: phased:up s.t.b matches no statement; name the new column of a RENAME COLUMN in this file: t.b"},
		{"-- phased:up t.b = a\nALTER TABLE s.t RENAME a TO b; ALTER TABLE u.t RENAME a TO b", "1: phased:up t.b may be about statement 1 or 2; write the schema"},
		{"-- phased:up t.b = a\n-- phased:up s.t.b = a\nALTER TABLE s.t RENAME a TO b", "2: phased:up s.t.b is the second one for statement 1; keep one of them"},
		{"-- phased:up t.b = a +\nALTER TABLE t RENAME a TO b", "1: phased:up t.b: the expression is unreadable: syntax error at end of input; write one expression over the other side's columns"},
		{"-- phased:up t.b = a, c\nALTER TABLE t RENAME a TO b", "1: phased:up t.b: the expression is unreadable: it is not one expression; write one expression over the other side's columns"},
		{"ALTER TABLE t RENAME a TO b;\n  -- phased:serialize-inserts t.x", "2: phased:serialize-inserts t.x matches no statement; name the old or new column of a RENAME COLUMN in this file"},
		{"-- phased:up t.b = a", "1: phased:up t.b matches no statement; name the new column of a RENAME COLUMN in this file"},
		{"-- phased:nothing", "1: phased:nothing is not a directive; known are up, down, contract, as-written, accept, serialize-inserts"},

		// Names within a file.
		{"ALTER TABLE t ADD c int;\nALTER TABLE t RENAME a TO c", "2: statement 2: column t.c is made by statement 1 already; give one of them another name"},
		{"ALTER TABLE t ADD c int, ADD c text", "1: statement 1: column t.c is made by the same statement already; give one of them another name"},
		{"CREATE TABLE a (x int);\nCREATE INDEX a ON b (x)", "2: statement 2: relation a is made by statement 1 already; give one of them another name"},
		{"ALTER TABLE t RENAME a TO b;\nALTER TABLE t DROP a", "2: statement 2: column t.a is renamed or dropped by statement 1 already; say once what happens to it"},
		{"ALTER TABLE t DROP a, ADD a text", "1: statement 1: column t.a is the old side of the same statement, which keeps the name until contract; give the new one another name, or make it in a later file"},
		{"ALTER TABLE a RENAME TO b;\nCREATE TABLE a (x int)", "2: statement 2: relation a is the old side of statement 1, which keeps the name until contract; give the new one another name, or make it in a later file"},
	} {
		_, err := Parser().Parse("f.sql", test.sql)
		var in *plan.InputError
		if !errors.As(err, &in) {
			t.Errorf("%q: error %v, want an *InputError", test.sql, err)
			continue
		}
		if got := strings.TrimPrefix(err.Error(), "f.sql:"); got != test.want {
			t.Errorf("%q\n got %s\nwant %s", test.sql, got, test.want)
		}
	}
}

func TestFileNeedsName(t *testing.T) {
	for _, file := range []string{"", ".sql", "a/.sql"} {
		if _, err := Parser().Parse(file, "-- phased:contract x"); err == nil {
			t.Errorf("file %q: no error", file)
		}
	}
}

func TestKindsAreWorded(t *testing.T) {
	for kind, no := range kinds {
		if no.why == "" || strings.HasSuffix(no.why, ".") || strings.HasSuffix(no.way, ".") {
			t.Errorf("%s: %+v", kind, no)
		}
	}
}
