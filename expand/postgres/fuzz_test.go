package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// FuzzParse: nothing panics; an error is an *plan.InputError that names a line of
// the file, or the file as a whole; what was read stands where it says, and reads
// the same with other line ends.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"ALTER TABLE users RENAME COLUMN email TO email_address;",
		"-- phased:up t.b = lower(a)\r\n-- phased:down t.a = b\r\nALTER TABLE t RENAME a TO b",
		"CREATE UNIQUE INDEX i ON t USING gin (lower(a) x_ops, (a+b)) INCLUDE (c) WHERE d IS NOT NULL",
		"ALTER TABLE t ADD c numeric(10,2)[] COLLATE \"x\" DEFAULT '{}'::numeric[] NOT NULL, DROP d",
		"-- phased:as-written reason=\"x\"\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT U&\"a\"",
		"CREATE TABLE \"ä\" (a int DEFAULT (1), b text CHECK (b ~ 'x;'))", "-- phased:contract x\n", "SELECT $$ $$; SELECT 'a", "\ufeff;;/*",
		"ALTER TABLE t ADD c interval day to second(3) DEFAULT interval '1' day", "-- phased:serialize-inserts t.b\nALTER TABLE t RENAME a TO b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		m, err := Parser().Parse("f.sql", sql)
		if err != nil {
			var in *plan.InputError
			if !errors.As(err, &in) {
				t.Fatalf("%q: error %T, want an *InputError", sql, err)
			}
			whole := strings.HasPrefix(in.Problem, "says nothing")
			if in.Problem == "" || in.Way == "" || !whole && (in.Line < 1 || in.Line > 1+strings.Count(sql, "\n")) {
				t.Errorf("%q: error %+v", sql, in)
			}
			return
		}
		if len(m.Statements)+len(m.Directives.Contracts) == 0 {
			t.Errorf("%q says nothing", sql)
		}
		lines := strings.Split(strings.ReplaceAll(sql, "\r\n", "\n"), "\n")
		for _, s := range m.Statements {
			first, _, _ := strings.Cut(s.SQL, "\n")
			if s.Index < 1 || s.Line < 1 || s.Line > len(lines) || !strings.Contains(lines[s.Line-1], first) {
				t.Errorf("%q: statement %+v is not there", sql, s)
			}
			if s.Change.Target().Name == "" && s.Change.Kind() != plan.KindAsWritten {
				t.Errorf("%q: change %+v is about nothing", sql, s.Change)
			}
		}
		other, err := Parser().Parse("f.sql", strings.Join(lines, "\r\n"))
		if err != nil || other.Checksum != m.Checksum || len(other.Statements) != len(m.Statements) {
			t.Errorf("%q with other line ends: %+v, %v", sql, other, err)
			return
		}
		for i := range other.Statements {
			if other.Statements[i] != m.Statements[i] {
				t.Errorf("%q with other line ends: %+v", sql, other.Statements[i])
			}
		}
	})
}
