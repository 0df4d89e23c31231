package pgquery

import (
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v5"
)

func TestKinds(t *testing.T) {
	for sql, want := range map[string]struct {
		kind     string
		relation string
		bar      Bar
	}{
		"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": {"CREATE FUNCTION", "", BarNone},
		"CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'":                       {"CREATE PROCEDURE", "", BarNone},
		"CREATE AGGREGATE a(int) (sfunc = f, stype = int)":                      {"CREATE AGGREGATE", "", BarNone},
		"CREATE TYPE t AS ENUM ('a')":                                           {"CREATE TYPE", "", BarNone},
		"CREATE TYPE t AS (a int)":                                              {"CREATE TYPE", "", BarNone},
		"CREATE DOMAIN d AS int":                                                {"CREATE DOMAIN", "", BarNone},
		"CREATE EXTENSION citext":                                               {"CREATE EXTENSION", "", BarNone},
		"CREATE SEQUENCE s":                                                     {"CREATE SEQUENCE", "", BarNone},
		"CREATE SCHEMA s":                                                       {"CREATE SCHEMA", "", BarNone},
		"CREATE ROLE r":                                                         {"CREATE ROLE", "", BarNone},
		"CREATE STATISTICS s ON a, b FROM t":                                    {"CREATE STATISTICS", "t", BarNone},
		"CREATE TRIGGER g BEFORE INSERT ON s.t EXECUTE FUNCTION f()":            {"CREATE TRIGGER", "s.t", BarNone},
		"CREATE RULE r AS ON INSERT TO t DO NOTHING":                            {"CREATE RULE", "t", BarNone},
		"CREATE POLICY p ON t":                                                  {"CREATE POLICY", "t", BarNone},
		"CREATE VIEW v AS SELECT 1":                                             {"CREATE VIEW", "v", BarNone},
		"CREATE MATERIALIZED VIEW v AS SELECT 1":                                {"CREATE MATERIALIZED VIEW", "v", BarNone},
		"CREATE TABLE t AS SELECT 1":                                            {"CREATE TABLE AS", "t", BarNone},
		"SELECT 1 INTO t":                                                       {"SELECT INTO", "t", BarNone},
		"CREATE FOREIGN TABLE t (a int) SERVER s":                               {"CREATE FOREIGN TABLE", "t", BarNone},
		"CREATE TEXT SEARCH CONFIGURATION c (parser = p)":                       {"CREATE TEXT SEARCH CONFIGURATION", "", BarNone},
		"ALTER TYPE t ADD VALUE 'a'":                                            {"ALTER TYPE … ADD VALUE", "", BarNone},
		"ALTER TYPE t RENAME VALUE 'a' TO 'b'":                                  {"ALTER TYPE … RENAME VALUE", "", BarNone},
		"ALTER TYPE t RENAME ATTRIBUTE a TO b":                                  {"ALTER TYPE … RENAME", "", BarNone},
		"ALTER TABLE t OWNER TO r":                                              {"ALTER TABLE", "t", BarNone},
		"ALTER FUNCTION f() OWNER TO r":                                         {"ALTER FUNCTION … OWNER TO", "", BarNone},
		"ALTER TABLE t SET SCHEMA s":                                            {"ALTER TABLE … SET SCHEMA", "t", BarNone},
		"ALTER TABLE t RENAME CONSTRAINT a TO b":                                {"ALTER TABLE … RENAME", "t", BarNone},
		"ALTER INDEX i RENAME TO j":                                             {"ALTER INDEX … RENAME", "", BarNone},
		"ALTER SEQUENCE i RENAME TO j":                                          {"ALTER SEQUENCE … RENAME", "", BarNone},
		"ALTER VIEW v RENAME COLUMN a TO b":                                     {"ALTER VIEW … RENAME", "v", BarNone},
		"ALTER MATERIALIZED VIEW v RENAME TO w":                                 {"ALTER MATERIALIZED VIEW … RENAME", "v", BarNone},
		"ALTER INDEX i SET (fillfactor = 90)":                                   {"ALTER INDEX", "", BarNone},
		"ALTER SEQUENCE s RESTART":                                              {"ALTER SEQUENCE", "", BarNone},
		"ALTER DATABASE d SET TABLESPACE x":                                     {"ALTER DATABASE", "", BarAlone},
		"ALTER DATABASE d SET work_mem = '1MB'":                                 {"ALTER DATABASE … SET", "", BarNone},
		"ALTER SYSTEM SET work_mem = '1MB'":                                     {"ALTER SYSTEM", "", BarAlone},
		"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r":                  {"ALTER DEFAULT PRIVILEGES", "", BarNone},
		"DROP TABLE s.t":                                                        {"DROP TABLE", "s.t", BarNone},
		"DROP TABLE a, b":                                                       {"DROP TABLE", "", BarNone},
		"DROP INDEX i":                                                          {"DROP INDEX", "", BarNone},
		"DROP INDEX CONCURRENTLY i":                                             {"DROP INDEX", "", BarAlone},
		"DROP TRIGGER g ON s.t":                                                 {"DROP TRIGGER", "s.t", BarNone},
		"DROP MATERIALIZED VIEW v":                                              {"DROP MATERIALIZED VIEW", "v", BarNone},
		"DROP FUNCTION f()":                                                     {"DROP FUNCTION", "", BarNone},
		"DROP DATABASE d":                                                       {"DROP DATABASE", "", BarAlone},
		"DROP TABLESPACE d":                                                     {"DROP TABLESPACE", "", BarAlone},
		"CREATE DATABASE d":                                                     {"CREATE DATABASE", "", BarAlone},
		"CREATE TABLESPACE d LOCATION '/x'":                                     {"CREATE TABLESPACE", "", BarAlone},
		"CREATE INDEX CONCURRENTLY i ON s.t (a)":                                {"CREATE INDEX", "s.t", BarAlone},
		"ALTER TABLE t DETACH PARTITION p CONCURRENTLY":                         {"ALTER TABLE", "t", BarAlone},
		"ALTER TABLE t DETACH PARTITION p":                                      {"ALTER TABLE", "t", BarNone},
		"REINDEX TABLE t":                                                       {"REINDEX", "t", BarNone},
		"REINDEX TABLE CONCURRENTLY t":                                          {"REINDEX", "t", BarAlone},
		"REINDEX (CONCURRENTLY) INDEX i":                                        {"REINDEX", "", BarAlone},
		"REINDEX SCHEMA s":                                                      {"REINDEX", "", BarAlone},
		"VACUUM t":                                                              {"VACUUM", "t", BarAlone},
		"ANALYZE t":                                                             {"ANALYZE", "t", BarNone},
		"CLUSTER":                                                               {"CLUSTER", "", BarAlone},
		"CLUSTER t USING i":                                                     {"CLUSTER", "t", BarNone},
		"INSERT INTO s.t VALUES (1)":                                            {"INSERT", "s.t", BarNone},
		"UPDATE t SET a = 1":                                                    {"UPDATE", "t", BarNone},
		"DELETE FROM t":                                                         {"DELETE", "t", BarNone},
		"MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE":                 {"MERGE", "t", BarNone},
		"TRUNCATE t":                                                            {"TRUNCATE", "t", BarNone},
		"TRUNCATE t, s":                                                         {"TRUNCATE", "", BarNone},
		"LOCK TABLE t":                                                          {"LOCK TABLE", "t", BarNone},
		"COPY t FROM STDIN":                                                     {"COPY", "t", BarClient},
		"COPY t FROM '/x'":                                                      {"COPY", "t", BarNone},
		"REFRESH MATERIALIZED VIEW CONCURRENTLY v":                              {"REFRESH MATERIALIZED VIEW", "v", BarNone},
		"COMMENT ON COLUMN s.t.c IS 'x'":                                        {"COMMENT", "s.t", BarNone},
		"COMMENT ON TABLE t IS 'x'":                                             {"COMMENT", "t", BarNone},
		"COMMENT ON TYPE t IS 'x'":                                              {"COMMENT", "", BarNone},
		"GRANT SELECT ON t TO r":                                                {"GRANT", "t", BarNone},
		"REVOKE SELECT ON t, s FROM r":                                          {"REVOKE", "", BarNone},
		"GRANT a TO b":                                                          {"GRANT", "", BarNone},
		"VALUES (1)":                                                            {"VALUES", "", BarNone},
		"SHOW ALL":                                                              {"SHOW", "", BarNone},
		"CALL p()":                                                              {"CALL", "", BarNone},
		"EXPLAIN SELECT 1":                                                      {"EXPLAIN", "", BarNone},
		"CHECKPOINT":                                                            {"CHECKPOINT", "", BarNone},
		"NOTIFY n":                                                              {"NOTIFY", "", BarNone},
		"LISTEN n":                                                              {"LISTEN", "", BarSession},
		"SET work_mem = '1MB'":                                                  {"SET", "", BarSession},
		"SET LOCAL work_mem = '1MB'":                                            {"SET LOCAL", "", BarNone},
		"SET ROLE r":                                                            {"SET", "", BarSession},
		"SET CONSTRAINTS ALL DEFERRED":                                          {"SET CONSTRAINTS", "", BarNone},
		"RESET ALL":                                                             {"RESET", "", BarSession},
		"DISCARD ALL":                                                           {"DISCARD", "", BarSession},
		"PREPARE p AS SELECT 1":                                                 {"PREPARE", "", BarSession},
		"BEGIN":                                                                 {"BEGIN", "", BarTransaction},
		"START TRANSACTION":                                                     {"START TRANSACTION", "", BarTransaction},
		"END":                                                                   {"COMMIT", "", BarTransaction},
		"ABORT":                                                                 {"ROLLBACK", "", BarTransaction},
		"SAVEPOINT s":                                                           {"SAVEPOINT", "", BarTransaction},
		"PREPARE TRANSACTION 'x'":                                               {"PREPARE TRANSACTION", "", BarTransaction},
		"CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p":                     {"CREATE SUBSCRIPTION", "", BarSubscription},
	} {
		stmts, err := Parse(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		relation := ""
		if r := stmts[0].Relation; r != nil {
			relation = strings.TrimPrefix(r.Schema+"."+r.Name, ".")
		}
		if s := stmts[0]; s.Kind != want.kind || relation != want.relation || s.Bar != want.bar {
			t.Errorf("%s: kind %q, relation %q, bar %d; want %+v", sql, s.Kind, relation, s.Bar, want)
		}
	}
}

// Each statement type of the grammar has words that are SQL: a new version of the
// parser that brings a type nobody has named shows up here.
func TestEveryKindHasWords(t *testing.T) {
	verbs := "ALTER ANALYZE CALL CHECKPOINT CLOSE CLUSTER COMMENT COPY CREATE DEALLOCATE DECLARE DELETE DISCARD DO DROP EXECUTE EXPLAIN " +
		"FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK MERGE NOTIFY PREPARE REASSIGN REFRESH REINDEX SECURITY SELECT SET SHOW TRANSACTION TRUNCATE UNLISTEN UPDATE VACUUM"
	inner := " DefineStmt RenameStmt ReplicaIdentityStmt ReturnStmt PLAssignStmt RawStmt SetOperationStmt "
	fields := (&pg.Node{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	n := 0
	for i := range fields.Len() {
		name := string(fields.Get(i).Message().Name())
		if !strings.HasSuffix(name, "Stmt") || strings.Contains(inner, " "+name+" ") {
			continue
		}
		n++
		words := strings.Fields(plainKind(name))
		if !strings.Contains(" "+verbs+" ", " "+words[0]+" ") {
			t.Errorf("%s is %q", name, plainKind(name))
		}
		for _, w := range words {
			if len(w) == 1 && w != "…" {
				t.Errorf("%s is %q", name, plainKind(name))
			}
		}
	}
	if n < 100 {
		t.Errorf("%d types of statements", n)
	}
	for i := range pg.AlterTableType_name {
		cmd := &pg.AlterTableCmd{Subtype: pg.AlterTableType(i)}
		words := clauseWords(cmd)
		if internal := strings.Contains(" ALTER_TABLE_TYPE_UNDEFINED AddColumnToView CookedColumnDefault CheckNotNull AddIndex ReAddIndex ReAddConstraint "+
			"ReAddDomainConstraint AddIndexConstraint ReAddComment ReplaceRelOptions ReAddStatistics ", " "+words+" "); !internal && strings.ToUpper(words) != words {
			t.Errorf("clause %s is %q", cmd.Subtype, words)
		}
	}
}
