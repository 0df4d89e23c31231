package mysql_test

import (
	"fmt"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine/mysql"
)

// New code may run until the new column is gone: in every state that a rollback passes
// through, what it writes is on the old side too, or is refused.
func TestUndoLosesNoWriteOfNewCode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, a varchar(20) NOT NULL, INDEX (a))", "INSERT INTO users VALUES (1, 'first')")
		p, err := w.eng.Resolve(t.Context(), migration("0001", plan.RenameColumn{Table: "users", From: "a", To: "b"}), nil)
		w.must(err)
		token := w.lease("a")
		w.must(w.eng.Begin(t.Context(), token, p, "expanding"))
		written, refused := 0, 0
		for _, phase := range []plan.Phase{plan.PhaseExpand, plan.PhaseFinish, plan.PhaseHide, plan.PhaseUndo} {
			for n, s := range p.Steps {
				if s.Phase != phase {
					continue
				}
				w.run(stepRun(token, p, n))
				if phase != plan.PhaseUndo {
					continue
				}
				value := fmt.Sprintf("step %d", n)
				_, inserted := w.db.Exec("INSERT INTO users (id, b) VALUES (?, ?)", 100+n, value)
				_, updated := w.db.Exec("UPDATE users SET b = ? WHERE id = 1", value)
				if (inserted == nil) != (updated == nil) {
					t.Fatalf("after %q: %v, but %v", s.Title, inserted, updated)
				}
				if inserted != nil {
					refused++
					continue
				}
				written++
				old := "a"
				if w.hasColumn("users", "a~hidden") && !w.hasColumn("users", "a") {
					old = "`a~hidden`"
				}
				is(w, "rows that show on the old side after "+s.Title, get[int](w, "SELECT COUNT(*) FROM users WHERE "+old+" = ?", value), 2)
			}
		}
		if written == 0 || refused == 0 {
			t.Errorf("new code wrote in %d states of the rollback and was refused in %d", written, refused)
		}
		w.exec("INSERT INTO users (id, a) VALUES (2, 'last')", "UPDATE users SET a = 'x'")
		is(w, "triggers", get[int](w, "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"), 0)
	})
}

// A rollback may begin before the pair is in flight: expand was ended in between.
func TestUndoFromAnyStepOfExpand(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for ended := range 5 {
			table := fmt.Sprintf("t%d", ended)
			w.exec("CREATE TABLE " + table + " (id int PRIMARY KEY, a varchar(20) NOT NULL)")
			want := get[string](w, "SELECT GROUP_CONCAT(COLUMN_NAME, COLUMN_TYPE, COALESCE(COLUMN_DEFAULT, '-') ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", table)
			p, err := w.eng.Resolve(t.Context(), migration(table, plan.RenameColumn{Table: table, From: "a", To: "b"}), nil)
			w.must(err)
			token := w.lease("a")
			w.must(w.eng.Begin(t.Context(), token, p, "expanding"))
			left := ended
			for n, s := range p.Steps {
				if s.Phase == plan.PhaseExpand && left > 0 {
					left--
					w.run(stepRun(token, p, n))
				}
			}
			for n, s := range p.Steps {
				if s.Phase != plan.PhaseUndo {
					continue
				}
				done, err := w.eng.Done(t.Context(), s)
				w.must(err)
				if done {
					w.must(w.eng.Record(t.Context(), stepRun(token, p, n)))
				} else {
					w.run(stepRun(token, p, n))
				}
			}
			is(w, fmt.Sprintf("columns after %d steps and back", ended), get[string](w, "SELECT GROUP_CONCAT(COLUMN_NAME, COLUMN_TYPE, COALESCE(COLUMN_DEFAULT, '-') ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", table), want)
		}
	})
}

func (w *world) hasColumn(table, column string) bool {
	w.Helper()
	return get[bool](w, "SELECT COUNT(*) > 0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ? AND COLUMN_COMMENT = ''", table, column)
}

// In every state that an expand passes through, old code writes as before, and from its
// end on new code's writes reach the old side: also one that writes the default into a row
// that old code inserted at any moment before, and that is not filled.
func TestExpandLeavesNoRowWithTheDefault(t *testing.T) {
	for _, column := range []string{"varchar(20) NOT NULL DEFAULT 'new'", "varchar(20) NULL DEFAULT 'new'", "varchar(20) NOT NULL", "int NOT NULL DEFAULT 5", "int DEFAULT 5",
		"datetime(3) NOT NULL DEFAULT '2026-01-01'", "double NOT NULL"} {
		t.Run(column, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.exec("CREATE TABLE users (id int PRIMARY KEY, a "+column+")", "INSERT INTO users VALUES (0, '20240101')")
				p, err := w.eng.Resolve(t.Context(), migration("0001", plan.RenameColumn{Table: "users", From: "a", To: "b"}), nil)
				w.must(err)
				token := w.lease("a")
				w.must(w.eng.Begin(t.Context(), token, p, "expanding"))
				id := 0
				for n, s := range p.Steps {
					if s.Phase == plan.PhaseExpand {
						w.run(stepRun(token, p, n))
						id++
						w.exec(fmt.Sprintf("INSERT INTO users (id, a) VALUES (%d, '20250101')", id))
						is(w, "what old code wrote after "+s.Title, get[int](w, "SELECT COUNT(*) FROM users WHERE a = 20240101 OR a = 20250101"), id+1)
					}
				}
				is(w, "links", len(p.Links()), 1)
				w.exec("UPDATE users SET b = DEFAULT")
				is(w, "rows on which the old side has what new code wrote", get[int](w, "SELECT COUNT(*) FROM users WHERE a <=> b AND b <=> DEFAULT(b)"), id+1)
			})
		})
	}
}

// In every state that a drop passes through, new code writes as before: no key of the
// old side is there any more when its values are not kept in step.
func TestDropRefusesNoWriteOfNewCode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE kinds (id int PRIMARY KEY)", "INSERT INTO kinds SELECT seq FROM (WITH RECURSIVE s AS (SELECT 1 AS seq UNION ALL SELECT seq + 1 FROM s WHERE seq < 100) SELECT seq FROM s) n",
			"CREATE TABLE users (id int PRIMARY KEY, a int NOT NULL, n int, UNIQUE INDEX (a), CONSTRAINT users_kind FOREIGN KEY (a) REFERENCES kinds (id))", "INSERT INTO users VALUES (1, 1, 0)")
		p, err := w.eng.Resolve(t.Context(), migration("0001", plan.RenameColumn{Table: "users", From: "a", To: "b"}), nil)
		w.must(err)
		token := w.lease("a")
		w.must(w.eng.Begin(t.Context(), token, p, "expanding"))
		value := 1
		for _, phase := range []plan.Phase{plan.PhaseExpand, plan.PhaseFinish, plan.PhaseHide, plan.PhaseDrop} {
			for n, s := range p.Steps {
				if s.Phase != phase {
					continue
				}
				if phase == plan.PhaseDrop && s.Sync != nil {
					links, err := w.eng.Links(t.Context(), "", "users")
					w.must(err)
					for _, statement := range mysql.ComposeChange("users", links, s.Sync.Apply(links)) {
						w.pinned(statement)
						value++
						w.exec(fmt.Sprintf("INSERT INTO users (id, b) VALUES (%d, %[1]d)", value), fmt.Sprintf("UPDATE users SET n = 1 WHERE id = %d", value))
					}
				}
				w.run(stepRun(token, p, n))
				if phase == plan.PhaseDrop {
					for range 2 {
						value++
						w.exec(fmt.Sprintf("INSERT INTO users (id, b) VALUES (%d, %[1]d)", value))
					}
				}
			}
			w.exec("UPDATE users SET b = 1 WHERE id = 1") // as the backfill does
		}
		is(w, "rows of new code", get[int](w, "SELECT COUNT(*) FROM users WHERE b = id"), value)
	})
}

// Hiding may be ended between any two statements of a change of the sync: the gate that
// asks after the sync stays open, because hiding again is the way on.
func TestHealthWhileHidingWasEnded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, a int NOT NULL)")
		p, err := w.eng.Resolve(t.Context(), migration("0001", plan.RenameColumn{Table: "users", From: "a", To: "b"}), nil)
		w.must(err)
		token := w.lease("a")
		w.must(w.eng.Begin(t.Context(), token, p, "expanding"))
		healthy := func(when string) {
			t.Helper()
			h, err := w.eng.Health(t.Context(), p)
			w.must(err)
			if !h.OK {
				t.Errorf("%s: %s (%s)", when, h.Problem, h.Way)
			}
		}
		for n, s := range p.Steps {
			if s.Phase != plan.PhaseExpand && s.Phase != plan.PhaseFinish && s.Phase != plan.PhaseHide {
				continue
			}
			if s.Phase == plan.PhaseHide && s.Sync != nil {
				links, err := w.eng.Links(t.Context(), "", "users")
				w.must(err)
				for i, statement := range mysql.ComposeChange("users", links, s.Sync.Apply(links)) {
					w.pinned(statement)
					healthy(fmt.Sprintf("%s, after %d statements", s.Title, i+1))
				}
			}
			w.run(stepRun(token, p, n))
			if s.Phase == plan.PhaseHide {
				healthy("after " + s.Title)
			}
		}
		w.pinned("CREATE TRIGGER `phased~x` BEFORE INSERT ON users FOR EACH ROW SET NEW.b = 1")
		h, err := w.eng.Health(t.Context(), p)
		w.must(err)
		is(w, "a trigger that nobody knows is healthy", h.OK, false)
	})
}

// pinned runs a statement as a step does.
func (w *world) pinned(statement string) {
	w.Helper()
	c, err := w.db.Conn(w.Context())
	w.must(err)
	defer c.Close()
	for _, s := range []string{"SET SESSION sql_mode = '" + mysql.StrictMode + "'", "SET NAMES utf8mb4 COLLATE utf8mb4_bin", statement, "SET SESSION sql_mode = DEFAULT"} {
		if _, err := c.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
}
