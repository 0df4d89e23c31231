package plan

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/phasedb/phased/internal/sqltext"
)

func TestParseDirectives(t *testing.T) {
	users := func(column string) ColumnName { return ColumnName{Table: "users", Column: column} }
	for _, test := range []struct {
		name, sql string
		want      Directives
		marks     []AsWrittenMark
	}{
		{"nothing", "", Directives{}, nil},
		{"prose", "-- a phased:up in prose\n-- Phased: a story\nSELECT 1;", Directives{}, nil},
		{"up and down", "-- phased:up   users.price_cents = (price * 100)::bigint\n-- phased:down users.price = price_cents / 100.0",
			Directives{Expressions: []Expression{
				{DirectionUp, users("price_cents"), "(price * 100)::bigint", 1},
				{DirectionDown, users("price"), "price_cents / 100.0", 2},
			}}, nil},
		{"names", `--phased:up App . "Weird ""Name""".ÄB=x`,
			Directives{Expressions: []Expression{{DirectionUp, ColumnName{"app", `Weird "Name"`, "Äb"}, "x", 1}}}, nil},
		{"an = in the expression", "-- phased:up users.a = b = c", Directives{Expressions: []Expression{{DirectionUp, users("a"), "b = c", 1}}}, nil},
		{"quotes in the expression", `-- phased:up users.a = 'it''s (' || "b;" || $$--$$`, Directives{Expressions: []Expression{{DirectionUp, users("a"), `'it''s (' || "b;" || $$--$$`, 1}}}, nil},
		{"contract", "\n-- phased:contract 0007_rename_email\n--  phased:contract 0008 \n", Directives{Contracts: []string{"0007_rename_email", "0008"}}, nil},
		{"as written", "SELECT 1;\n-- phased:as-written reason=\"say \\\"when\\\" \\\\ ü\"\nSELECT 2;", Directives{}, []AsWrittenMark{{2, 10, `say "when" \ ü`}}},
		{"accept", `-- phased:accept on-conflict-2 reason="one client"`, Directives{Accepts: []Accept{{"on-conflict-2", "one client", 1}}}, nil},
		{"serialize inserts", "-- phased:serialize-inserts app.users.email", Directives{SerializeInserts: []ColumnName{{"app", "users", "email"}}}, nil},
		{"byte order mark", "\ufeff-- phased:contract a", Directives{Contracts: []string{"a"}}, nil},
		{"carriage returns", "-- phased:contract a\r\nSELECT 1;\r\n\t-- phased:contract b\r\n", Directives{Contracts: []string{"a", "b"}}, nil},
		{"a carriage return ends a comment", "-- phased:contract a\r-- phased:contract b", Directives{Contracts: []string{"a", "b"}}, nil},
		{"string", "SELECT '\n-- phased:contract a\n''\n-- phased:contract b\n'", Directives{}, nil},
		{"backslash in a plain string", "SELECT '\\';\n-- phased:contract a\n--'", Directives{Contracts: []string{"a"}}, nil},
		{"backslash in an E string", "SELECT E'\\'\n-- phased:contract a\n'", Directives{}, nil},
		{"E string goes on", "SELECT E'a' -- b\n '\\'\n-- phased:contract a\n'", Directives{}, nil},
		{"E string does not go on", "SELECT E'a', '\\'\n-- phased:contract a\n", Directives{Contracts: []string{"a"}}, nil},
		{"a name before a string", "SELECT name'\\'\n-- phased:contract a\n", Directives{Contracts: []string{"a"}}, nil},
		{"quoted name", "SELECT \"\n-- phased:contract a\n\"\"\n-- phased:contract a\n\"", Directives{}, nil},
		{"dollar quote", "DO $$\n-- phased:contract a\n$$; DO $fn$\n-- phased:contract b\n$$ $f$\n-- phased:contract b\n$fn$", Directives{}, nil},
		{"dollars in names and parameters", "SELECT a$$, $1, b$x$\n-- phased:contract a\n", Directives{Contracts: []string{"a"}}, nil},
		{"block comment", "/* a /* b */\n-- phased:contract a\n*/", Directives{}, nil},
		{"behind an operator", "SELECT 1 +-- phased\n-- phased:contract a\n2", Directives{Contracts: []string{"a"}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, marks, err := ParseDirectives(DialectPostgres, "f.sql", test.sql)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("directives\n got %+v\nwant %+v", got, test.want)
			}
			if !reflect.DeepEqual(marks, test.marks) {
				t.Errorf("marks\n got %+v\nwant %+v", marks, test.marks)
			}
		})
	}
}

func TestParseDirectivesRefuses(t *testing.T) {
	for _, test := range []struct{ name, sql, want string }{
		{"unknown", "\n-- phased:contrct a", "f.sql:2: phased:contrct is not a directive; known are up, down, contract, as-written, accept, serialize-inserts"},
		{"no word", "-- phased: up a.b = c", "f.sql:1: phased: is not a directive; known are up, down, contract, as-written, accept, serialize-inserts"},
		{"capitals", "-- Phased:Contract a", "f.sql:1: directives are written in lower case; write phased:contract"},
		{"behind code", "SELECT 1; -- phased:contract a", "f.sql:1: phased:contract stands behind something else; put it on a line of its own"},
		{"contract without name", "-- phased:contract ", "f.sql:1: phased:contract: no name of a migration; write phased:contract NAME"},
		{"contract with two names", "-- phased:contract a b", `f.sql:1: phased:contract: "b" stands behind the name; write phased:contract NAME`},
		{"contract of a file", "-- phased:contract a.sql", "f.sql:1: phased:contract: a.sql is a file; write phased:contract a"},
		{"contract twice", "-- phased:contract a\n-- phased:contract a", "f.sql:2: phased:contract a stands in this file twice; keep one of them"},
		{"up without column", "-- phased:up", "f.sql:1: phased:up: no column; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"up without table", "-- phased:up a = b", `f.sql:1: phased:up: "a" is one name, a table and a column are needed; write phased:up TABLE.COLUMN = EXPRESSION`},
		{"up with a database", "-- phased:up a.b.c.d = b", "f.sql:1: phased:up: a.b.c.d has 4 parts, more than schema, table and column; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"up without =", "-- phased:up a.b lower(c)", "f.sql:1: phased:up: no = after a.b; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"down without expression", "-- phased:down a.b =  ", "f.sql:1: phased:down: no expression after =; write phased:down TABLE.COLUMN = EXPRESSION"},
		{"up twice", "-- phased:up a.b = c\n-- phased:up A.B = d", "f.sql:2: phased:up for a.b stands on line 1 already; keep one of them"},
		{"empty name", `-- phased:up "".b = c`, "f.sql:1: phased:up: a quoted name is empty; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"open name", `-- phased:up a."b = c`, `f.sql:1: phased:up: a quoted name has no closing "; write phased:up TABLE.COLUMN = EXPRESSION`},
		{"digit first", `-- phased:up a.1 = c`, `f.sql:1: phased:up: no name at "1 = c"; write phased:up TABLE.COLUMN = EXPRESSION`},
		{"long name", "-- phased:up a." + strings.Repeat("ä", 32) + " = c", `f.sql:1: phased:up: the name "` + strings.Repeat("ä", 32) + `" has 64 bytes, PostgreSQL keeps 63; write phased:up TABLE.COLUMN = EXPRESSION`},
		{"comment in the expression", "-- phased:up a.b = c -- the price", "f.sql:1: phased:up: the expression holds a comment; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"block comment in the expression", "-- phased:up a.b = c /* the price */", "f.sql:1: phased:up: the expression holds a comment; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"semicolon in the expression", "-- phased:up a.b = c;", "f.sql:1: phased:up: the expression holds a semicolon; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"open string in the expression", "-- phased:up a.b = c || 'x", "f.sql:1: phased:up: a string in the expression does not end; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"open parenthesis", "-- phased:up a.b = f(c", "f.sql:1: phased:up: ( in the expression is not closed; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"closed parenthesis", "-- phased:up a.b = c) OR (d", "f.sql:1: phased:up: ) in the expression closes nothing; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"as-written without reason", "-- phased:as-written", `f.sql:1: phased:as-written: no reason; write phased:as-written reason="…"`},
		{"as-written with a bare reason", "-- phased:as-written it is empty", `f.sql:1: phased:as-written: reason expected, not "it is empty"; write phased:as-written reason="…"`},
		{"as-written without quotes", "-- phased:as-written reason=empty", `f.sql:1: phased:as-written: the reason is not in double quotes; write phased:as-written reason="…"`},
		{"as-written with an empty reason", `-- phased:as-written reason=" "`, `f.sql:1: phased:as-written: the reason is empty; write phased:as-written reason="…"`},
		{"as-written with an open reason", `-- phased:as-written reason="a\"`, `f.sql:1: phased:as-written: the reason has no closing "; write phased:as-written reason="…"`},
		{"as-written with more", `-- phased:as-written reason="a" b`, `f.sql:1: phased:as-written: "b" stands behind the reason; write phased:as-written reason="…"`},
		{"accept without hazard", `-- phased:accept reason="a"`, `f.sql:1: phased:accept: no name of a hazard; write phased:accept HAZARD reason="…"`},
		{"accept of something else", `-- phased:accept Big_Table reason="a"`, `f.sql:1: phased:accept: "Big_Table" is not the name of a hazard (small letters, digits and -); write phased:accept HAZARD reason="…"`},
		{"accept without reason", `-- phased:accept big-table`, `f.sql:1: phased:accept: no reason; write phased:accept HAZARD reason="…"`},
		{"accept twice", "-- phased:accept a reason=\"b\"\n-- phased:accept a reason=\"c\"", `f.sql:2: phased:accept a stands on line 1 already; keep one of them`},
		{"serialize-inserts with more", "-- phased:serialize-inserts a.b c", `f.sql:1: phased:serialize-inserts: "c" stands behind the column; write phased:serialize-inserts TABLE.COLUMN`},
		{"serialize-inserts twice", "-- phased:serialize-inserts a.b\n-- phased:serialize-inserts a.b", "f.sql:2: phased:serialize-inserts a.b stands in this file twice; keep one of them"},
		{"open string", "SELECT 1;\nSELECT 'a\n\n", "f.sql:2: a string begins here and does not end; close it"},
		{"open name in SQL", "SELECT \"a", "f.sql:1: a quoted name begins here and does not end; close it"},
		{"open dollar quote", "\nDO $x$ $$ $y$", "f.sql:2: a dollar quote begins here and does not end; close it"},
		{"open block comment", "/* /* */", "f.sql:1: a block comment begins here and does not end; close it"},
		{"NUL", "SELECT 1;\n\x00", "f.sql:2: the text holds a NUL byte; save the file as UTF-8"},
		{"Latin-1", "\n\nSELECT 'f\xfcr'", "f.sql:3: byte 0xfc is not UTF-8; save the file as UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := ParseDirectives(DialectPostgres, "f.sql", test.sql)
			var in *InputError
			if !errors.As(err, &in) {
				t.Fatalf("error %v, want an *InputError", err)
			}
			if err.Error() != test.want {
				t.Errorf("\n got %s\nwant %s", err, test.want)
			}
		})
	}
}

// FuzzParseDirectives: nothing panics, errors name a line of the file, and what
// stands within quotes or a block comment is never a directive.
func FuzzParseDirectives(f *testing.F) {
	for _, s := range []string{
		"-- phased:up a.b = c\n-- phased:down a.c = b\n", "-- phased:contract x\r\n", "E'a'\n'\\'' -- phased:contract x",
		"$a$ $$ $a$ /* /* */ */ \"\"\"\"", "-- phased:as-written reason=\"\\\"\"", "'\\", "\ufeff-- phased:accept a reason=\"b\"", "$1$$-- phased:x", "n'x'\r'y'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, marks, err := ParseDirectives(DialectPostgres, "f.sql", s)
		checkError(t, s, err)
		for _, m := range marks {
			if !strings.HasPrefix(s[m.Offset:], "--") || m.Line != sqltext.LineAt(s, m.Offset) || m.Reason == "" {
				t.Errorf("mark %+v in %q", m, s)
			}
		}
		for _, hidden := range []string{
			"SELECT '" + strings.ReplaceAll(s, "'", "''") + "'",
			"SELECT E'" + strings.NewReplacer("'", "''", `\`, `\\`).Replace(s) + "'",
			`SELECT "` + strings.ReplaceAll(s, `"`, `""`) + `"`,
			"SELECT $fuzz$" + strings.ReplaceAll(s, "$", "") + "$fuzz$",
			"/* " + strings.NewReplacer("*", "", "/", "").Replace(s) + " */",
		} {
			d, marks, err := ParseDirectives(DialectPostgres, "f.sql", hidden)
			if checkText("f.sql", s) != nil {
				continue
			}
			if err != nil || len(marks) > 0 || !reflect.DeepEqual(d, Directives{}) {
				t.Errorf("%q: directives %+v, marks %v, error %v; want none", hidden, d, marks, err)
			}
		}
	})
}

func checkError(t *testing.T, s string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var in *InputError
	if !errors.As(err, &in) {
		t.Fatalf("error %T, want an *InputError", err)
	}
	if in.Line < 1 || in.Line > 1+strings.Count(s, "\n") || in.Problem == "" || in.Way == "" {
		t.Errorf("error %+v for %q", in, s)
	}
}

// What is different on MySQL and MariaDB.
func TestParseDirectivesOfMySQL(t *testing.T) {
	users := func(column string) ColumnName { return ColumnName{Table: "users", Column: column} }
	for _, test := range []struct {
		name, sql string
		want      Directives
		marks     []AsWrittenMark
	}{
		{"both kinds of comment", "-- phased:contract a\n# phased:contract b\n#phased:contract c", Directives{Contracts: []string{"a", "b", "c"}}, nil},
		{"names keep their case", "-- phased:up App.Users.Email = x", Directives{Expressions: []Expression{{DirectionUp, ColumnName{"App", "Users", "Email"}, "x", 1}}}, nil},
		{"names in backticks", "-- phased:up `a.b` . `c``d`.1e=`x y`", Directives{Expressions: []Expression{{DirectionUp, ColumnName{"a.b", "c`d", "1e"}, "`x y`", 1}}}, nil},
		{"64 characters", "-- phased:up users." + strings.Repeat("ä", 64) + " = x", Directives{Expressions: []Expression{{DirectionUp, users(strings.Repeat("ä", 64)), "x", 1}}}, nil},
		{"quotes in the expression", `-- phased:up users.a = 'it''s (\';' || "b;(" || ` + "`#`", Directives{Expressions: []Expression{{DirectionUp, users("a"), `'it''s (\';' || "b;(" || ` + "`#`", 1}}}, nil},
		{"as written", "SELECT 1;\n# phased:as-written reason=\"x\"\nSELECT 2;", Directives{}, []AsWrittenMark{{2, 10, "x"}}},
		{"strings", "SELECT '\n-- phased:contract a\n\\'\n-- phased:contract b\n', \"\n# phased:contract c\n\"", Directives{}, nil},
		{"quoted name", "SELECT `\n-- phased:contract a\n``\n-- phased:contract a\n`", Directives{}, nil},
		{"block comments do not nest", "/* a /* b */\n-- phased:contract a\n", Directives{Contracts: []string{"a"}}, nil},
		{"code to some servers", "/*!80016\n-- phased:contract a\nSELECT 1 */;\n-- phased:contract b", Directives{Contracts: []string{"b"}}, nil},
		{"minus minus", "SELECT 1--1\n-- phased:contract a", Directives{Contracts: []string{"a"}}, nil},
		{"dollars are parts of names", "SELECT $$\n-- phased:contract a\n$$", Directives{Contracts: []string{"a"}}, nil},
		{"carriage returns", "-- phased:contract a\r\n# phased:contract b\r\n", Directives{Contracts: []string{"a", "b"}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, d := range []Dialect{DialectMySQL, DialectMariaDB} {
				got, marks, err := ParseDirectives(d, "f.sql", test.sql)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, test.want) || !reflect.DeepEqual(marks, test.marks) {
					t.Errorf("\n got %+v, %+v\nwant %+v, %+v", got, marks, test.want, test.marks)
				}
			}
		})
	}
}

func TestParseDirectivesOfMySQLRefuses(t *testing.T) {
	for _, test := range []struct{ name, sql, want string }{
		{"no blank", "\n--phased:contract a", "f.sql:2: -- without a blank behind it begins no comment; write -- phased:"},
		{"behind code", "SELECT 1; # phased:contract a", "f.sql:1: phased:contract stands behind something else; put it on a line of its own"},
		{"a carriage return alone", "SELECT 1;\n# a\rDROP TABLE t;", "f.sql:2: a comment holds a carriage return, which ends no line for the server; save the file with line feeds"},
		{"names in double quotes", `-- phased:up "a".b = c`, `f.sql:1: phased:up: no name at "\"a\".b = c"; write phased:up TABLE.COLUMN = EXPRESSION`},
		{"open name", "-- phased:up `a.b = c", "f.sql:1: phased:up: a quoted name has no closing `; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"long name", "-- phased:up a." + strings.Repeat("ä", 65) + " = c", `f.sql:1: phased:up: the name "` + strings.Repeat("ä", 65) + `" has 65 characters, the server takes 64; write phased:up TABLE.COLUMN = EXPRESSION`},
		{"comment in the expression", "-- phased:up a.b = c # the price", "f.sql:1: phased:up: the expression holds a comment; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"code in the expression", "-- phased:up a.b = c /*! + 1 */", "f.sql:1: phased:up: the expression holds a comment; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"open string in the expression", `-- phased:up a.b = 'c\'`, "f.sql:1: phased:up: a string in the expression does not end; write phased:up TABLE.COLUMN = EXPRESSION"},
		{"open string", "SELECT 1;\nSELECT 'a\\'\n", "f.sql:2: a string begins here and does not end; close it"},
		{"open name in SQL", "SELECT `a", "f.sql:1: a quoted name begins here and does not end; close it"},
		{"open comment", "\n/* a", "f.sql:2: a block comment begins here and does not end; close it"},
		{"open code", "\n/*!80016 a", "f.sql:2: a comment begins here and does not end; close it"},
		{"code that ends in two places", "\n/*!80016 'a */ b' */", "f.sql:2: a comment that is code to some servers ends elsewhere for others; take quotes and comments out of it, or write it as plain SQL"},
		{"a comment within code", "/*M! a /* b */ c */", "f.sql:1: a comment that is code to some servers ends elsewhere for others; take quotes and comments out of it, or write it as plain SQL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := ParseDirectives(DialectMySQL, "f.sql", test.sql)
			var in *InputError
			if !errors.As(err, &in) || err.Error() != test.want {
				t.Errorf("\n got %v\nwant %s", err, test.want)
			}
		})
	}
}

// FuzzParseDirectivesOfMySQL is FuzzParseDirectives for MySQL's quotes and comments.
func FuzzParseDirectivesOfMySQL(f *testing.F) {
	for _, s := range []string{
		"-- phased:up a.b = c\n# phased:down a.c = b\n", "-- phased:contract x\r\n", "'a\\'' -- phased:contract x", "/*! -- x\n*/ /*M!1 */", "`a``", "--phased:x", "'\\", "\ufeff# phased:accept a reason=\"b\"", "AS $$ ' $$",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, marks, err := ParseDirectives(DialectMySQL, "f.sql", s)
		checkError(t, s, err)
		for _, m := range marks {
			if rest := s[m.Offset:]; !strings.HasPrefix(rest, "--") && !strings.HasPrefix(rest, "#") || m.Line != sqltext.LineAt(s, m.Offset) || m.Reason == "" {
				t.Errorf("mark %+v in %q", m, s)
			}
		}
		if checkText("f.sql", s) != nil {
			return
		}
		for _, hidden := range []string{
			"SELECT '" + strings.NewReplacer("'", "''", `\`, `\\`).Replace(s) + "'",
			`SELECT "` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(s) + `"`,
			"SELECT `" + strings.ReplaceAll(s, "`", "``") + "`",
			"/* " + strings.NewReplacer("*", "", "/", "").Replace(s) + " */",
		} {
			d, marks, err := ParseDirectives(DialectMySQL, "f.sql", hidden)
			if err != nil || len(marks) > 0 || !reflect.DeepEqual(d, Directives{}) {
				t.Errorf("%q: directives %+v, marks %v, error %v; want none", hidden, d, marks, err)
			}
		}
	})
}
