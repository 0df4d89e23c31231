package mysql_test

import (
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// run runs a step; the session of the one before it may still be ending.
func (w *world) run(r engine.StepRun) {
	w.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := w.eng.Run(w.Context(), r)
		if err != nil && strings.Contains(err.Error(), "is in a step") && time.Since(begin) < 10*time.Second {
			continue
		}
		w.must(err)
		return
	}
}

func syncStep(phase plan.Phase, s plan.SyncStep) plan.Step {
	out := step(phase)
	out.Sync = &s
	return out
}

// While an old column changes its name, another change composes the sync of the same
// table: both names stay in it, and every write goes on.
func TestBothNamesStayInTheSyncOfOthers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE users (id int PRIMARY KEY, a int, b int, c int, d int)`)
		token := w.lease("a")
		one, two := pair("0001", "users", "a", "b", "int"), pair("0002", "users", "c", "d", "int")
		first := w.begin(token, "0001", syncStep(plan.PhaseExpand, plan.SyncStep{Table: "users", Add: &one}),
			step(plan.PhaseHide, "ALTER TABLE users ADD COLUMN `a~hidden` int INVISIBLE COMMENT 'phased: temporary name'"),
			syncStep(plan.PhaseHide, plan.SyncStep{Table: "users", Swap: one.ID, To: plan.NameHidden}),
			step(plan.PhaseHide, "ALTER TABLE users DROP COLUMN `a~hidden`, RENAME COLUMN a TO `a~hidden`"),
			syncStep(plan.PhaseHide, plan.SyncStep{Table: "users", Hide: one.ID}),
			syncStep(plan.PhaseUndo, plan.SyncStep{Table: "users", Show: one.ID}))
		second := w.begin(token, "0002", syncStep(plan.PhaseExpand, plan.SyncStep{Table: "users", Add: &two}))
		names := func() string {
			t.Helper()
			links, err := w.eng.Links(t.Context(), "", "users")
			w.must(err)
			var out []string
			for _, l := range links {
				out = append(out, l.Old)
			}
			return strings.Join(out, " ")
		}
		for n := range 3 {
			w.run(stepRun(token, first, n))
		}
		is(w, "old columns", names(), "a")
		w.run(stepRun(token, second, 0))
		w.exec(`INSERT INTO users (id, a, c) VALUES (1, 1, 2)`)
		w.run(stepRun(token, first, 3))
		is(w, "old columns", names(), "a~hidden c")
		w.exec("INSERT INTO users (id, b, d) VALUES (2, 3, 4)", "UPDATE users SET b = 5 WHERE id = 1")
		w.run(stepRun(token, first, 4))
		is(w, "old columns", names(), "a~hidden c")
		w.exec("INSERT INTO users (id, `a~hidden`, d) VALUES (3, 6, 7)")
		is(w, "rows", w.row("`a~hidden`, b, c, d) FROM users ORDER BY id"), "5|5|2|2; 3|3|4|4; 6|6|7|7")
		is(w, "triggers that know both names", get[int](w, "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND ACTION_STATEMENT LIKE '%HANDLER%'"), 0)
		is(w, "recorded", get[int](w, "SELECT COUNT(*) FROM phased_link WHERE link LIKE '%swap%'"), 0)
	})
}
