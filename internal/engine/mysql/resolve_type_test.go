package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine/mysql"
)

// Columns of every type, with and without null and default: after expand each side's
// inserts may leave the other side out, and what they leave out gets what it got before.
func TestExpandOfEveryType(t *testing.T) {
	types := []struct {
		name, value, def string
		only             plan.Dialect
	}{
		{"tinyint", "7", "1", ""}, {"int unsigned", "4000000000", "1", ""}, {"decimal(10,2)", "1.25", "-1.5", ""}, {"float", "1.1", "0.1", ""}, {"double unsigned", "1e300", "1.5", ""}, {"bit(3)", "b'11'", "b'101'", ""},
		{"char(5)", "'ab'", "'x '", ""}, {"varchar(20) CHARACTER SET ucs2", "'ü✓'", "'✓'", ""}, {"varchar(20) CHARACTER SET latin1", "'ü'", "'é'", ""}, {"binary(4)", "x'00ff'", "x'01'", ""}, {"varbinary(300)", "x'00ff'", "x'ff00'", ""},
		{"text", "'some text'", "'it''s'", ""}, {"mediumblob", "x'00ff'", "'b'", ""}, {"json", `'{"a": 1}'`, "'[]'", ""}, {"enum('a','it''s')", "'it''s'", "'a'", ""}, {"set('x','y')", "'x,y'", "'y'", ""},
		{"date", "'2024-02-29'", "'2020-01-01'", ""}, {"datetime(3)", "'2024-02-29 01:02:03.456'", "'2020-01-01 00:00:00.5'", ""}, {"timestamp(6)", "'2024-02-29 01:02:03.456789'", "'2020-01-01 00:00:00'", ""},
		{"time(2)", "'-10:11:12.25'", "'01:00:00'", ""}, {"year", "1999", "2020", ""},
		{"uuid", "'00000000-0000-0000-0000-0000000000ff'", "'00000000-0000-0000-0000-000000000001'", plan.DialectMariaDB}, {"inet6", "'::1'", "'::2'", plan.DialectMariaDB}, {"inet4", "'10.0.0.1'", "'10.0.0.2'", plan.DialectMariaDB},
	}
	each(t, func(t *testing.T, w *world) {
		for i, typ := range types {
			if typ.only != "" && typ.only != w.dialect {
				continue
			}
			def := typ.def
			if !w.mariadb() && (typ.name == "text" || typ.name == "mediumblob" || typ.name == "json") {
				def = "(" + def + ")"
			}
			table := fmt.Sprintf("t%d", i)
			w.exec(fmt.Sprintf("CREATE TABLE %[1]s (id int PRIMARY KEY, a0 %[2]s NOT NULL, a1 %[2]s NULL DEFAULT %[3]s, a2 %[2]s NOT NULL DEFAULT %[3]s)", table, typ.name, def),
				fmt.Sprintf("INSERT INTO %s (id, a0) VALUES (1, %s)", table, typ.value))
			changes := []plan.Change{rename(table, "a0", "b0"), rename(table, "a1", "b1")}
			other := "a2"
			if i < 2 {
				changes, other = append(changes, rename(table, "a2", "b2")), "b2"
			}
			m := w.life(w.resolve(table, changes...))
			fills := m.p.Fills
			m.p.Fills = nil // what was there stays as it is
			m.phase(plan.PhaseExpand)
			out := func(what, where string) {
				t.Helper()
				for _, f := range fills {
					if n := get[int](w, "SELECT COUNT(*) FROM "+table+" WHERE "+where+" AND "+mysql.OutOfStep(f.Link, "")); n > 0 {
						t.Errorf("%s: %s: %s and %s are out of step", typ.name, what, f.Link.Old, f.Link.New)
					}
				}
			}
			w.exec(fmt.Sprintf("INSERT INTO %s (id, a0) VALUES (2, %s)", table, typ.value), fmt.Sprintf("INSERT INTO %s (id, a0) SELECT 3, %s", table, typ.value),
				fmt.Sprintf("INSERT INTO %s (id, b0) VALUES (4, %s)", table, typ.value), fmt.Sprintf("INSERT INTO %s (id, b0) SELECT 5, %s", table, typ.value), fmt.Sprintf("REPLACE INTO %s (id, b0) SELECT 5, %s", table, typ.value))
			out("inserts", "id > 1")
			for _, side := range []string{"a", "b"} {
				columns := "COALESCE(HEX(" + strings.Join([]string{side + "0", side + "1", other}, "), '-'), COALESCE(HEX(") + "), '-')"
				rows := w.column("SELECT DISTINCT CONCAT_WS(' ', " + columns + ") FROM " + table + " WHERE id > 1")
				if len(rows) != 1 {
					t.Errorf("%s: rows differ by who inserted them: %v", typ.name, rows)
				}
			}
			// What is not filled shows, where it is not null on both sides.
			is(w, typ.name+": not filled", get[int](w, "SELECT COUNT(*) FROM "+table+" WHERE id = 1 AND "+mysql.OutOfStep(fills[0].Link, "")), 1)
			// New code that writes the default there is not taken for one that writes nothing.
			switch placeholder := strings.Contains(fmt.Sprint(m.p.Notes), "placeholder"); {
			case placeholder, strings.HasPrefix(typ.name, "timestamp"):
			default:
				w.exec("UPDATE " + table + " SET b0 = DEFAULT(b0) WHERE id = 1")
				is(w, typ.name+": the default, written", get[int](w, "SELECT COUNT(*) FROM "+table+" WHERE id = 1 AND a0 <=> DEFAULT(b0) AND NOT ("+mysql.OutOfStep(fills[0].Link, "")+")"), 1)
			}
			w.exec(fmt.Sprintf("UPDATE %s SET b1 = NULL, b0 = %s WHERE id = 4", table, typ.value), fmt.Sprintf("UPDATE %s SET a2 = %s WHERE id = 1", table, typ.value))
			out("updates", "TRUE")
			is(w, typ.name+": null carried down", get[int](w, "SELECT a1 IS NULL FROM "+table+" WHERE id = 4"), 1)
			w.exec("DROP TABLE " + table)
			w.exec("DELETE FROM phased_link")
		}
	})
}
