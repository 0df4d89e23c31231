package mysql

import (
	"errors"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

const (
	mark         = "put `-- phased:as-written reason=\"…\"` on the line before"
	asWrittenWay = "if it is safe to run unchanged, " + mark
)

func TestRefusals(t *testing.T) {
	reason := "-- phased:as-written reason=\"x\"\n"
	for _, test := range []struct{ sql, want string }{
		// Renames.
		{"ALTER TABLE t RENAME COLUMN a TO a", "1: statement 1: ALTER TABLE t RENAME COLUMN: the old name and the new name are both a; drop the statement, or write the new name"},
		{"ALTER TABLE t RENAME COLUMN a TO A", "1: statement 1: ALTER TABLE t RENAME COLUMN: a and A are the same name to the server; " + asWrittenWay},
		{"ALTER TABLE t RENAME t", "1: statement 1: ALTER TABLE t RENAME: the old name and the new name are both t; drop the statement, or write the new name"},
		{"RENAME TABLE t TO u, `v w` TO `v w`", "1: statement 1: RENAME TABLE `v w`: the old name and the new name are both `v w`; drop the statement, or write the new name"},
		{"RENAME TABLE t TO app.t", "1: statement 1: RENAME TABLE t: app.t may lie in another database; write both names without a database, or both with the same one"},
		{"RENAME TABLE app.t TO u", "1: statement 1: RENAME TABLE app.t: app.t may lie in another database; write both names without a database, or both with the same one"},
		{"ALTER TABLE app.t RENAME TO other.t", "1: statement 1: ALTER TABLE app.t RENAME: other.t may lie in another database; write both names without a database, or both with the same one"},
		{"ALTER TABLE t CHANGE a b int", "1: statement 1: ALTER TABLE t CHANGE a b: it may change the type along with the name; write RENAME COLUMN a TO b"},
		{"ALTER TABLE t CHANGE COLUMN `a a` b int NOT NULL", "1: statement 1: ALTER TABLE t CHANGE `a a` b: it may change the type along with the name; write RENAME COLUMN `a a` TO b"},
		{"ALTER TABLE t CHANGE a A bigint", "1: statement 1: ALTER TABLE … MODIFY COLUMN is not planned: most changes of type copy the table, and stop writes meanwhile; add a column of the new type, and drop the old one later; or, if the server copies nothing (varchar(20) to varchar(40)), " + mark},
		{"ALTER TABLE t RENAME INDEX a TO b", "1: statement 1: ALTER TABLE … RENAME INDEX is not planned: queries may name it, and only tables and columns are renamed in phases; " + asWrittenWay},
		{"ALTER TABLE t RENAME COLUMN IF EXISTS a TO b", `1: statement 1: unreadable: syntax error at or near "IF"; leave IF … EXISTS away: a plan asks the catalog itself`},
		{"ALTER TABLE IF EXISTS t RENAME COLUMN a TO b", `1: statement 1: unreadable: syntax error at or near "IF"; leave IF … EXISTS away: a plan asks the catalog itself`},
		{"RENAME USER a TO b", "1: statement 1: RENAME USER is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"RENAME TABLE t WAIT 5 TO u", `1: statement 1: unreadable: syntax error at or near "WAIT"; leave WAIT away: each step waits briefly, by itself`},

		// Columns.
		{"ALTER TABLE t ADD c serial", "1: statement 1: ALTER TABLE t ADD COLUMN c: SERIAL is AUTO_INCREMENT and UNIQUE, which rebuilds the table and stops writes; add an integer column without default, and fill it in code"},
		{"ALTER TABLE t ADD c int AUTO_INCREMENT", "1: statement 1: ALTER TABLE t ADD COLUMN c: AUTO_INCREMENT rebuilds the table, and stops writes meanwhile; add a plain column, and fill it in code"},
		{"ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) STORED", "1: statement 1: ALTER TABLE t ADD COLUMN c: GENERATED ALWAYS AS copies the table, and stops writes meanwhile, unless it is virtual; and no trigger may write it; add a plain column, and fill it in code; or, if it is VIRTUAL, " + mark},
		{"ALTER TABLE t ADD c int AS (a + 1)", "1: statement 1: ALTER TABLE t ADD COLUMN c: GENERATED ALWAYS AS copies the table, and stops writes meanwhile, unless it is virtual; and no trigger may write it; add a plain column, and fill it in code; or, if it is VIRTUAL, " + mark},
		{"ALTER TABLE t ADD `c c` int CHECK (`c c` > 0)", "1: statement 1: ALTER TABLE t ADD COLUMN `c c`: CHECK copies the table, and stops writes meanwhile; add the column alone"},
		{"ALTER TABLE t ADD c int CONSTRAINT x CHECK (c > 0) NOT ENFORCED NOT NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: CHECK copies the table, and stops writes meanwhile; add the column alone"},
		{"ALTER TABLE t ADD c int UNIQUE", "1: statement 1: ALTER TABLE t ADD COLUMN c: UNIQUE hides the name of an index; add the column alone, then write CREATE UNIQUE INDEX"},
		{"ALTER TABLE t ADD c int UNIQUE KEY", "1: statement 1: ALTER TABLE t ADD COLUMN c: UNIQUE hides the name of an index; add the column alone, then write CREATE UNIQUE INDEX"},
		{"ALTER TABLE t ADD c int PRIMARY KEY", "1: statement 1: ALTER TABLE t ADD COLUMN c: PRIMARY KEY rebuilds the table; add the column alone"},
		{"ALTER TABLE t ADD c int KEY", "1: statement 1: ALTER TABLE t ADD COLUMN c: PRIMARY KEY rebuilds the table; add the column alone"},
		{"ALTER TABLE t ADD c int REFERENCES u (id) ON DELETE SET NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: REFERENCES copies the table and stops writes meanwhile on one server, and does nothing on another; add the column alone"},
		{"ALTER TABLE t ADD c int COLUMN_FORMAT DYNAMIC", "1: statement 1: ALTER TABLE t ADD COLUMN c: COLUMN_FORMAT is not planned; add the column without it, and what it says in an as-written statement"},
		{"ALTER TABLE t ADD c int NOT NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: NOT NULL without a default gives the rows that are there a value that nobody wrote, and breaks the inserts of old code; add a default, or leave NOT NULL away"},
		{"ALTER TABLE t ADD c int NOT NULL DEFAULT NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: NOT NULL without a default gives the rows that are there a value that nobody wrote, and breaks the inserts of old code; add a default, or leave NOT NULL away"},
		{"ALTER TABLE t ADD c int NULL NOT NULL", "1: statement 1: ALTER TABLE t ADD COLUMN c: NULL and NOT NULL contradict each other; keep one of them"},
		{"ALTER TABLE t ADD c int DEFAULT 1 DEFAULT 2", "1: statement 1: ALTER TABLE t ADD COLUMN c: a second DEFAULT is not planned; add the column without it, and what it says in an as-written statement"},
		{"ALTER TABLE t ADD c int COMMENT 'a' COMMENT 'b'", "1: statement 1: ALTER TABLE t ADD COLUMN c: a second COMMENT is not planned; add the column without it, and what it says in an as-written statement"},
		{"ALTER TABLE t ADD c int SERIAL DEFAULT VALUE", "1: statement 1: ALTER TABLE t ADD COLUMN c: SERIAL DEFAULT VALUE is not planned; add the column without it, and what it says in an as-written statement"},
		{"ALTER TABLE t ADD c int FIRST", "1: statement 1: ALTER TABLE t ADD COLUMN c: FIRST asks for an order of columns, which is not kept; leave it away, and name columns where their order matters"},
		{"ALTER TABLE t ADD c int AFTER b", "1: statement 1: ALTER TABLE t ADD COLUMN c: AFTER asks for an order of columns, which is not kept; leave it away, and name columns where their order matters"},
		{"ALTER TABLE t ADD COLUMN IF NOT EXISTS c int", "1: statement 1: ALTER TABLE t ADD COLUMN c: IF NOT EXISTS leaves open what the statement does; leave it away: a plan asks the catalog itself"},
		{"ALTER TABLE t DROP c CASCADE", "1: statement 1: ALTER TABLE t DROP COLUMN c: CASCADE has no meaning to the server; leave it away"},
		{"ALTER TABLE t DROP COLUMN IF EXISTS c", "1: statement 1: ALTER TABLE t DROP COLUMN c: IF EXISTS leaves open what the statement does; leave it away: a plan asks the catalog itself"},
		{"ALTER TABLE t MODIFY c bigint", "1: statement 1: ALTER TABLE … MODIFY COLUMN is not planned: most changes of type copy the table, and stop writes meanwhile; add a column of the new type, and drop the old one later; or, if the server copies nothing (varchar(20) to varchar(40)), " + mark},
		{"ALTER TABLE t ADD a int, MODIFY b int", "1: statement 1: ALTER TABLE … MODIFY COLUMN is not planned: most changes of type copy the table, and stop writes meanwhile; add a column of the new type, and drop the old one later; or, if the server copies nothing (varchar(20) to varchar(40)), " + mark},
		{"ALTER TABLE t ALTER a SET DEFAULT 1", "1: statement 1: ALTER TABLE … ALTER COLUMN … SET DEFAULT is not planned: old code gets the new default too; " + asWrittenWay},
		{"ALTER TABLE t ALTER a DROP DEFAULT", "1: statement 1: ALTER TABLE … ALTER COLUMN … DROP DEFAULT is not planned: inserts of old code may rely on the default; " + asWrittenWay},
		{"ALTER TABLE t ADD c int, ALGORITHM=COPY", "1: statement 1: ALTER TABLE t: ALGORITHM=COPY stops writes; leave it away: each step asks for the gentlest way by itself"},
		{"ALTER TABLE t LOCK=SHARED, ADD c int", "1: statement 1: ALTER TABLE t: LOCK=SHARED stops writes; leave it away: each step asks for the gentlest way by itself"},
		{"ALTER TABLE t ALGORITHM=INSTANT", "1: statement 1: ALTER TABLE t says nothing beside ALGORITHM and LOCK; leave it away, or write what it is for"},
		{"ALTER TABLE t", "1: statement 1: ALTER TABLE t says nothing; leave it away, or write what it is for"},
		{"ALTER IGNORE TABLE t ADD UNIQUE i (a)", "1: statement 1: ALTER TABLE t: IGNORE loses rows and values without a word; leave it away"},
		{"ALTER TABLE t WAIT 5 ADD c int", `1: statement 1: unreadable: syntax error at or near "WAIT"; leave WAIT away: each step waits briefly, by itself`},
		{"ALTER TABLE t NOWAIT ADD c int", `1: statement 1: unreadable: syntax error at or near "NOWAIT"; leave NOWAIT away: each step waits briefly, by itself`},
		{"ALTER TABLE t ADD c int INVISIBLE", `1: statement 1: unreadable: syntax error at or near "INVISIBLE"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{"ALTER TABLE t ADD c int DEFAULT (1 +)", `1: statement 1: unreadable: syntax error at or near ")"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{`ALTER TABLE t ADD COLUMN "c" int`, `1: statement 1: unreadable: syntax error at or near "\"c\""; write names in backticks: in double quotes they are strings`},

		// Tables and indexes.
		{"CREATE TABLE IF NOT EXISTS t (a int)", "1: statement 1: CREATE TABLE t: IF NOT EXISTS leaves open what the statement does; leave it away: a plan asks the catalog itself"},
		{"CREATE TEMPORARY TABLE t (a int)", "1: statement 1: CREATE TEMPORARY TABLE cannot be part of a migration: a temporary table is gone with the session that runs the step; leave TEMPORARY away"},
		{"CREATE OR REPLACE TABLE t (a int)", "1: statement 1: CREATE OR REPLACE TABLE is not planned: it drops the table that is there; write CREATE TABLE, which is planned"},
		{"CREATE TABLE t LIKE u", "1: statement 1: CREATE TABLE t: LIKE makes it the same as a table that may be another one elsewhere; write its columns"},
		{"CREATE TABLE t (LIKE u)", "1: statement 1: CREATE TABLE t: LIKE makes it the same as a table that may be another one elsewhere; write its columns"},
		{"CREATE TABLE t AS SELECT 1", "1: statement 1: CREATE TABLE t: it holds the locks of its query until every row is copied; create the table alone, and copy the rows in code; or " + mark},
		{"CREATE TABLE t (a int) SELECT 1", "1: statement 1: CREATE TABLE t: it holds the locks of its query until every row is copied; create the table alone, and copy the rows in code; or " + mark},
		{"CREATE TABLE t (a int) WITH SYSTEM VERSIONING", `1: statement 1: unreadable: syntax error at or near "VERSIONING"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{"CREATE TABLE t (a int /*!80023 INVISIBLE */)", "1: statement 1: the comment /*!80023 … */ is code to some servers and none to others; write what it holds as plain SQL, or leave it away"},
		{"ALTER TABLE t ADD INDEX (a)", "1: statement 1: CREATE INDEX on t: a name that the server makes up cannot be asked for later; give the index a name"},
		{"ALTER TABLE t ADD UNIQUE KEY USING BTREE (a)", "1: statement 1: CREATE INDEX on t: a name that the server makes up cannot be asked for later; give the index a name"},
		{"CREATE INDEX IF NOT EXISTS i ON t (a)", "1: statement 1: CREATE INDEX i: IF NOT EXISTS takes another index of that name for this one; leave it away: a plan asks the catalog itself"},
		{"ALTER TABLE t ADD KEY IF NOT EXISTS i (a)", "1: statement 1: CREATE INDEX i: IF NOT EXISTS takes another index of that name for this one; leave it away: a plan asks the catalog itself"},
		{"CREATE OR REPLACE INDEX i ON t (a)", "1: statement 1: CREATE OR REPLACE INDEX is not planned: it drops the index that is there; write CREATE INDEX, which is planned"},
		{"CREATE FULLTEXT INDEX i ON t (a)", "1: statement 1: CREATE FULLTEXT INDEX is not planned: it stops writes while the index is built, and the first one rebuilds the table; " + asWrittenWay},
		{"CREATE SPATIAL INDEX i ON t (a)", "1: statement 1: CREATE SPATIAL INDEX is not planned: it stops writes while the index is built; " + asWrittenWay},
		{"ALTER TABLE t ADD FULLTEXT KEY i (a)", "1: statement 1: ALTER TABLE … ADD FULLTEXT INDEX is not planned: it stops writes while the index is built, and the first one rebuilds the table; " + asWrittenWay},
		{"ALTER TABLE t ADD SPATIAL INDEX i (a)", "1: statement 1: ALTER TABLE … ADD SPATIAL INDEX is not planned: it stops writes while the index is built; " + asWrittenWay},
		{"ALTER TABLE t ADD SPATIAL (a)", "1: statement 1: ALTER TABLE … ADD SPATIAL INDEX is not planned: it stops writes while the index is built; " + asWrittenWay},
		{"CREATE INDEX i ON t (a) LOCK=EXCLUSIVE", "1: statement 1: CREATE INDEX i: LOCK=EXCLUSIVE stops writes; leave it away: each step asks for the gentlest way by itself"},
		{"CREATE INDEX i ON t (a) ALGORITHM COPY", "1: statement 1: CREATE INDEX i: ALGORITHM=COPY stops writes; leave it away: each step asks for the gentlest way by itself"},
		{"ALTER TABLE t ADD CONSTRAINT c UNIQUE KEY i (a)", "1: statement 1: CREATE INDEX c: it has one name as a constraint and another one as an index; keep one of them"},
		{"CREATE INDEX i ON t (a) WHERE a > 0", "1: statement 1: CREATE INDEX i: WHERE A > 0 is not planned; " + asWrittenWay},
		{"CREATE INDEX i ON t (a) IGNORED", `1: statement 1: unreadable: syntax error at or near "IGNORED"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{"CREATE INDEX i ON t (a) WAIT 5", `1: statement 1: unreadable: syntax error at or near "WAIT"; leave WAIT away: each step waits briefly, by itself`},

		// Other kinds.
		{"ALTER TABLE t ADD PRIMARY KEY (a)", "1: statement 1: ALTER TABLE … ADD PRIMARY KEY is not planned: it rebuilds the table; " + asWrittenWay},
		{"ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b)", "1: statement 1: ALTER TABLE … DROP PRIMARY KEY is not planned: it copies the table, and stops writes meanwhile; " + asWrittenWay},
		{"ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (id)", "1: statement 1: ALTER TABLE … ADD FOREIGN KEY is not planned: it copies the table, and stops writes meanwhile, unless foreign_key_checks is off, and then nobody looks at the rows; " + asWrittenWay},
		{"ALTER TABLE t ADD CHECK (a > 0)", "1: statement 1: ALTER TABLE … ADD CHECK is not planned: it copies the table, and stops writes meanwhile; on MySQL add it NOT ENFORCED, in an as-written statement; or, " + asWrittenWay},
		{"ALTER TABLE t DROP INDEX i", "1: statement 1: ALTER TABLE … DROP INDEX is not planned: queries may rely on it, and ON DUPLICATE KEY UPDATE on a unique one; " + asWrittenWay},
		{"ALTER TABLE t ALTER INDEX i INVISIBLE", "1: statement 1: ALTER TABLE … ALTER INDEX is not planned: queries may rely on it; " + asWrittenWay},
		{"ALTER TABLE t DROP FOREIGN KEY f", "1: statement 1: ALTER TABLE … DROP FOREIGN KEY is not planned: code may rely on it; " + asWrittenWay},
		{"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "1: statement 1: ALTER TABLE … CONVERT TO CHARACTER SET is not planned: it copies the table, and stops writes meanwhile; " + asWrittenWay},
		{"ALTER TABLE t DEFAULT CHARSET utf8mb4", "1: statement 1: ALTER TABLE … DEFAULT CHARACTER SET is not planned: columns that are added later get another character set than those that are there; " + asWrittenWay},
		{"ALTER TABLE t ENGINE=InnoDB", "1: statement 1: ALTER TABLE … ENGINE is not planned: it rebuilds the table; " + asWrittenWay},
		{"ALTER TABLE t COMMENT='x'", "1: statement 1: ALTER TABLE … COMMENT is not planned: there is no safe form of it yet; " + asWrittenWay},
		{"ALTER TABLE t COMMENT='x' AUTO_INCREMENT=5", "1: statement 1: ALTER TABLE … in several options is not planned: there is no safe form of it yet; " + asWrittenWay},
		{"ALTER TABLE t FORCE", "1: statement 1: ALTER TABLE … FORCE is not planned: it rebuilds the table; " + asWrittenWay},
		{"ALTER TABLE t ADD c int PARTITION BY HASH (a)", "1: statement 1: ALTER TABLE … PARTITION BY is not planned: it copies the table, and stops writes meanwhile; " + asWrittenWay},
		{"ALTER TABLE t DROP PARTITION p", "1: statement 1: ALTER TABLE … DROP PARTITION is not planned: nothing brings the rows back; " + asWrittenWay},
		{"ALTER TABLE t RENAME KEY a TO b", "1: statement 1: ALTER TABLE … RENAME INDEX is not planned: queries may name it, and only tables and columns are renamed in phases; " + asWrittenWay},
		{"ALTER VIEW v AS SELECT 1", "1: statement 1: ALTER VIEW is not planned: it shows old code something else; " + asWrittenWay},
		{"ALTER DATABASE d CHARACTER SET utf8mb4", "1: statement 1: ALTER DATABASE is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"ALTER SCHEMA d CHARACTER SET utf8mb4", "1: statement 1: ALTER DATABASE is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"DROP TABLE t", "1: statement 1: DROP TABLE is not planned: old code may still use it, and nothing brings its rows back; rename it first, and once nothing misses it, drop it in an as-written statement"},
		{"DROP TABLES t, u", "1: statement 1: DROP TABLE is not planned: old code may still use it, and nothing brings its rows back; rename it first, and once nothing misses it, drop it in an as-written statement"},
		{"DROP INDEX i ON t", "1: statement 1: DROP INDEX is not planned: queries may rely on it, and ON DUPLICATE KEY UPDATE on a unique one; " + asWrittenWay},
		{"DROP VIEW v", "1: statement 1: DROP VIEW is not planned: old code may still read it; " + asWrittenWay},
		{"DROP DATABASE d", "1: statement 1: DROP DATABASE is not planned: old code may still use what is in it, and nothing brings it back; " + asWrittenWay},
		{"CREATE DATABASE d", "1: statement 1: CREATE DATABASE is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"CREATE VIEW v AS SELECT 1", "1: statement 1: CREATE VIEW is not planned: a view that is replaced shows old code something else; " + asWrittenWay},
		{"CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY INVOKER VIEW v AS SELECT 1", "1: statement 1: CREATE VIEW is not planned: a view that is replaced shows old code something else; " + asWrittenWay},
		{"CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", "1: statement 1: CREATE TRIGGER is not planned: it may write columns that are kept in step; " + asWrittenWay},
		{"CREATE DEFINER=CURRENT_USER() PROCEDURE p() BEGIN SELECT 1; END", "1: statement 1: CREATE PROCEDURE is not planned: what its body does cannot be read from outside; " + asWrittenWay},
		{"CREATE FUNCTION f() RETURNS int RETURN 1", "1: statement 1: CREATE FUNCTION is not planned: what its body does cannot be read from outside; " + asWrittenWay},
		{"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t", "1: statement 1: CREATE EVENT is not planned: what its body does cannot be read from outside; " + asWrittenWay},
		{"CREATE SEQUENCE s", "1: statement 1: CREATE SEQUENCE is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"CREATE USER u", "1: statement 1: CREATE USER is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"GRANT SELECT ON t TO u", "1: statement 1: GRANT is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"REVOKE SELECT ON t FROM u", "1: statement 1: REVOKE is not planned: old code may need the privilege; " + asWrittenWay},
		{"TRUNCATE TABLE t", "1: statement 1: TRUNCATE is not planned: nothing brings the rows back; " + asWrittenWay},
		{"INSERT INTO t VALUES (1)", "1: statement 1: INSERT is not planned: it is about rows, not about the schema; " + asWrittenWay},
		{"REPLACE INTO t VALUES (1)", "1: statement 1: REPLACE is not planned: it is about rows, not about the schema; " + asWrittenWay},
		{"UPDATE t SET a = 1", "1: statement 1: UPDATE is not planned: it is about rows, not about the schema, and holds every row it writes until it ends; fill a column with phased:up, whose backfill goes in small batches; or, if few rows are concerned, " + mark},
		{"DELETE FROM t", "1: statement 1: DELETE is not planned: it is about rows, not about the schema, and holds every row it deletes until it ends; delete in small batches in code; or, if few rows are concerned, " + mark},
		{"LOAD DATA INFILE 'x' INTO TABLE t", "1: statement 1: LOAD DATA is not planned: it is about rows, not about the schema; " + asWrittenWay},
		{"SELECT 1", "1: statement 1: SELECT is not planned: nobody reads its result; leave it away; or, if it calls a function that does something, " + mark},
		{"(SELECT 1)", "1: statement 1: SELECT is not planned: nobody reads its result; leave it away; or, if it calls a function that does something, " + mark},
		{"WITH x AS (SELECT 1) SELECT 1", "1: statement 1: WITH is not planned: nobody reads its result; leave it away; or, if it writes, " + mark},
		{"SHOW TABLES", "1: statement 1: SHOW is not planned: nobody reads its result; leave it away"},
		{"DESCRIBE t", "1: statement 1: DESCRIBE is not planned: nobody reads its result; leave it away"},
		{"EXPLAIN SELECT 1", "1: statement 1: EXPLAIN is not planned: nobody reads its result; leave it away"},
		{"CALL p()", "1: statement 1: CALL is not planned: what the procedure does cannot be read from outside; " + asWrittenWay},
		{"DO 1", "1: statement 1: DO is not planned: what it does cannot be read from outside; " + asWrittenWay},
		{"OPTIMIZE TABLE t", "1: statement 1: OPTIMIZE TABLE is not planned: it rebuilds the table; run it by hand, when there is little traffic; or " + mark},
		{"ANALYZE TABLE t", "1: statement 1: ANALYZE TABLE is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"FLUSH TABLES", "1: statement 1: FLUSH is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"SET GLOBAL max_connections = 1", "1: statement 1: SET is not planned: phases are for tables, columns and indexes; " + asWrittenWay},
		{"BEGIN NOT ATOMIC SELECT 1; END", "1: statement 1: BEGIN NOT ATOMIC is not planned: what its body does cannot be read from outside; " + asWrittenWay},
		{"ADMIN CHECK TABLE t", "1: statement 1: ADMIN is not planned: phases are for tables, columns and indexes; " + asWrittenWay},

		// What no mark helps.
		{"BEGIN", "1: statement 1: BEGIN cannot be part of a migration: the server ends a transaction with every change of the schema; leave it away: each step stands for itself"},
		{reason + "COMMIT", "2: statement 1: COMMIT cannot be part of a migration: the server ends a transaction with every change of the schema; leave it away: each step stands for itself"},
		{reason + "START TRANSACTION", "2: statement 1: START TRANSACTION cannot be part of a migration: the server ends a transaction with every change of the schema; leave it away: each step stands for itself"},
		{reason + "SAVEPOINT s", "2: statement 1: SAVEPOINT cannot be part of a migration: the server ends a transaction with every change of the schema; leave it away: each step stands for itself"},
		{reason + "XA START 'x'", "2: statement 1: XA cannot be part of a migration: the server ends a transaction with every change of the schema; leave it away: each step stands for itself"},
		{"SET foreign_key_checks = 0", "1: statement 1: SET cannot be part of a migration: it changes the session, which does other work afterwards; leave it away: each step sets its own timeouts"},
		{reason + "SET NAMES utf8mb4", "2: statement 1: SET cannot be part of a migration: it changes the session, which does other work afterwards; leave it away: each step sets its own timeouts"},
		{reason + "SET GLOBAL a = 1, b = 2", "2: statement 1: SET cannot be part of a migration: it changes the session, which does other work afterwards; leave it away: each step sets its own timeouts"},
		{reason + "/*!40101 SET @a = 1 */", "2: statement 1: SET cannot be part of a migration: it changes the session, which does other work afterwards; leave it away: each step sets its own timeouts"},
		{reason + "USE d", "2: statement 1: USE cannot be part of a migration: it changes the session, which does other work afterwards; leave it away: the connection decides on the database"},
		{reason + "LOCK TABLES t WRITE", "2: statement 1: LOCK TABLES cannot be part of a migration: it changes the session, which does other work afterwards; leave it away"},
		{reason + "UNLOCK TABLES", "2: statement 1: UNLOCK TABLES cannot be part of a migration: it changes the session, which does other work afterwards; leave it away"},
		{reason + "FLUSH TABLES WITH READ LOCK", "2: statement 1: FLUSH cannot be part of a migration: it changes the session, which does other work afterwards; leave it away"},
		{reason + "PREPARE s FROM 'x'", "2: statement 1: PREPARE cannot be part of a migration: it changes the session, which does other work afterwards; leave it away"},
		{reason + "CREATE TEMPORARY TABLE t (a int)", "2: statement 1: CREATE TEMPORARY TABLE cannot be part of a migration: a temporary table is gone with the session that runs the step; leave TEMPORARY away"},
		{reason + "DROP TEMPORARY TABLE t", "2: statement 1: DROP TEMPORARY TABLE cannot be part of a migration: the session that runs the step has no such table; leave the statement away"},
		{reason + "LOAD DATA LOCAL INFILE 'x' INTO TABLE t", "2: statement 1: LOAD DATA LOCAL cannot be part of a migration: its rows go between the server and a client; load the rows in code, or write INSERT"},
		{reason + "HANDLER t OPEN", "2: statement 1: HANDLER cannot be part of a migration: it changes the session, which does other work afterwards; leave it away"},

		// Marks.
		{"ALTER TABLE t ADD c int;\n" + reason, "2: phased:as-written is followed by no statement; put it on the line before its statement"},
		{"ALTER TABLE t\n" + reason + "ADD c int;", "2: statement 1: phased:as-written stands inside a statement; put it on the line before its statement"},
		{reason + reason + "TRUNCATE t", "2: statement 1: phased:as-written for this statement stands on line 1 already; keep one of them"},

		// Text.
		{"", " says nothing: no statement and no phased:contract line; delete the file or write what it is for"},
		{"-- later\n# and later\n;;\n-- phased:accept a reason=\"b\"", " says nothing: no statement and no phased:contract line; delete the file or write what it is for"},
		{"SELECT 'ä';", "1: statement 1: SELECT is not planned: nobody reads its result; leave it away; or, if it calls a function that does something, " + mark},
		{"ALTER TABLE t ADD a int;\nALTER TABLE t\n  ADD COLUM c int", `3: statement 2: unreadable: syntax error at or near "c"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{"\n\nALTER TABLE t ADD\n\n", "3: statement 1: unreadable: syntax error at end of input; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, " + mark},
		{"ALTER TABEL t ADD c int", `1: statement 1: unreadable: syntax error at or near "TABEL"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{"FOO BAR", `1: statement 1: unreadable: syntax error at or near "FOO"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{"DELIMITER //\nCREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; END//\nDELIMITER ;", "1: statement 1: DELIMITER is a command of the mysql client, not SQL; leave it away: a semicolon within BEGIN … END ends no statement"},
		{"ALTER TABLE t ADD c int;\n  delimiter ;", "2: statement 2: DELIMITER is a command of the mysql client, not SQL; leave it away: a semicolon within BEGIN … END ends no statement"},
		{reason + "delimiter $$", "2: statement 1: DELIMITER is a command of the mysql client, not SQL; leave it away: a semicolon within BEGIN … END ends no statement"},
		{"\\. file.sql", "1: statement 1: \\. is a command of the mysql client, not SQL; leave it away"},
		{"ALTER TABLE t ADD c int\\G", `1: statement 1: unreadable: syntax error at or near "\\"; leave it away: \g and \G are commands of the mysql client`},
		{"\n-- x\nALTER TABLE t ADD c int DEFAULT 'x", "3: a string begins here and does not end; close it"},
		{"ALTER TABLE t ADD c int DEFAULT 'x\\'", "1: a string begins here and does not end; close it"},
		{"ALTER TABLE t ADD `c int", "1: a quoted name begins here and does not end; close it"},
		{"/* a /* b */ */ ALTER TABLE t ADD c int", `1: statement 1: unreadable: syntax error at or near "*"; write it as MySQL's manual does, with names in backticks; or, if the server reads it and it is safe to run unchanged, ` + mark},
		{"SELECT 1; /* x", "1: a block comment begins here and does not end; close it"},
		{"/*!80016 SELECT 1", "1: a comment begins here and does not end; close it"},
		{"SELECT /*!99999 it's */ 1, 'x'; SELECT 2, 'it''s */ '", "1: a comment that is code to some servers ends elsewhere for others; take quotes and comments out of it, or write it as plain SQL"},
		{"SELECT /*! '*/' */ 1", "1: a comment that is code to some servers ends elsewhere for others; take quotes and comments out of it, or write it as plain SQL"},
		{"--phased:contract x\nALTER TABLE t ADD c int", "1: -- without a blank behind it begins no comment; write -- phased:"},
		{"-- a\rALTER TABLE t ADD c int", "1: a comment holds a carriage return, which ends no line for the server; save the file with line feeds"},
		{"\n-- \xff", "2: byte 0xff is not UTF-8; save the file as UTF-8"},
		{"SELECT 1;\x00", "1: the text holds a NUL byte; save the file as UTF-8"},
		{reason + "CREATE PROCEDURE p() BEGIN\n IF a THEN SELECT 1; END;\n", "2: statement 1: BEGIN begins here and no END ends it; close it, or quote the name in backticks if it is one"},
		{reason + "CREATE PROCEDURE p() BEGIN SELECT 1; END;\nEND IF", "3: statement 2: END begins a statement; write BEGIN … END around a body of several statements"},
		{"ALTER TABLE t\n ADD aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa int", `2: statement 1: the name "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" has 65 characters, and the server takes 64; shorten it`},
		{"\nCREATE TABLE `` (a int)", "2: statement 1: a quoted name is empty; write the name between the backticks"},
		{"ALTER TABLE t ADD `😀` int", `1: statement 1: the name "😀" holds a character beyond U+FFFF, which the server does not take in names; choose another name`},

		// Directives and statements.
		{"-- phased:up t.b = a\nALTER TABLE t RENAME COLUMN a TO b", "2: statement 1: rename column t.a to b has phased:up, but no phased:down: writes of one side would not reach the other; add -- phased:down t.a = …"},
		{"-- phased:down t.a = b\nALTER TABLE t RENAME COLUMN a TO b", "2: statement 1: rename column t.a to b has phased:down, but no phased:up: writes of one side would not reach the other; add -- phased:up t.b = …"},
		{"-- phased:up t.a = b\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.a matches no statement; name the new column of a RENAME COLUMN in this file: t.b"},
		{"\n-- phased:down `T`.a = b\nALTER TABLE t RENAME COLUMN a TO b", "2: phased:down T.a matches no statement; name the old column of a RENAME COLUMN in this file"},
		{"-- phased:up t.b = a\nALTER TABLE t ADD b int", "1: phased:up t.b matches no statement; name the new column of a RENAME COLUMN in this file"},
		{"-- phased:up s.t.b = a\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up s.t.b matches no statement; name the new column of a RENAME COLUMN in this file: t.b"},
		{"-- phased:up t.b = a\nALTER TABLE s.t RENAME COLUMN a TO b; ALTER TABLE u.t RENAME COLUMN a TO b", "1: phased:up t.b may be about statement 1 or 2; write the schema"},
		{"-- phased:up t.b = a\n-- phased:up t.B = a\nALTER TABLE t RENAME COLUMN a TO b", "2: phased:up t.B is the second one for statement 1; keep one of them"},
		{"-- phased:up t.b = a +\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: the expression is unreadable: syntax error at end of input; write one expression over a"},
		{"-- phased:up t.b = a, a\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: the expression is unreadable: it is not one expression; write one expression over a"},
		{"-- phased:up t.b = a; -- x\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up: the expression holds a comment; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"-- phased:up t.b = 'x\\'\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up: a string in the expression does not end; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"-- phased:up t.b = b\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it reads the column b; write it over a alone"},
		{"-- phased:up t.b = t.a\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: t.a is qualified; write the column's name alone"},
		{"-- phased:up t.b = NEW.a\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: NEW.a is qualified; write the column's name alone"},
		{"-- phased:up t.b = (SELECT max(a) FROM t)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it holds a query, whose result changes with other rows; write it over a alone"},
		{"-- phased:up t.b = a IN (SELECT 1)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it holds a query, whose result changes with other rows; write it over a alone"},
		{"-- phased:up t.b = EXISTS (SELECT 1)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it holds a query, whose result changes with other rows; write it over a alone"},
		{"-- phased:up t.b = max(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: max reads more than one row; write it over a alone"},
		{"-- phased:up t.b = row_number() over ()\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: row_number reads more than one row; write it over a alone"},
		{"-- phased:up t.b = concat(a, uuid())\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: uuid gives another value each time; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = coalesce(a, CURRENT_TIMESTAMP)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: current_timestamp gives the time of the call; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = a + rand()\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: rand gives another value each time; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = a + sysdate()\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: sysdate gives the time of the call; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = connection_id()\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: connection_id differs from session to session; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = last_insert_id(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: last_insert_id differs from session to session; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = from_unixtime(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: from_unixtime depends on the session's time zone; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = sleep(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: sleep does something beside giving a value; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = @x\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it reads the variable @x, which differs from session to session; write it over a alone"},
		{"-- phased:up t.b = @@sql_mode\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it reads the variable @@sql_mode, which differs from session to session; write it over a alone"},
		{"-- phased:up t.b = my_func(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: my_func is not known here, and may give another result each time; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = lib.f(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it calls lib.f: a stored function may give another result each time; use functions of the server that depend on their arguments alone"},
		{"-- phased:up t.b = week(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: week depends on the session's default_week_format; give it the mode as its second argument"},
		{"-- phased:up t.b = date_format(a, '%d %b')\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: date_format depends on the session's lc_time_names; give it a format without names of days and months"},
		{"-- phased:up t.b = ?\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: it holds a parameter, and nobody gives it a value; write it over a alone"},
		{"-- phased:up t.b = DEFAULT(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: DEFAULT(…) reads the table's definition, not the row; write the value"},
		{"-- phased:up t.b = VALUES(a)\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: VALUES(…) has a meaning in INSERT only; write it over a alone"},
		{"-- phased:up t.b = MATCH (a) AGAINST ('x')\nALTER TABLE t RENAME COLUMN a TO b", "1: phased:up t.b: MATCH … AGAINST reads an index of the table; write it over a alone"},
		{"ALTER TABLE t RENAME COLUMN a TO b;\n  -- phased:serialize-inserts t.a", "2: phased:serialize-inserts t.a: it is not needed: ON DUPLICATE KEY UPDATE looks at every unique index; leave it away"},
		{"-- phased:up t.b = a", "1: phased:up t.b matches no statement; name the new column of a RENAME COLUMN in this file"},
		{"-- phased:nothing", "1: phased:nothing is not a directive; known are up, down, contract, as-written, accept, serialize-inserts"},

		// Names within a file.
		{"ALTER TABLE t ADD c int;\nALTER TABLE t RENAME COLUMN a TO C", "2: statement 2: column t.C is made by statement 1 already; give one of them another name"},
		{"ALTER TABLE t ADD c int, ADD c text", "1: statement 1: column t.c is made by the same statement already; give one of them another name"},
		{"CREATE TABLE a (x int);\nCREATE TABLE a (y int)", "2: statement 2: table a is made by statement 1 already; give one of them another name"},
		{"CREATE INDEX i ON t (a);\nALTER TABLE t ADD KEY I (b)", "2: statement 2: index t.I is made by statement 1 already; give one of them another name"},
		{"ALTER TABLE t RENAME COLUMN a TO b;\nALTER TABLE t DROP A", "2: statement 2: column t.A is renamed or dropped by statement 1 already; say once what happens to it"},
		{"ALTER TABLE t DROP a, ADD a text", "1: statement 1: column t.a is the old side of the same statement, which keeps the name until contract; give the new one another name, or make it in a later file"},
		{"ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "1: statement 1: column t.b is the old side of the same statement, which keeps the name until contract; give the new one another name, or make it in a later file"},
		{"RENAME TABLE a TO b;\nCREATE TABLE a (x int)", "2: statement 2: table a is the old side of statement 1, which keeps the name until contract; give the new one another name, or make it in a later file"},
		{"RENAME TABLE a TO old, b TO a", "1: statement 1: table a is the old side of the same statement, which keeps the name until contract; give the new one another name, or make it in a later file"},
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
