package contract

import (
	"errors"
	"fmt"
	"strings"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/runner"
)

// Gate is one condition.
type Gate struct {
	Name     string `json:"name"` // stable, see the package documentation
	Met      bool   `json:"met"`
	Skipped  bool   `json:"skipped,omitempty"` // by Config.AssumeGone; Met says what is so all the same
	Sentence string `json:"sentence"`          // what is so
	Way      string `json:"way,omitempty"`     // what would open it, where it is not met
}

// Open reports whether the gate lets through.
func (g Gate) Open() bool { return g.Met || g.Skipped }

// Report is where the contract of one migration stands.
type Report struct {
	Migration string   `json:"migration"`
	State     string   `json:"state"`
	Next      string   `json:"next"` // the half that comes next: "hide", "drop"; "" where none is due or asked for
	Gates     []Gate   `json:"gates,omitempty"`
	Done      []string `json:"done,omitempty"` // what this pass did
}

// Met reports whether something is next and every gate lets it through.
func (r Report) Met() bool {
	for _, g := range r.Gates {
		if !g.Open() {
			return false
		}
	}
	return r.Next != ""
}

// Shut lists the gates that are not met.
func (r Report) Shut() []Gate {
	var out []Gate
	for _, g := range r.Gates {
		if !g.Open() {
			out = append(out, g)
		}
	}
	return out
}

// String shows what was done, what comes next and every gate, the ones that are not
// met with the way to meet them.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s", r.Migration, r.State)
	switch shut := len(r.Shut()); {
	case r.Next == "":
	case shut > 0:
		fmt.Fprintf(&b, "; next: %s the old side, which %d of %d gates do not allow", r.Next, shut, len(r.Gates))
	default:
		fmt.Fprintf(&b, "; next: %s the old side, which every gate allows", r.Next)
	}
	for _, d := range r.Done {
		fmt.Fprintf(&b, "\n  done: %s", d)
	}
	for _, g := range r.Gates {
		b.WriteString("\n" + g.String())
	}
	return b.String()
}

// String is the gate on one line, with the way on a second one where it is not met.
func (g Gate) String() string {
	mark := "met"
	switch {
	case g.Skipped:
		mark = "skipped"
	case !g.Met:
		mark = "NOT MET"
	}
	s := fmt.Sprintf("  %-7s  %-12s  %s", mark, g.Name, indent(g.Sentence))
	if !g.Open() && g.Way != "" {
		s += fmt.Sprintf("\n%25s-> %s", "", indent(g.Way))
	}
	return s
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", 25)) }

// ErrNotMet is what errors.Is finds in a *NotMetError.
var ErrNotMet = errors.New("not every gate is met")

// ErrUnknown: no migration of that name is recorded in the database.
var ErrUnknown = errors.New("no such migration in this database")

// NotMetError refuses the migration that Config.Migration names. Nothing was changed.
type NotMetError struct{ Report Report }

// Error names each gate that is not met, and how to meet it.
func (e *NotMetError) Error() string {
	if e.Report.Next == "" {
		return fmt.Sprintf("contract %s: it is %s, there is nothing to hide or drop", e.Report.Migration, e.Report.State)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "contract %s: the old side cannot be %s yet, nothing was changed:", e.Report.Migration, map[string]string{"hide": "hidden", "drop": "dropped"}[e.Report.Next])
	for _, g := range e.Report.Shut() {
		fmt.Fprintf(&b, "\n  - %s: %s", g.Name, strings.ReplaceAll(g.Sentence, "\n", "\n      "))
		if g.Way != "" {
			b.WriteString("; " + g.Way)
		}
	}
	return b.String()
}

// Is makes the error an ErrNotMet.
func (e *NotMetError) Is(target error) bool { return target == ErrNotMet }

// LockedError says that a step could not get its lock in its time, and who holds it.
type LockedError = runner.LockedError

// PoolerError says that a step needs a session of its own, which a pooler does not give:
// set Config.Direct. Nothing was changed.
type PoolerError = engine.PoolerError
