package mysql_test

import (
	"regexp"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/mysql"
)

// migration accepts prepared transactions: tests beside this one have some.
func migration(name string, changes ...plan.Change) *plan.Migration {
	m := &plan.Migration{Name: name, Checksum: plan.Checksum(name), Directives: plan.Directives{Accepts: []plan.Accept{{Hazard: "prepared-transaction", Reason: "not ours"}}}}
	for i, c := range changes {
		m.Statements = append(m.Statements, plan.Statement{Change: c, Index: i + 1})
	}
	return m
}

func rename(table, from, to string) plan.RenameColumn {
	return plan.RenameColumn{Table: table, From: from, To: to}
}

// resolve plans changes, with the pairs that are in flight.
func (w *world) resolve(name string, changes ...plan.Change) *plan.Plan {
	w.Helper()
	links, err := w.eng.Links(w.Context(), "", "")
	w.must(err)
	p, err := w.eng.Resolve(w.Context(), migration(name, changes...), links)
	w.must(err)
	p.Notes = slices.DeleteFunc(p.Notes, func(n plan.Note) bool { return n.Hazard == "prepared-transaction" })
	return p
}

// life is a migration that a test takes through its phases.
type life struct {
	*world
	p     *plan.Plan
	token int64
}

func (w *world) life(p *plan.Plan) *life {
	w.Helper()
	l := &life{w, p, w.lease("a")}
	w.must(w.eng.Begin(w.Context(), l.token, p, engine.StateExpanding))
	return l
}

// phase runs the steps of phases, as a runner does. Each step is true afterwards, where
// it can be asked.
func (l *life) phase(phases ...plan.Phase) {
	l.Helper()
	l.token = l.lease("a") // a life beside this one has taken it
	for _, phase := range phases {
		for n, s := range l.p.Steps {
			if s.Phase != phase {
				continue
			}
			done, err := l.eng.Done(l.Context(), s)
			if err != nil {
				l.Fatalf("%s: %s: %v\n%s", phase, s.Title, err, s.Done)
			}
			if done {
				l.must(l.eng.Record(l.Context(), stepRun(l.token, l.p, n)))
				continue
			}
			l.run(stepRun(l.token, l.p, n))
			if done, err := l.eng.Done(l.Context(), s); s.Done != "" && (s.Sync == nil || s.Sync.Swap == "") && (err != nil || !done) {
				l.Fatalf("%s: %q is not true after it was done: %v\n%s\n%s", phase, s.Title, err, s.Done, strings.Join(s.Statements, "\n"))
			}
		}
		if phase == plan.PhaseExpand {
			l.fill()
		}
	}
}

// fill brings all rows in step.
func (l *life) fill() {
	l.Helper()
	for _, f := range l.p.Fills {
		l.exec("UPDATE `" + f.Table + "` SET `" + f.Link.New + "` = " + mysql.FillValue(f.Link, "") + " WHERE " + mysql.OutOfStep(f.Link, ""))
		is(l.world, "rows out of step", get[int](l.world, "SELECT COUNT(*) FROM `"+f.Table+"` WHERE "+mysql.OutOfStep(f.Link, "")), 0)
	}
}

// gates asks what contract asks of the schema.
func (l *life) gates(finished bool) {
	l.Helper()
	deps, err := l.eng.Dependents(l.Context(), l.p)
	if err != nil || len(deps) > 0 {
		l.Errorf("dependents: %+v, %v", deps, err)
	}
	health, err := l.eng.Health(l.Context(), l.p)
	if err != nil || !health.OK {
		l.Errorf("health: %+v, %v", health, err)
	}
	if invalid, err := l.eng.Invalid(l.Context(), l.p); finished && (err != nil || len(invalid) > 0) {
		l.Errorf("invalid: %v, %v", invalid, err)
	}
}

// structure is a table as the server shows it, its parts in the order of their text: a
// column that was renamed by a copy stands last.
func (w *world) structure(table string) string {
	w.Helper()
	var name, text string
	w.must(w.db.QueryRowContext(w.Context(), "SHOW CREATE TABLE `"+strings.ReplaceAll(table, "`", "``")+"`").Scan(&name, &text))
	text = regexp.MustCompile(` AUTO_INCREMENT=\d+`).ReplaceAllString(text, "")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], ",")
	}
	slices.Sort(lines[1:])
	lines = append(lines, w.column("SELECT CONCAT_WS(' ', TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ? ORDER BY 1", table)...)
	return strings.Join(lines, "\n")
}
