package mysql

import (
	"strings"

	"github.com/phasedb/phased/internal/myquery"
	"github.com/phasedb/phased/internal/sqlfile"
)

// refusal is why a statement is not planned, and the way out.
type refusal = sqlfile.Problem

func refuse(problem, way string) *refusal { return &refusal{What: problem, Way: way} }

const (
	wayMark      = "put `-- phased:as-written reason=\"…\"` on the line before"
	wayAsWritten = "if it is safe to run unchanged, " + wayMark
)

// refuseKind refuses a kind of statement.
func refuseKind(kind string, bar myquery.Bar) *refusal {
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
func refuseBar(kind string, bar myquery.Bar) *refusal {
	switch bar {
	case myquery.BarTransaction:
		return refuse(kind+" cannot be part of a migration: the server ends a transaction with every change of the schema", "leave it away: each step stands for itself")
	case myquery.BarSession:
		switch {
		case strings.HasPrefix(kind, "CREATE"):
			return refuse(kind+" cannot be part of a migration: a temporary table is gone with the session that runs the step", "leave TEMPORARY away")
		case strings.HasPrefix(kind, "DROP TEMPORARY"):
			return refuse(kind+" cannot be part of a migration: the session that runs the step has no such table", "leave the statement away")
		}
		way := "leave it away"
		switch kind {
		case "SET":
			way += ": each step sets its own timeouts"
		case "USE":
			way += ": the connection decides on the database"
		}
		return refuse(kind+" cannot be part of a migration: it changes the session, which does other work afterwards", way)
	case myquery.BarClient:
		return refuse(kind+" LOCAL cannot be part of a migration: its rows go between the server and a client", "load the rows in code, or write INSERT")
	}
	return nil
}

type reason struct{ why, way string }

const (
	copies   = "it copies the table, and stops writes meanwhile"
	rebuilds = "it rebuilds the table"
	noRows   = "it is about rows, not about the schema"
	noReader = "nobody reads its result"
	inBody   = "what its body does cannot be read from outside"
)

// kinds says, for each kind of statement that somebody may expect to be planned,
// why it is not. An empty way is wayAsWritten.
var kinds = map[string]reason{
	"ALTER TABLE … MODIFY COLUMN":               {"most changes of type copy the table, and stop writes meanwhile", "add a column of the new type, and drop the old one later; or, if the server copies nothing (varchar(20) to varchar(40)), " + wayMark},
	"ALTER TABLE … ALTER COLUMN … SET DEFAULT":  {"old code gets the new default too", ""},
	"ALTER TABLE … ALTER COLUMN … DROP DEFAULT": {"inserts of old code may rely on the default", ""},
	"ALTER TABLE … ADD PRIMARY KEY":             {rebuilds, ""},
	"ALTER TABLE … DROP PRIMARY KEY":            {copies, ""},
	"ALTER TABLE … ADD FOREIGN KEY":             {copies + ", unless foreign_key_checks is off, and then nobody looks at the rows", ""},
	"ALTER TABLE … ADD CHECK":                   {copies, "on MySQL add it NOT ENFORCED, in an as-written statement; or, " + wayAsWritten},
	"ALTER TABLE … ADD FULLTEXT INDEX":          {"it stops writes while the index is built, and the first one rebuilds the table", ""},
	"ALTER TABLE … ADD SPATIAL INDEX":           {"it stops writes while the index is built", ""},
	"ALTER TABLE … DROP INDEX":                  {"queries may rely on it, and ON DUPLICATE KEY UPDATE on a unique one", ""},
	"ALTER TABLE … ALTER INDEX":                 {"queries may rely on it", ""},
	"ALTER TABLE … RENAME INDEX":                {"queries may name it, and only tables and columns are renamed in phases", ""},
	"ALTER TABLE … DROP FOREIGN KEY":            {"code may rely on it", ""},
	"ALTER TABLE … DROP CHECK":                  {"code may rely on it", ""},
	"ALTER TABLE … ALTER CHECK":                 {"it reads every row", ""},
	"ALTER TABLE … CONVERT TO CHARACTER SET":    {copies, ""},
	"ALTER TABLE … DEFAULT CHARACTER SET":       {"columns that are added later get another character set than those that are there", ""},
	"ALTER TABLE … ENGINE":                      {rebuilds, ""},
	"ALTER TABLE … ROW_FORMAT":                  {rebuilds, ""},
	"ALTER TABLE … KEY_BLOCK_SIZE":              {rebuilds, ""},
	"ALTER TABLE … FORCE":                       {rebuilds, ""},
	"ALTER TABLE … ORDER BY":                    {copies, ""},
	"ALTER TABLE … PARTITION BY":                {copies, ""},
	"ALTER TABLE … REMOVE PARTITIONING":         {copies, ""},
	"ALTER TABLE … COALESCE PARTITION":          {"it moves rows, and stops writes meanwhile", ""},
	"ALTER TABLE … REORGANIZE PARTITION":        {"it moves rows, and stops writes meanwhile", ""},
	"ALTER TABLE … REBUILD PARTITION":           {"it moves rows, and stops writes meanwhile", ""},
	"ALTER TABLE … DROP PARTITION":              {"nothing brings the rows back", ""},
	"ALTER TABLE … TRUNCATE PARTITION":          {"nothing brings the rows back", ""},
	"ALTER TABLE … DISCARD TABLESPACE":          {"nothing brings the rows back", ""},
	"CREATE OR REPLACE TABLE":                   {"it drops the table that is there", "write CREATE TABLE, which is planned"},
	"CREATE OR REPLACE INDEX":                   {"it drops the index that is there", "write CREATE INDEX, which is planned"},
	"CREATE FULLTEXT INDEX":                     {"it stops writes while the index is built, and the first one rebuilds the table", ""},
	"CREATE SPATIAL INDEX":                      {"it stops writes while the index is built", ""},
	"CREATE VIEW":                               {"a view that is replaced shows old code something else", ""},
	"ALTER VIEW":                                {"it shows old code something else", ""},
	"CREATE TRIGGER":                            {"it may write columns that are kept in step", ""},
	"CREATE PROCEDURE":                          {inBody, ""},
	"CREATE FUNCTION":                           {inBody, ""},
	"CREATE EVENT":                              {inBody, ""},
	"ALTER EVENT":                               {inBody, ""},
	"CREATE PACKAGE":                            {inBody, ""},
	"BEGIN NOT ATOMIC":                          {inBody, ""},
	"CALL":                                      {"what the procedure does cannot be read from outside", ""},
	"DO":                                        {"what it does cannot be read from outside", ""},
	"DROP TABLE":                                {"old code may still use it, and nothing brings its rows back", "rename it first, and once nothing misses it, drop it in an as-written statement"},
	"DROP INDEX":                                {"queries may rely on it, and ON DUPLICATE KEY UPDATE on a unique one", ""},
	"DROP VIEW":                                 {"old code may still read it", ""},
	"DROP TRIGGER":                              {"old code may rely on what it does", ""},
	"DROP PROCEDURE":                            {"old code may still call it", ""},
	"DROP FUNCTION":                             {"old code may still call it", ""},
	"DROP EVENT":                                {"old code may rely on what it does", ""},
	"DROP DATABASE":                             {"old code may still use what is in it, and nothing brings it back", ""},
	"TRUNCATE":                                  {"nothing brings the rows back", ""},
	"INSERT":                                    {noRows, ""},
	"REPLACE":                                   {noRows, ""},
	"UPDATE":                                    {noRows + ", and holds every row it writes until it ends", "fill a column with phased:up, whose backfill goes in small batches; or, if few rows are concerned, " + wayMark},
	"DELETE":                                    {noRows + ", and holds every row it deletes until it ends", "delete in small batches in code; or, if few rows are concerned, " + wayMark},
	"LOAD DATA":                                 {noRows, ""},
	"LOAD XML":                                  {noRows, ""},
	"SELECT":                                    {noReader, "leave it away; or, if it calls a function that does something, " + wayMark},
	"WITH":                                      {noReader, "leave it away; or, if it writes, " + wayMark},
	"VALUES":                                    {noReader, "leave it away"},
	"TABLE":                                     {noReader, "leave it away"},
	"SHOW":                                      {noReader, "leave it away"},
	"EXPLAIN":                                   {noReader, "leave it away"},
	"DESCRIBE":                                  {noReader, "leave it away"},
	"DESC":                                      {noReader, "leave it away"},
	"HELP":                                      {noReader, "leave it away"},
	"OPTIMIZE TABLE":                            {rebuilds, "run it by hand, when there is little traffic; or " + wayMark},
	"REPAIR TABLE":                              {rebuilds, ""},
	"REVOKE":                                    {"old code may need the privilege", ""},
}

// inlineWay says why a part of a column's definition is not planned.
func inlineWay(part string) (why, way string) {
	switch part {
	case "AUTO_INCREMENT":
		return "rebuilds the table, and stops writes meanwhile", "add a plain column, and fill it in code"
	case "GENERATED ALWAYS AS":
		return "copies the table, and stops writes meanwhile, unless it is virtual; and no trigger may write it", "add a plain column, and fill it in code; or, if it is VIRTUAL, " + wayMark
	case "CHECK":
		return "copies the table, and stops writes meanwhile", "add the column alone"
	case "UNIQUE":
		return "hides the name of an index", "add the column alone, then write CREATE UNIQUE INDEX"
	case "PRIMARY KEY":
		return "rebuilds the table", "add the column alone"
	case "REFERENCES":
		return "copies the table and stops writes meanwhile on one server, and does nothing on another", "add the column alone"
	}
	return "is not planned", "add the column without it, and what it says in an as-written statement"
}
