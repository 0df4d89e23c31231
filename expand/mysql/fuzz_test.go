package mysql

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
		"-- phased:up t.b = lower(a)\r\n# phased:down t.a = b\r\nALTER TABLE t RENAME COLUMN a TO b",
		"CREATE UNIQUE INDEX i USING BTREE ON t (a(3) DESC, (lower(`b``c`))) COMMENT 'x' ALGORITHM=INPLACE",
		"ALTER TABLE t ADD c numeric(10,2) CHARACTER SET latin2 COLLATE latin2_bin DEFAULT (1 + 1) NOT NULL COMMENT \"x\", DROP d, ADD (e uuid, KEY k (e))",
		"-- phased:as-written reason=\"x\"\nCREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN IF a THEN b; END IF; END; RENAME TABLE a TO b, c TO d",
		"CREATE TABLE `ä` (a int DEFAULT (1), b text CHECK (b <> 'x;'))", "-- phased:contract x\n", "SELECT 1; SELECT 'a", "\ufeff;;/*", "/*!80016 ALTER TABLE t */ ADD c int",
		"ALTER TABLE t CHANGE a b int, MODIFY c int FIRST", "-- phased:serialize-inserts t.b\nALTER TABLE t RENAME COLUMN a TO b", "ALTER TABLE t ADD c enum('a','b') DEFAULT 'a' ON UPDATE NOW(), ADD CONSTRAINT c UNIQUE KEY (d)",
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
			if c, ok := s.Change.(plan.AddColumn); ok && c.Type == "" {
				t.Errorf("%q: column %+v is of no type", sql, c)
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

// TestFileOfManyStatements: together statements say what each says alone.
func TestFileOfManyStatements(t *testing.T) {
	var together strings.Builder
	var want []plan.Change
	line := 1
	var lines []int
	for _, sql := range []string{
		"ALTER TABLE a ADD c varchar(9) DEFAULT ';' COMMENT '-- x'", "RENAME TABLE b TO `b;`", "CREATE TABLE c (\n  a int, # ;\n  b char(1) DEFAULT \"'\"\n)",
		"-- phased:as-written reason=\"x\"\nCREATE TRIGGER g BEFORE INSERT ON a FOR EACH ROW BEGIN\n SET NEW.c = '';\nEND", "CREATE INDEX i ON d (a)",
		"-- phased:as-written reason=\"y\"\nCREATE SEQUENCE s", "ALTER TABLE e RENAME COLUMN a TO b, DROP COLUMN c",
	} {
		m, err := Parser().Parse("f.sql", sql)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, changes(m)...)
		for _, s := range m.Statements {
			lines = append(lines, line+s.Line-1)
		}
		together.WriteString(sql + " ;\n\n")
		line += strings.Count(sql, "\n") + 2
	}
	m, err := Parser().Parse("f.sql", together.String())
	if err != nil {
		t.Fatal(err)
	}
	got := changes(m)
	if len(got) != len(want) {
		t.Fatalf("%d changes, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] || m.Statements[i].Line != lines[i] {
			t.Errorf("change %d: %+v on line %d, want %+v on line %d", i, got[i], m.Statements[i].Line, want[i], lines[i])
		}
	}
}
