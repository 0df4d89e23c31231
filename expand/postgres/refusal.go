package postgres

import (
	"strings"

	"github.com/phasedb/phased/internal/pgquery"
	"github.com/phasedb/phased/internal/sqlfile"
)

// refusal is why a statement is not planned, and the way out.
type refusal = sqlfile.Problem

func refuse(problem, way string) *refusal { return &refusal{What: problem, Way: way} }

const (
	wayMark      = "put `-- phased:as-written reason=\"…\"` on the line before"
	wayAsWritten = "if it is safe to run unchanged, " + wayMark
	waySteps     = "add the constraint NOT VALID and validate it, in two as-written statements"
)

// refuseKind refuses a kind of statement.
func refuseKind(kind string, bar pgquery.Bar) *refusal {
	if no, ok := kinds[kind]; ok {
		if no.way == "" {
			no.way = wayAsWritten
		}
		return refuse(kind+" is not planned: "+no.why, no.way)
	}
	if no := refuseBar(kind, bar); no != nil {
		return no
	}
	if strings.HasPrefix(kind, "ALTER TABLE") {
		return refuse(kind+" is not planned: there is no safe form of it yet", wayAsWritten)
	}
	return refuse(kind+" is not planned: phases are for tables, columns and indexes", wayAsWritten)
}

// refuseBar refuses what cannot run as a step, however it is marked.
func refuseBar(kind string, bar pgquery.Bar) *refusal {
	switch bar {
	case pgquery.BarNone:
		return nil
	case pgquery.BarTransaction:
		return refuse(kind+" cannot be part of a migration: each step has a transaction of its own", "leave it away")
	case pgquery.BarSession:
		return refuse(kind+" cannot be part of a migration: it changes the session, which does other work afterwards", "leave it away: each step sets its own timeouts")
	case pgquery.BarClient:
		return refuse(kind+" cannot be part of a migration: its rows go between the server and a client", "load the rows in code, or write INSERT")
	case pgquery.BarSubscription:
		return refuse(kind+" cannot be part of a migration: it acts on another server, outside of any transaction", "run it by hand")
	}
	if way, ok := alone[kind]; ok {
		return refuse(kind+" in this form cannot be part of a migration: the server refuses it within a transaction", way)
	}
	return refuse(kind+" cannot be part of a migration: the server refuses it within a transaction", "run it by hand")
}

// alone holds the kinds that have another form.
var alone = map[string]string{
	"ALTER TABLE":    "write it without CONCURRENTLY, or run it by hand",
	"CREATE INDEX":   "leave the mark away: an index is built without blocking writes anyway",
	"DROP INDEX":     "write it without CONCURRENTLY: the lock it takes is short, and waits only briefly",
	"REINDEX":        "run it by hand",
	"CLUSTER":        "run it by hand",
	"ALTER DATABASE": "run it by hand",
}

type reason struct{ why, way string }

// kinds says, for each kind of statement that somebody may expect to be planned,
// why it is not. An empty way is wayAsWritten.
var kinds = map[string]reason{
	"ALTER TABLE … ALTER COLUMN … SET NOT NULL":              {"it reads every row under a lock that stops reads and writes", "add CHECK (… IS NOT NULL) NOT VALID, validate it, then set NOT NULL, in three as-written statements"},
	"ALTER TABLE … ALTER COLUMN … DROP NOT NULL":             {"old code may not be ready to read nulls", ""},
	"ALTER TABLE … ALTER COLUMN … SET DEFAULT":               {"old code gets the new default too", ""},
	"ALTER TABLE … ALTER COLUMN … DROP DEFAULT":              {"inserts of old code may rely on the default", ""},
	"ALTER TABLE … ALTER COLUMN … TYPE":                      {"most changes of type rewrite the table under a lock that stops reads and writes", "add a column of the new type, and drop the old one later; or, if the server rewrites nothing (varchar(50) to varchar(100)), " + wayMark},
	"ALTER TABLE … ALTER COLUMN … DROP EXPRESSION":           {"a plain column has to be written by code, old code as well", ""},
	"ALTER TABLE … ALTER COLUMN … ADD GENERATED AS IDENTITY": {"the sequence has to begin behind the values that are there", ""},
	"ALTER TABLE … ALTER COLUMN … SET GENERATED":             {"inserts of old code may give a value", ""},
	"ALTER TABLE … ALTER COLUMN … DROP IDENTITY":             {"inserts of old code may rely on it", ""},
	"ALTER TABLE … ADD CHECK":                                {"it reads every row under a lock that stops reads and writes", waySteps},
	"ALTER TABLE … ADD FOREIGN KEY":                          {"it reads every row under a lock that stops writes to both tables", waySteps},
	"ALTER TABLE … ADD CHECK … NOT VALID":                    {"from that moment old code has to satisfy it", ""},
	"ALTER TABLE … ADD FOREIGN KEY … NOT VALID":              {"from that moment old code has to satisfy it", ""},
	"ALTER TABLE … ADD UNIQUE":                               {"it builds an index under a lock that stops reads and writes", "write CREATE UNIQUE INDEX, which is planned"},
	"ALTER TABLE … ADD PRIMARY KEY":                          {"it builds an index under a lock that stops reads and writes", "write CREATE UNIQUE INDEX, which is planned, and ADD PRIMARY KEY USING INDEX in an as-written statement of a later file"},
	"ALTER TABLE … ADD UNIQUE USING INDEX":                   {"there is no safe form of it yet", "leave it away if the unique index is enough; or, " + wayAsWritten},
	"ALTER TABLE … ADD EXCLUDE":                              {"it builds an index under a lock that stops reads and writes, and the server knows no other way", "if the table is small or empty, " + wayMark},
	"ALTER TABLE … VALIDATE CONSTRAINT":                      {"its time grows with the table, though it stops no writes", ""},
	"ALTER TABLE … DROP CONSTRAINT":                          {"code may rely on it, ON CONFLICT for one", ""},
	"ALTER TABLE … ATTACH PARTITION":                         {"it reads every row of the partition, unless a CHECK proves where they belong", ""},
	"ALTER TABLE … DETACH PARTITION":                         {"it takes a lock that stops reads and writes of the parent", ""},
	"ALTER TABLE … DETACH PARTITION … CONCURRENTLY":          {"the server refuses it within a transaction", "run it by hand, or write it without CONCURRENTLY and " + wayMark},
	"ALTER TABLE … SET LOGGED":                               {"it rewrites the table under a lock that stops reads and writes", ""},
	"ALTER TABLE … SET UNLOGGED":                             {"it rewrites the table under a lock that stops reads and writes", ""},
	"ALTER TABLE … SET TABLESPACE":                           {"it rewrites the table under a lock that stops reads and writes", ""},
	"ALTER TABLE … SET ACCESS METHOD":                        {"it rewrites the table under a lock that stops reads and writes", ""},
	"ALTER TABLE … DISABLE TRIGGER":                          {"it may stop the triggers that keep columns in step", ""},
	"ALTER TABLE … DISABLE TRIGGER ALL":                      {"it stops the triggers that keep columns in step", ""},
	"ALTER TABLE … DISABLE TRIGGER USER":                     {"it stops the triggers that keep columns in step", ""},
	"ALTER TABLE … ENABLE TRIGGER":                           {"the trigger may write columns that are kept in step", ""},
	"ALTER TABLE … ENABLE ROW LEVEL SECURITY":                {"from that moment old code sees fewer rows", ""},
	"ALTER TABLE … SET SCHEMA":                               {"old code looks for the table where it was", ""},
	"ALTER TABLE … RENAME":                                   {"only tables and columns are renamed in phases", ""},
	"ALTER VIEW … RENAME":                                    {"old code looks for the old name, and only tables and their columns are renamed in phases", "create a view with the new name in an as-written statement, and drop the old one later"},
	"ALTER MATERIALIZED VIEW … RENAME":                       {"old code looks for the old name, and only tables and their columns are renamed in phases", ""},
	"ALTER FOREIGN TABLE … RENAME":                           {"old code looks for the old name, and only tables and their columns are renamed in phases", ""},
	"ALTER INDEX … RENAME":                                   {"only tables and columns are renamed in phases", ""},
	"ALTER SEQUENCE … RENAME":                                {"old code looks for the old name, and only tables and their columns are renamed in phases", ""},
	"ALTER TYPE … ADD VALUE":                                 {"old code may not know the new value", ""},
	"ALTER TYPE … RENAME VALUE":                              {"old code writes the old value", ""},
	"ALTER TYPE … RENAME":                                    {"old code may name the type or its attribute", ""},
	"REVOKE":                                                 {"old code may need the privilege", ""},
	"CREATE VIEW":                                            {"a view that is replaced shows old code something else", ""},
	"DROP TABLE":                                             {"old code may still use it, and nothing brings its rows back", "rename it first, and once nothing misses it, drop it in an as-written statement"},
	"DROP INDEX":                                             {"queries and ON CONFLICT may rely on it", "write it without CONCURRENTLY; " + wayAsWritten},
	"DROP VIEW":                                              {"old code may still read it", ""},
	"DROP TYPE":                                              {"old code may still use it", ""},
	"DROP FUNCTION":                                          {"old code may still call it", ""},
	"DROP SCHEMA":                                            {"old code may still use what is in it", ""},
	"DROP TRIGGER":                                           {"old code may rely on what it does", ""},
	"TRUNCATE":                                               {"nothing brings the rows back", ""},
	"INSERT":                                                 {"it is about rows, not about the schema", ""},
	"UPDATE":                                                 {"it is about rows, not about the schema, and holds every row it writes until it ends", "fill a column with phased:up, whose backfill goes in small batches; or, if few rows are concerned, " + wayMark},
	"DELETE":                                                 {"it is about rows, not about the schema, and holds every row it deletes until it ends", "delete in small batches in code; or, if few rows are concerned, " + wayMark},
	"MERGE":                                                  {"it is about rows, not about the schema", ""},
	"SELECT":                                                 {"nobody reads its result", "leave it away; or, if it calls a function that does something, " + wayMark},
	"VALUES":                                                 {"nobody reads its result", "leave it away"},
	"SHOW":                                                   {"nobody reads its result", "leave it away"},
	"EXPLAIN":                                                {"nobody reads its result", "leave it away"},
	"DO":                                                     {"what its body does cannot be read from outside", ""},
	"CALL":                                                   {"what the procedure does cannot be read from outside", ""},
	"CREATE TABLE AS":                                        {"it holds the locks of its query until every row is copied", "write CREATE TABLE, which is planned, and copy the rows in code; or " + wayMark},
	"SELECT INTO":                                            {"it holds the locks of its query until every row is copied", "write CREATE TABLE, which is planned, and copy the rows in code; or " + wayMark},
	"CREATE TRIGGER":                                         {"it may write columns that are kept in step", ""},
	"CREATE RULE":                                            {"it rewrites statements that old code sends", ""},
	"CREATE FUNCTION":                                        {"what its body does cannot be read from outside", ""},
	"CREATE PROCEDURE":                                       {"what its body does cannot be read from outside", ""},
	"LOCK TABLE":                                             {"a lock ends with the step that takes it", "leave it away"},
	"VACUUM":                                                 {"the server refuses it within a transaction", "leave it to autovacuum, or run it by hand"},
}

// inlineWay says why a part of a column's definition is not planned.
func inlineWay(part string) (why, way string) {
	switch part {
	case "GENERATED AS IDENTITY", "GENERATED ALWAYS AS":
		return "writes every row under a lock that stops reads and writes", "add a plain column, and fill it in code"
	case "CHECK":
		return "is read against every row under a lock that stops reads and writes", "add the column alone, then " + waySteps
	case "UNIQUE":
		return "builds an index under a lock that stops reads and writes", "add the column alone, then write CREATE UNIQUE INDEX"
	case "PRIMARY KEY":
		return "builds an index under a lock that stops reads and writes", "add the column alone"
	case "FOREIGN KEY":
		return "(REFERENCES) locks both tables against writes", "add the column alone, then " + waySteps
	}
	return "is not planned", "add the column without it, and what it says in an as-written statement"
}
