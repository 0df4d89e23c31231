package myquery

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phasedb/phased/internal/sqltext"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		name, sql string
		want      []string // line, kind and text of each statement
	}{
		{"nothing", " ;; -- a;\n# b;\n/* c; */", nil},
		{"two", "SELECT 1;\nSELECT 2", []string{"1 SELECT: SELECT 1", "2 SELECT: SELECT 2"}},
		{"comments between", "-- a;\nSELECT /* ; */ 1 # ;\n+ 1 -- ;\n;", []string{"2 SELECT: SELECT /* ; */ 1 # ;\n+ 1"}},
		{"quotes", "SELECT ';''', \";\"\"\\\";\", `;``;`, '\\';' ; SELECT 'a\n;b';\nSELECT 3", []string{"1 SELECT: SELECT ';''', \";\"\"\\\";\", `;``;`, '\\';'", "1 SELECT: SELECT 'a\n;b'", "3 SELECT: SELECT 3"}},
		{"minus minus is no comment", "SELECT 1--1; SELECT 2", []string{"1 SELECT: SELECT 1--1", "1 SELECT: SELECT 2"}},
		{"dashes at the end", "SELECT 1;--", []string{"1 SELECT: SELECT 1"}},
		{"dashes and a tab", "SELECT 1 --\t; SELECT 2", []string{"1 SELECT: SELECT 1"}},
		{"comments do not nest", "SELECT 1 /* /* */; SELECT 2", []string{"1 SELECT: SELECT 1", "1 SELECT: SELECT 2"}},
		{"code to some servers", "/*!40101 SET @a = ';' */;\nSELECT /*M!100401 1, */ 2", []string{"1 SET: /*!40101 SET @a = ';' */", "2 SELECT: SELECT /*M!100401 1, */ 2"}},
		{"windows lines", "SELECT 1;\r\nSELECT 2;\r\n", []string{"1 SELECT: SELECT 1", "2 SELECT: SELECT 2"}},
		{"byte order mark", "\ufeffSELECT 1", []string{"1 SELECT: SELECT 1"}},
		{"trigger without a block", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = IF(NEW.b, 1, REPEAT('x', 2)); SELECT 1",
			[]string{"1 CREATE TRIGGER: CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = IF(NEW.b, 1, REPEAT('x', 2))", "1 SELECT: SELECT 1"}},
		{"trigger with IF", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; ELSEIF NEW.c THEN SET NEW.b = 2; END IF; SELECT 1",
			[]string{"1 CREATE TRIGGER: CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; ELSEIF NEW.c THEN SET NEW.b = 2; END IF", "1 SELECT: SELECT 1"}},
		{"trigger behind another", "CREATE DEFINER = `a`@`%` TRIGGER IF NOT EXISTS g AFTER UPDATE ON t FOR EACH ROW FOLLOWS f BEGIN SET NEW.begin = 1; UPDATE u SET `end` = 1, u.end = 2; END; SELECT 1",
			[]string{"1 CREATE TRIGGER: CREATE DEFINER = `a`@`%` TRIGGER IF NOT EXISTS g AFTER UPDATE ON t FOR EACH ROW FOLLOWS f BEGIN SET NEW.begin = 1; UPDATE u SET `end` = 1, u.end = 2; END", "1 SELECT: SELECT 1"}},
		{"procedure with everything", `CREATE OR REPLACE PROCEDURE p(a int, INOUT b int) COMMENT 'BEGIN; x' MODIFIES SQL DATA
outer_block: BEGIN
  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN SET @x = 1; END;
  DECLARE c CURSOR FOR SELECT CASE a WHEN 1 THEN IF(b, 1, 2) ELSE CASE WHEN b THEN 3 END END FROM t;
  IF (a > 1) THEN SELECT 1; ELSE IF b THEN SELECT 2; END IF; END IF;
  CASE a WHEN 1 THEN SELECT 1; WHEN 2 THEN IF b THEN SELECT 2; END IF; ELSE BEGIN END; END CASE;
  l: LOOP ITERATE l; LEAVE l; END LOOP l;
  REPEAT SET a = a + 1; UNTIL a > 5 END REPEAT;
  WHILE a < 9 DO SET a = a + 1; END WHILE;
  FOR i IN 1..3 DO SELECT i; END FOR;
  SELECT * FROM t WHERE (a = 1) FOR UPDATE;
  DROP TABLE IF EXISTS u;
END outer_block; SELECT 1`, []string{"1 CREATE PROCEDURE: …", "13 SELECT: SELECT 1"}},
		{"function", "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN CASE WHEN 1 THEN 2 END; SELECT 1", []string{"1 CREATE FUNCTION: CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN CASE WHEN 1 THEN 2 END", "1 SELECT: SELECT 1"}},
		{"function in another language", "CREATE FUNCTION f() RETURNS int LANGUAGE JAVASCRIPT AS $js$ return ';' + \"it's\" $js$; SELECT 1", []string{"1 CREATE FUNCTION: CREATE FUNCTION f() RETURNS int LANGUAGE JAVASCRIPT AS $js$ return ';' + \"it's\" $js$", "1 SELECT: SELECT 1"}},
		{"event", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY ENDS '2030-01-01' DO BEGIN DELETE FROM t; END; ALTER EVENT e DO BEGIN SELECT 1; END", []string{"1 CREATE EVENT: CREATE EVENT e ON SCHEDULE EVERY 1 DAY ENDS '2030-01-01' DO BEGIN DELETE FROM t; END", "1 ALTER EVENT: ALTER EVENT e DO BEGIN SELECT 1; END"}},
		{"block outside of a routine", "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; SELECT 3", []string{"1 BEGIN NOT ATOMIC: BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", "1 SELECT: SELECT 3"}},
		{"transaction", "BEGIN; SELECT 1; COMMIT", []string{"1 BEGIN: BEGIN", "1 SELECT: SELECT 1", "1 COMMIT: COMMIT"}},
		{"columns named like blocks", "ALTER TABLE t ADD begin int, ADD `case` int, ADD end int; SELECT 1", []string{"1 ALTER TABLE: ALTER TABLE t ADD begin int, ADD `case` int, ADD end int", "1 SELECT: SELECT 1"}},
		{"dollars in names", "SELECT $a$, b AS $c; SELECT 1", []string{"1 SELECT: SELECT $a$, b AS $c", "1 SELECT: SELECT 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			stmts, err := Split(test.sql)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, s := range stmts {
				text := s.SQL
				if len(test.want) > i && strings.HasSuffix(test.want[i], ": …") {
					text = "…"
				}
				got = append(got, fmt.Sprintf("%d %s: %s", s.Line, s.Kind, text))
				if s.Index != i+1 || test.sql[s.Start:s.End] != s.SQL {
					t.Errorf("statement %d: index %d, %q", i+1, s.Index, test.sql[s.Start:s.End])
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

// TestSplitOfConcatenation: several statements in one text are what they are alone.
func TestSplitOfConcatenation(t *testing.T) {
	alone := []string{
		"ALTER TABLE t ADD c int DEFAULT ';'", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; END", "SELECT \"a\\\";\"", "/*!80016 SELECT ';' */",
		"CREATE PROCEDURE p() BEGIN CASE 1 WHEN 1 THEN SELECT 1; END CASE; END", "CREATE FUNCTION f() RETURNS int RETURN 1", "ALTER TABLE `a;b` RENAME COLUMN `c``;` TO d", "SELECT 1 -- ;\n+ 2", "BEGIN NOT ATOMIC SELECT 1; END",
		"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO IF (1) THEN SELECT 1; END IF",
	}
	for i, a := range alone {
		for j, b := range alone {
			text := a + ";\n" + b
			stmts, err := Split(text)
			if err != nil || len(stmts) != 2 || stmts[0].SQL != a || stmts[1].SQL != b || stmts[1].Line != 2+strings.Count(a, "\n") {
				t.Errorf("%d and %d: %q gives %v, %+v", i, j, text, err, stmts)
			}
		}
	}
}

// FuzzSplit: nothing panics; nothing but white space, comments and semicolons lies
// between statements; and where the grammar reads the whole text, it counts as many.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"SELECT 1; SELECT ';' -- ;\n;", "# a\n/* ; */ SELECT `;`", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN IF a THEN b; END IF; END; SELECT 1", "/*!40101 SELECT ';' */;", "SELECT 1--1",
		"BEGIN; SELECT \"\\\";\"; COMMIT", "CREATE FUNCTION f() AS $$ ; $$; SELECT 1", "\ufeff;;SELECT 1", "DELIMITER //", "SELECT 'a' 'b'; -- \r\n", "ALTER EVENT e DO CASE a WHEN b THEN c; END CASE", "/*M! /* */",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.ContainsRune(sql, 0) || strings.ToValidUTF8(sql, "") != sql {
			return
		}
		stmts, err := Split(sql)
		if err != nil {
			e := err.(*Error)
			if e.Message == "" || e.Way == "" || e.Statement < 1 || e.Line < 1 || e.Line > 1+strings.Count(sql, "\n") {
				t.Errorf("%q: %+v", sql, e)
			}
			return
		}
		last := 0
		for _, s := range append(stmts, Statement{Start: len(sql), End: len(sql)}) {
			if s.Start < last || s.End < s.Start {
				t.Fatalf("%q: statement %+v begins before %d", sql, s, last)
			}
			between := sql[last:s.Start]
			if text := sqltext.MySQL(between); strings.Trim(text.Symbols, ";") != "" || len(text.Tokens) != len(text.Symbols) {
				t.Errorf("%q: %q lies between statements", sql, between)
			}
			last = s.End
		}
		if strings.Contains(sql, "/*!") || strings.Contains(sql, "/*M!") || strings.Contains(sql, "/*T!") || strings.Contains(sql, "$") || len(stmts) == 0 {
			return
		}
		if n, err := count(strings.TrimPrefix(sql, "\ufeff")); err == nil && n > 0 && n != len(stmts) {
			t.Errorf("%q: %d statements, the grammar says %d", sql, len(stmts), n)
		}
	})
}
