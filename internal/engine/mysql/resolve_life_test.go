package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

var long64 = strings.Repeat("é", 63) + "x" // 64 characters

// lives are tables whose column is renamed; %[1]s is the old name, quoted.
var lives = []struct {
	name, from, to string
	setup          []string
}{
	{"everything that hangs on a column", "email", "email_address", []string{
		"CREATE TABLE domains (name varchar(50) PRIMARY KEY)", "INSERT INTO domains VALUES ('a@b'), ('c@d')",
		"CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY, %[1]s varchar(50) NOT NULL COMMENT 'it''s', n int, UNIQUE KEY u (%[1]s, n), KEY part (n, %[1]s(5) DESC) COMMENT 'some', UNIQUE KEY other (n), CONSTRAINT f FOREIGN KEY (%[1]s) REFERENCES domains (name) ON DELETE CASCADE)",
		"INSERT INTO t (%[1]s, n) VALUES ('a@b', 1), ('c@d', 2)"}},
	{"own default", "status", "state", []string{"CREATE TABLE t (id int PRIMARY KEY, %[1]s varchar(20) CHARACTER SET latin1 NOT NULL DEFAULT 'new', n int)", "INSERT INTO t VALUES (1, 'old', 1), (2, DEFAULT, 1)"}},
	{"nullable with a default", "status", "state", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s int DEFAULT 7)", "INSERT INTO t VALUES (1, 2, NULL), (2, 1, 7), (3, 1, 8)"}},
	{"default of an expression", "token", "secret", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s char(36) NOT NULL DEFAULT (uuid()))", "INSERT INTO t (id, n) VALUES (1, 1), (2, 2)"}},
	{"text", "body", "content", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s text NOT NULL, KEY (%[1]s(10)))", "INSERT INTO t VALUES (1, 1, 'x'), (2, 1, '')"}},
	{"text with a default", "body", "content", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s text NOT NULL DEFAULT ('none') COMMENT 'c')", "INSERT INTO t VALUES (1, 1, 'x'), (2, 1, DEFAULT)"}},
	{"json", "data", "doc", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s json NOT NULL)", `INSERT INTO t VALUES (1, 1, '{"a": [1, 2]}'), (2, 2, 'null')`}},
	{"timestamp", "at", "moment", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3))", "INSERT INTO t VALUES (1, 1, '2020-01-01 00:00:00.123')"}},
	{"bytes", "hash", "digest", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s binary(4) NOT NULL DEFAULT x'ff00', UNIQUE KEY (%[1]s))", "INSERT INTO t VALUES (1, 1, x'00ff0027'), (2, 1, x'5c')"}},
	{"enum", "mood", "temper", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s enum('a','it''s') NOT NULL)", "INSERT INTO t VALUES (1, 1, 'it''s'), (2, 1, 'a')"}},
	{"invisible", "secret", "hush", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s int INVISIBLE DEFAULT 3)", "INSERT INTO t (id, n, %[1]s) VALUES (1, 1, 4)"}},
	{"partitioned", "v", "w", []string{"CREATE TABLE t (id int, at int, n int, %[1]s varchar(9) NOT NULL, PRIMARY KEY (id, at), KEY (%[1]s)) PARTITION BY RANGE (at) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)", "INSERT INTO t VALUES (1, 1, 1, 'x'), (1, 11, 1, 'y')"}},
	{"self-reference", "parent", "parent_id", []string{"CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s int, FOREIGN KEY (%[1]s) REFERENCES t (id))", "INSERT INTO t VALUES (1, 1, NULL), (2, 1, 1)"}},
	{"names that need quotes", "Order `by`", "e'mail\\", nil},
	{"64 characters", long64, strings.Repeat("y", 64), nil},
	{"an accent apart", "resume", "résumé", nil},
	{"in the catalog's eyes alike", "select", "from", nil},
}

// The end is the schema that a plain RENAME COLUMN gives, with every value; and undo gives
// back the one before, from every phase.
func TestARenameEndsAsAPlainRename(t *testing.T) {
	for _, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				setup := l.setup
				if setup == nil {
					setup = []string{"CREATE TABLE t (id bigint PRIMARY KEY, %[1]s varchar(20) NOT NULL DEFAULT 'x', n int, UNIQUE KEY (%[1]s), KEY (n, %[1]s))", "INSERT INTO t VALUES (1, 'v', 1), (2, DEFAULT, 2)"}
				}
				quoted := "`" + strings.ReplaceAll(l.from, "`", "``") + "`"
				to := "`" + strings.ReplaceAll(l.to, "`", "``") + "`"
				plain := newWorld(t, w.dialect)
				for _, s := range setup {
					s = strings.ReplaceAll(s, "%[1]s", quoted)
					w.exec(s)
					plain.exec(s)
				}
				plain.exec(fmt.Sprintf("ALTER TABLE t RENAME COLUMN %s TO %s", quoted, to))
				before, values := w.structure("t"), "SELECT CONCAT_WS('|', n, COALESCE(HEX(%s), 'null')) FROM t ORDER BY 1"
				want := strings.Join(w.column(fmt.Sprintf(values, quoted)), ", ")

				phases := []plan.Phase{plan.PhaseExpand, plan.PhaseFinish, plan.PhaseHide}
				for n := range phases {
					m := w.life(w.resolve(fmt.Sprintf("undone from %s", phases[n]), rename("t", l.from, l.to)))
					m.phase(phases[:n+1]...)
					m.phase(plan.PhaseUndo)
					is(w, "undone from "+string(phases[n]), w.structure("t"), before)
					is(w, "values, undone", strings.Join(w.column(fmt.Sprintf(values, quoted)), ", "), want)
				}

				m := w.life(w.resolve("0001", rename("t", l.from, l.to)))
				for _, phase := range phases {
					m.phase(phase)
					m.gates(phase != plan.PhaseExpand)
				}
				m.phase(plan.PhaseDrop)
				is(w, "the end", w.structure("t"), plain.structure("t"))
				is(w, "values", strings.Join(w.column(fmt.Sprintf(values, to)), ", "), want)
				is(w, "pairs in flight", get[int](w, "SELECT COUNT(*) FROM phased_link"), 0)
				is(w, "copies left", get[int](w, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'phased~%'"), 0)
			})
		})
	}
}
