package myquery

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// count asks the grammar for the number of statements.
func count(sql string) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	stmts, _, err := parser.New().ParseSQL(sql)
	return len(stmts), err
}

func one(t *testing.T, sql string) Statement {
	t.Helper()
	stmts, err := Split(sql)
	if err != nil || len(stmts) != 1 {
		t.Fatalf("%q: %v, %d statements", sql, err, len(stmts))
	}
	return stmts[0]
}

func TestReadErrors(t *testing.T) {
	for _, test := range []struct {
		name, sql string
		line      int
		message   string
	}{
		{"after other characters", "ALTER TABLE `äöü€😀`\nADD c int,\nADD x", 3, "syntax error at end of input"},
		{"in the middle", "ALTER TABLE t /* a\nb */ ADD c\nCOLUM int", 3, `syntax error at or near "COLUM"`},
		{"behind a comment", "ALTER TABLE t -- RENAME\n# x\nRENAM a", 3, `syntax error at or near "RENAM"`},
		{"a long text behind it", "ALTER TABLE t ADD c int,\nADD d intt DEFAULT '" + strings.Repeat("ä", 5000) + "'", 2, `syntax error at or near "intt"`},
		{"within what is covered", "CREATE TABLE t (a int DEFAULT (1\n+\n+ * 2))", 3, `syntax error at or near "*"`},
		{"a default in a default", "CREATE TABLE t (a int DEFAULT (f(DEFAULT (1 +\n))))", 1, `syntax error at or near "1"`},
		{"not a syntax error", "ALTER TABLE t ADD c int DEFAULT 1e999", 1, "Illegal double '1e999' value found during parsing"},
		{"an unknown collation of a known form", "ALTER TABLE t ADD c char CHARACTER SET nonsense", 1, "Unknown character set: 'nonsense'"},
		{"many terms", "CREATE TABLE t (a int,\nCHECK (1" + strings.Repeat("+1", 100_000) + "))", 2, "more than 10000 words without a comma: it may be nested too deep to be read"},
		{"many calls", "CREATE TABLE t (a int, CHECK (" + strings.Repeat("f(1, ", 100_000) + strings.Repeat(")", 100_000) + "))", 1, "more than 10000 words without a comma: it may be nested too deep to be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := one(t, test.sql)
			_, err := s.Read()
			e, ok := err.(*Error)
			if !ok {
				t.Fatalf("error %v", err)
			}
			if e.Line != test.line || e.Statement != 1 || e.Message != test.message {
				t.Errorf("line %d: %q, want line %d: %q", e.Line, e.Message, test.line, test.message)
			}
		})
	}
}

func TestLongListsAreRead(t *testing.T) {
	s := one(t, "CREATE TABLE t (a enum ("+strings.Repeat("'x', ", 60_000)+"'y'))")
	if n, err := s.Read(); err != nil || n.(*CreateTable).Relation.Name != "t" {
		t.Errorf("%v, %v", n, err)
	}
}

func TestKinds(t *testing.T) {
	for sql, want := range map[string]struct {
		kind     string
		relation string
		bar      Bar
	}{
		"create or replace definer=current_user() function f() returns int return 1":              {"CREATE FUNCTION", "", BarNone},
		"CREATE AGGREGATE FUNCTION f RETURNS STRING SONAME 'x'":                                   {"CREATE FUNCTION", "", BarNone},
		"CREATE DEFINER='a'@'b' PROCEDURE p() SELECT 1":                                           {"CREATE PROCEDURE", "", BarNone},
		"CREATE TRIGGER g BEFORE INSERT ON s.t FOR EACH ROW SET NEW.a = 1":                        {"CREATE TRIGGER", "s.t", BarNone},
		"CREATE OR REPLACE ALGORITHM = MERGE DEFINER = a SQL SECURITY INVOKER VIEW v AS SELECT 1": {"CREATE VIEW", "v", BarNone},
		"ALTER VIEW s.v AS SELECT 1":                                                              {"ALTER VIEW", "s.v", BarNone},
		"CREATE TABLE IF NOT EXISTS s.t (a int)":                                                  {"CREATE TABLE", "s.t", BarNone},
		"CREATE OR REPLACE TABLE t (a int)":                                                       {"CREATE OR REPLACE TABLE", "t", BarNone},
		"CREATE TEMPORARY TABLE t (a int)":                                                        {"CREATE TEMPORARY TABLE", "", BarSession},
		"CREATE UNIQUE INDEX `on` ON t (a)":                                                       {"CREATE INDEX", "t", BarNone},
		"CREATE FULLTEXT INDEX i ON s.t (a)":                                                      {"CREATE FULLTEXT INDEX", "s.t", BarNone},
		"ALTER ONLINE IGNORE TABLE IF EXISTS t ADD a int":                                         {"ALTER TABLE", "t", BarNone},
		"ALTER SCHEMA d READ ONLY = 1":                                                            {"ALTER DATABASE", "", BarNone},
		"DROP TABLE t":                                                                            {"DROP TABLE", "t", BarNone},
		"DROP TABLES t, u":                                                                        {"DROP TABLE", "", BarNone},
		"DROP TEMPORARY TABLE t":                                                                  {"DROP TEMPORARY TABLE", "", BarSession},
		"DROP INDEX i ON t":                                                                       {"DROP INDEX", "t", BarNone},
		"DROP VIEW IF EXISTS v":                                                                   {"DROP VIEW", "v", BarNone},
		"DROP PREPARE s":                                                                          {"DROP PREPARE", "", BarSession},
		"RENAME TABLE a TO b":                                                                     {"RENAME TABLE", "a", BarNone},
		"RENAME TABLES a TO b, c TO d":                                                            {"RENAME TABLES", "", BarNone},
		"RENAME USER a TO b":                                                                      {"RENAME USER", "", BarNone},
		"TRUNCATE TABLE s.t":                                                                      {"TRUNCATE", "s.t", BarNone},
		"TRUNCATE t":                                                                              {"TRUNCATE", "t", BarNone},
		"INSERT LOW_PRIORITY IGNORE INTO t (a) VALUES (1)":                                        {"INSERT", "t", BarNone},
		"REPLACE t SET a = 1":                                                                     {"REPLACE", "t", BarNone},
		"UPDATE t SET a = 1":                                                                      {"UPDATE", "t", BarNone},
		"UPDATE t JOIN u SET a = 1":                                                               {"UPDATE", "", BarNone},
		"DELETE FROM t WHERE a":                                                                   {"DELETE", "t", BarNone},
		"DELETE t FROM t JOIN u":                                                                  {"DELETE", "", BarNone},
		"(SELECT 1)":                                                                              {"SELECT", "", BarNone},
		"OPTIMIZE TABLE t":                                                                        {"OPTIMIZE TABLE", "t", BarNone},
		"BEGIN WORK":                                                                              {"BEGIN", "", BarTransaction},
		"START TRANSACTION READ ONLY":                                                             {"START TRANSACTION", "", BarTransaction},
		"ROLLBACK TO s":                                                                           {"ROLLBACK", "", BarTransaction},
		"XA COMMIT 'x'":                                                                           {"XA", "", BarTransaction},
		"SET a = 1":                                                                               {"SET", "", BarSession},
		"SET SESSION a = 1":                                                                       {"SET", "", BarSession},
		"SET @@session.a = 1":                                                                     {"SET", "", BarSession},
		"SET ROLE x":                                                                              {"SET", "", BarSession},
		"SET GLOBAL a = 1":                                                                        {"SET", "", BarNone},
		"SET GLOBAL a = 1, b = 2":                                                                 {"SET", "", BarSession},
		"SET PERSIST_ONLY a = 1":                                                                  {"SET", "", BarNone},
		"SET @@GLOBAL.a = 1":                                                                      {"SET", "", BarNone},
		"SET @@GLOBAL_x = 1":                                                                      {"SET", "", BarSession},
		"SET PASSWORD FOR a = 'x'":                                                                {"SET", "", BarNone},
		"SET DEFAULT ROLE a TO b":                                                                 {"SET", "", BarNone},
		"SET STATEMENT max_statement_time = 5 FOR DELETE FROM t":                                  {"SET", "", BarNone},
		"FLUSH TABLES":                                                                            {"FLUSH", "", BarNone},
		"FLUSH TABLES t WITH READ LOCK":                                                           {"FLUSH", "", BarSession},
		"FLUSH TABLES t FOR EXPORT":                                                               {"FLUSH", "", BarSession},
		"LOAD DATA INFILE 'x' INTO TABLE t":                                                       {"LOAD DATA", "", BarNone},
		"LOAD DATA CONCURRENT LOCAL INFILE 'x' INTO TABLE t":                                      {"LOAD DATA", "", BarClient},
		"LOAD XML LOCAL INFILE 'x' INTO TABLE t":                                                  {"LOAD XML", "", BarClient},
		"EXECUTE IMMEDIATE 'x'":                                                                   {"EXECUTE IMMEDIATE", "", BarNone},
		"EXECUTE s":                                                                               {"EXECUTE", "", BarSession},
		"/*!40101 SET NAMES utf8mb4 */":                                                           {"SET", "", BarSession},
		"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1 */": {"CREATE TRIGGER", "t", BarNone},
		"CREATE NONSENSE x": {"", "", BarNone},
		"ANYTHING":          {"", "", BarNone},
	} {
		s := one(t, sql)
		relation := ""
		if s.Relation != nil {
			relation = strings.TrimPrefix(s.Relation.Schema+"."+s.Relation.Name, ".")
		}
		if s.Kind != want.kind || relation != want.relation || s.Bar != want.bar {
			t.Errorf("%q: kind %q, relation %q, bar %d; want %+v", sql, s.Kind, relation, s.Bar, want)
		}
	}
}

// TestEveryPureFunctionIsRead: a name that is spelled wrongly would be refused all the same.
func TestEveryPureFunctionIsRead(t *testing.T) {
	special := map[string]string{ // what the grammar reads in a form of its own
		"extract": "extract(year from a)", "get_format": "get_format(date, 'USA')", "position": "position('x' in a)", "interval": "interval(a, 1)",
		"char": "char(a)", "char_func": "char(a)", "insert": "insert(a, 1, 1, 'x')", "insert_func": "insert(a, 1, 1, 'x')", "case": "case a when 1 then 2 end", "adddate": "adddate(a, 1)", "subdate": "subdate(a, 1)",
		"date_add": "date_add(a, interval 1 day)", "date_sub": "date_sub(a, interval 1 day)", "timestampadd": "timestampadd(day, 1, a)", "timestampdiff": "timestampdiff(day, a, a)",
		"json_memberof": "a member of ('[1]')", "convert": "convert(a, char)", "mod": "mod(a, 2)", "week": "week(a, 1)", "weight_string": "weight_string(a)", "substring": "substring(a, 1)",
		"substr": "substr(a, 1)", "mid": "mid(a, 1)", "date_format": "date_format(a, '%Y %%M')", "replace": "replace(a, 'x', 'y')", "repeat": "repeat(a, 2)", "if": "if(a, 1, 2)",
	}
	for name := range pure {
		expr, ok := special[name]
		if !ok {
			expr = name + "(a)"
		}
		if err := CheckExpression(expr, "a"); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
	for name := range impure {
		if pure[name] {
			t.Errorf("%s is pure and impure", name)
		}
	}
}

func TestCheckExpression(t *testing.T) {
	for expr, want := range map[string]string{
		"lower(A)": "", "`a`": "", "a + 1": "", "(a)": "", "((a))": "", "CASE WHEN a = 1 THEN 'x' ELSE NULL END": "", "CAST(a AS CHAR CHARACTER SET latin2)": "", "a COLLATE utf8mb4_uca1400_ai_ci": "",
		"a IN (1, 2)": "", "a LIKE 'x%' ESCAPE '|'": "", "a->>'$.x'": "", "a REGEXP 'x'": "", "BINARY a": "", "CONVERT(a USING ucs2)": "", "a IS NOT TRUE": "", "NOT a XOR ~a": "", "a DIV 2": "", "a BETWEEN 1 AND 2": "",
		"DATE '2020-01-01'": "", "TIMESTAMP'2020-01-01 00:00:00'": "", "_latin1'x'": "", "x'41'": "", "N'x'": "", "NULL": "", "ROW(a, 1) = ROW(1, 2)": "", "TRIM(LEADING 'x' FROM a)": "", "a + INTERVAL 1 DAY": "",
		"json_value(a, '$.x')": "", "DATE_FORMAT(a, '%Y-%m-%d')": "",
		"":                                 "syntax error at end of input",
		"a, a":                             "it is not one expression",
		"a x":                              "it is not one expression",
		"a AS x":                           "it is not one expression",
		"a FROM t":                         "it is not one expression",
		"a LIMIT 1":                        "it is not one expression",
		"a INTO @x":                        `syntax error at or near "@"`,
		"a WHERE true":                     "it is not one expression",
		"a FOR UPDATE":                     "it is not one expression",
		"DISTINCT a":                       "it is not one expression",
		"SQL_CALC_FOUND_ROWS a":            "it is not one expression",
		"STRAIGHT_JOIN a":                  "it is not one expression",
		"HIGH_PRIORITY a":                  "it is not one expression",
		"SQL_NO_CACHE a":                   "it is not one expression",
		"*":                                "it is not one expression",
		"t.*":                              "it is not one expression",
		"(a, a)":                           "it is not one expression",
		"a; SELECT 1":                      "it is not one expression",
		"a UNION SELECT 1":                 "it is not one expression",
		"a := 1":                           `syntax error at or near ":"`,
		"(a":                               "syntax error at end of input",
		"@a := a":                          "it reads the variable @a, which differs from session to session",
		"@@global.x":                       "it reads the variable @@x, which differs from session to session",
		"sum(a)":                           "sum reads more than one row",
		"group_concat(a)":                  "group_concat reads more than one row",
		"rank() OVER (ORDER BY a)":         "rank reads more than one row",
		"NEXT VALUE FOR s":                 "nextval gives another value each time",
		"current_user":                     "current_user differs from session to session",
		"UTC_DATE":                         "utc_date gives the time of the call",
		"date_format(a, a)":                "date_format depends on the session's lc_time_names",
		"a + b":                            "it reads the column b",
		"a = ANY (SELECT 1)":               "it holds a query, whose result changes with other rows",
		"x" + strings.Repeat("+x", 20_000): "more than 10000 words without a comma: it may be nested too deep to be read",
	} {
		got := ""
		if err := CheckExpression(expr, "a"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.40q: %q, want %q", expr, got, want)
		}
	}
}

// TestCoverKeepsPlaces: what the grammar gets is as long as the text, line by line.
func TestCoverKeepsPlaces(t *testing.T) {
	for _, sql := range []string{
		"CREATE TABLE t (a uuid, /* x\ny */ b point NOT NULL, c char(3) CHARACTER SET\nlatin2 COLLATE\nlatin2_bin, d int DEFAULT (1\n+ 1), SPATIAL KEY (b))",
		"ALTER ONLINE TABLE t ADD c inet6 -- x\n, ALGORITHM=NOCOPY", "RENAME TABLES a TO b",
	} {
		s := one(t, sql)
		text, _ := cover(s.sql, s.toks)
		if len(text) != len(sql) || strings.Count(text, "\n") != strings.Count(sql, "\n") {
			t.Errorf("%q is covered by %q", sql, text)
		}
		if _, err := s.Read(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestNothingIsCutWrongly: a definition that is cut in another way than the grammar
// reads it is found out.
func TestNothingIsCutWrongly(t *testing.T) {
	s := one(t, "ALTER TABLE t ADD c varchar(10) COMMENT 'a' DEFAULT 'b' NOT NULL ON UPDATE NOW()")
	tree, err := s.parse()
	if err != nil {
		t.Fatal(err)
	}
	def := tree.(*ast.AlterTableStmt).Specs[0].NewColumns[0]
	good := Column{Name: "c", Type: "varchar(10)", Comment: "'a'", Default: "'b'", NotNull: true, OnUpdate: "NOW()"}
	if !sameColumn(&good, def) {
		t.Fatal("the right cut is not seen to be right")
	}
	for name, spoil := range map[string]func(*Column){
		"name": func(c *Column) { c.Name = "d" }, "type": func(c *Column) { c.Type = "varchar(11)" }, "comment": func(c *Column) { c.Comment = "" }, "default": func(c *Column) { c.Default = "'c'" },
		"not null": func(c *Column) { c.NotNull = false }, "on update": func(c *Column) { c.OnUpdate = "" }, "more": func(c *Column) { c.Type += ", ADD d int" },
	} {
		bad := good
		spoil(&bad)
		if sameColumn(&bad, def) {
			t.Errorf("a wrong %s is not seen", name)
		}
	}
}
