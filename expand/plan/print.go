package plan

import (
	"fmt"
	"strings"
)

// phaseTitles says what each phase means to a reader.
var phaseTitles = map[Phase]string{
	PhaseExpand: "old and new code both work afterwards",
	PhaseFinish: "after the backfill, online: what the new side still lacks",
	PhaseHide:   "contract, first half: only when every gate is met; rollback still works",
	PhaseDrop:   "contract, second half: the way back ends here",
	PhaseUndo:   "rollback, from any phase before the drop",
}

// SQL prints the plan as annotated SQL, phase by phase, for people and for other
// tools. Each step stands under a comment that says what it locks, its timeouts,
// whether it is one transaction, and what takes it back.
func (p *Plan) SQL() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		for _, l := range strings.Split(fmt.Sprintf(format, args...), "\n") {
			fmt.Fprintf(&b, "-- %s\n", strings.TrimRight(l, " \r"))
		}
	}
	line("migration %s", p.Migration.Name)
	for _, s := range p.Migration.Statements {
		line("  %s", s.Change.Describe())
	}
	if !p.Rendered() {
		line("holds changes only: its steps are rendered against the live catalog when it runs")
		return b.String()
	}
	line("rendered by %s", p.Server)
	for _, n := range p.Notes {
		line("note [%s]: %s", n.Hazard, n.Text)
		if n.Reason != "" {
			line("  accepted: %s", n.Reason)
		}
	}
	for _, phase := range Phases {
		steps := p.Of(phase)
		filling := phase == PhaseFinish && len(p.Fills) > 0
		if len(steps) == 0 && !filling {
			continue
		}
		if filling {
			b.WriteString("\n")
			line("== backfill: throttled batches, each its own transaction ==")
			for _, f := range p.Fills {
				line("%s.%s: %s follows from %s, in the order of (%s)", f.Schema, f.Table, f.Link.New, f.Link.Old, strings.Join(f.Key, ", "))
			}
			if len(steps) == 0 {
				continue
			}
		}
		b.WriteString("\n")
		line("== %s: %s ==", phase, phaseTitles[phase])
		for i, s := range steps {
			b.WriteString("\n")
			line("%s %d: %s", phase, i+1, s.Title)
			line("%s", s.annotation())
			if s.Undo != "" {
				line("undo: %s", s.Undo)
			}
			s.statements(&b)
		}
	}
	return b.String()
}

// annotation says lock, timeouts and transaction in one line.
func (s Step) annotation() string {
	lock := "no lock on a table in use"
	if s.Lock > 0 {
		lock = "lock: " + s.Lock.String()
		if s.Relation != "" {
			lock += " on " + s.Relation
		}
	}
	limits := "waits for its lock without limit (nobody waits behind it)"
	if s.LockTimeout > 0 {
		limits = "lock_timeout " + s.LockTimeout.String()
	}
	if s.StatementTimeout > 0 {
		limits += ", statement_timeout " + s.StatementTimeout.String()
	}
	tx := "one transaction"
	if !s.InTx {
		tx = "outside a transaction"
	}
	return lock + "; " + limits + "; " + tx
}

func (s Step) statements(b *strings.Builder) {
	if s.InTx {
		b.WriteString("BEGIN;\n")
		if s.LockTimeout > 0 {
			fmt.Fprintf(b, "SET LOCAL lock_timeout = '%dms';\n", s.LockTimeout.Milliseconds())
		}
		if s.StatementTimeout > 0 {
			fmt.Fprintf(b, "SET LOCAL statement_timeout = '%dms';\n", s.StatementTimeout.Milliseconds())
		}
	}
	for _, stmt := range s.All() {
		fmt.Fprintf(b, "%s;\n", stmt)
	}
	if s.InTx {
		b.WriteString("COMMIT;\n")
	}
}
