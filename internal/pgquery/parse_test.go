package pgquery

import (
	"errors"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v5"

	"github.com/phasedb/phased/expand/plan"
)

func TestParsePlaces(t *testing.T) {
	sql := "\ufeff-- first\n/* a\n b */ SELECT 'ä;' ;;\r\n" +
		"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;\n" +
		"-- between\nDO $$ BEGIN; END $$ -- behind\n;\nSELECT U&\"d\\0061ta\"\"x\"\n-- last\n"
	stmts, err := Parse(sql)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		line      int
		sql, kind string
	}{
		{3, "SELECT 'ä;'", "SELECT"},
		{4, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END", "CREATE FUNCTION"},
		{6, "DO $$ BEGIN; END $$", "DO"},
		{8, `SELECT U&"d\0061ta""x"`, "SELECT"},
	}
	if len(stmts) != len(want) {
		t.Fatalf("%d statements, want %d", len(stmts), len(want))
	}
	for i, w := range want {
		s := stmts[i]
		if s.Index != i+1 || s.Line != w.line || s.SQL != w.sql || s.Kind != w.kind || sql[s.Start:s.End] != w.sql {
			t.Errorf("statement %d: index %d, line %d, kind %s, %q; want line %d, kind %s, %q", i+1, s.Index, s.Line, s.Kind, s.SQL, w.line, w.kind, w.sql)
		}
	}
	if n := stmts[3].Names; len(n) != 1 || n[0] != (Ident{`d\0061ta"x`, 8, true}) {
		t.Errorf("names %+v", n)
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct {
		name, sql       string
		line, statement int
		message         string
	}{
		{"after other characters", "SELECT 'äöü€😀';\nSELECT 'ä' FORM x y;", 2, 2, `syntax error at or near "x"`},
		{"at the end", "SELECT 1;\nALTER TABLE x\n\n", 2, 2, "syntax error at end of input"},
		{"at a semicolon", ";;SELECT 1;;\nALTER TABLE x;\nSELECT 2", 2, 2, `syntax error at or near ";"`},
		{"open string", "SELECT 1;\n\nSELECT 'ä', 'b", 3, 2, `unterminated quoted string at or near "'b"`},
		{"empty name", "SELECT 1;\nSELECT \"\"", 2, 2, "zero-length delimited identifier at or near \"\"\"\""},
		{"behind a function body", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;\nSELCT 1", 2, 2, `syntax error at or near "SELCT"`},
		{"behind a rule", "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);\nSELCT 1", 2, 2, `syntax error at or near "SELCT"`},
		{"many terms", "SELECT 1;\nSELECT 1" + strings.Repeat("+1", 100_000), 2, 2, "more than 10000 words without a comma: it may be nested too deep to be read"},
		{"many queries", "SELECT 1, 2" + strings.Repeat(" UNION SELECT 1, 2", 100_000), 1, 1, "more than 10000 words without a comma: it may be nested too deep to be read"},
		{"many joins", "SELECT 1 FROM a" + strings.Repeat(" NATURAL JOIN b", 100_000), 1, 1, "more than 10000 words without a comma: it may be nested too deep to be read"},
		{"many calls", "SELECT " + strings.Repeat("f(1, ", 100_000) + strings.Repeat(")", 100_000), 1, 1, "more than 10000 words without a comma: it may be nested too deep to be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.sql)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *Error", err)
			}
			if want := (Error{test.line, test.statement, test.message}); *e != want {
				t.Errorf("\n got %+v\nwant %+v", *e, want)
			}
		})
	}
}

// A long list is flat, however long.
func TestParseLongList(t *testing.T) {
	sql := "INSERT INTO t VALUES (1, 'x')" + strings.Repeat(",\n(1, 'x')", 20_000) + ";\n" + strings.Repeat("SELECT 1 + 2;\n", 5_000)
	stmts, err := Parse(sql)
	if err != nil {
		t.Fatal(err)
	}
	if last := stmts[len(stmts)-1]; last.Index != 5_001 || last.Line != 25_001 {
		t.Errorf("last statement %d on line %d", last.Index, last.Line)
	}
}

func TestCheckExpression(t *testing.T) {
	for expr, want := range map[string]string{
		"lower(email)":                     "",
		"a + b":                            "",
		"(a, b)":                           "",
		"CASE WHEN a THEN b END":           "",
		"(SELECT 1)":                       "",
		"a::numeric(10, 2)":                "",
		"a, b":                             "it is not one expression",
		"a FROM t":                         "it is not one expression",
		"a AS b":                           "it is not one expression",
		"a b":                              "it is not one expression",
		"a UNION SELECT 1":                 "it is not one expression",
		"1; SELECT 2":                      "it is not one expression",
		"1) + (2":                          `syntax error at or near ")"`,
		"a +":                              "syntax error at end of input",
		"":                                 "it is not one expression",
		"a -- b":                           "",
		"a LIMIT 1":                        "it is not one expression",
		"DISTINCT a":                       "it is not one expression",
		"ALL a":                            `syntax error at or near "ALL"`,
		"a WHERE true":                     "it is not one expression",
		"a INTO b":                         "it is not one expression",
		"a FOR UPDATE":                     "it is not one expression",
		"x" + strings.Repeat("+x", 20_000): "more than 10000 words without a comma: it may be nested too deep to be read",
	} {
		got := ""
		if err := CheckExpression(expr); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.40q: %q, want %q", expr, got, want)
		}
	}
}

// FuzzScan: between tokens there is white space only, so their ends are right;
// and package plan, which has no parser, sees a comment where the server does.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"SELECT 1", "E'a'\n'\\''", "$a$ $a$", "/* /* */ */", `U&"a\0061" U&'x' "a""b"`, "a$$ $1 1e5 x'1f' b'01' n'x'", "+-- x\n1",
		"E'a'/**/\n'\\", "'a'\r'\\'", "1$$--$$", "a.\"b\"", "E'a'\t--x\r\n\v'\\''",
	} {
		for i := range len(s) + 1 {
			f.Add(s, i)
		}
	}
	f.Fuzz(func(t *testing.T, s string, at int) {
		if at < 0 || at > len(s) || strings.Contains(s, "\x00") {
			return
		}
		const comment = "-- phased:contract zz"
		sql := s[:at] + "\n" + comment + "\n" + s[at:]
		result, err := pg.Scan(sql)
		if err != nil {
			return
		}
		seen := false
		for _, k := range result.Tokens {
			seen = seen || k.Token == pg.Token_SQL_COMMENT && int(k.Start) == at+1
		}
		if commentBetweenStrings(result.Tokens) {
			return
		}
		d, _, err := plan.ParseDirectives(plan.DialectPostgres, "f.sql", sql)
		if err == nil {
			if got := len(d.Contracts) > 0; got != seen {
				t.Errorf("%q: comment seen by plan %v, by the server's scanner %v", sql, got, seen)
			}
		}
		last := 0
		for _, k := range tokensOf(sql, result) {
			if k.start < last || k.end <= k.start {
				t.Fatalf("%q: token %v at %d to %d, behind %d", sql, k.kind, k.start, k.end, last)
			}
			last = k.end
		}
	})
}

// commentBetweenStrings reports what libpg_query reads in another way than the
// server: 'a', a comment, and on the next line 'b' are one string. Two strings side
// by side are a syntax error to it, so nothing is misread.
func commentBetweenStrings(tokens []*pg.ScanToken) bool {
	quoted := map[pg.Token]bool{pg.Token_SCONST: true, pg.Token_USCONST: true, pg.Token_BCONST: true, pg.Token_XCONST: true}
	for i := 2; i < len(tokens); i++ {
		if quoted[tokens[i].Token] && tokens[i-1].Token == pg.Token_SQL_COMMENT {
			j := i - 1
			for j > 0 && tokens[j].Token == pg.Token_SQL_COMMENT {
				j--
			}
			if quoted[tokens[j].Token] {
				return true
			}
		}
	}
	return false
}
