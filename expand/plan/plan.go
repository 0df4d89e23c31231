package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/phasedb/phased/internal/schema"
	"github.com/phasedb/phased/lockcheck"
)

// Dialect names a family of servers.
type Dialect string

// The families of servers.
const (
	DialectPostgres Dialect = "postgres" // PostgreSQL, from version 13 on
	DialectMySQL    Dialect = "mysql"    // MySQL, from version 8.4 on
	DialectMariaDB  Dialect = "mariadb"  // MariaDB, from version 10.11 on
)

// Format is the version of the plan file's form.
const Format = 1

// Phase is a position in the life of a change.
type Phase string

// The phases, in the order in which they run. Undo is the way back, from any of
// the others until PhaseDrop begins.
const (
	PhaseExpand Phase = "expand" // additive; old and new code both work afterwards
	PhaseFinish Phase = "finish" // after the backfill: indexes and constraints of the new side
	PhaseHide   Phase = "hide"   // first half of contract: the old side is renamed away
	PhaseDrop   Phase = "drop"   // second half of contract: irreversible
	PhaseUndo   Phase = "undo"   // rollback
)

// Phases lists the phases in order.
var Phases = []Phase{PhaseExpand, PhaseFinish, PhaseHide, PhaseDrop, PhaseUndo}

// Step is one unit of work together with everything needed to run it safely:
// one statement, or several that belong into one transaction.
type Step struct {
	Phase      Phase    `json:"phase"`
	Change     int      `json:"change"`     // the number of the change it belongs to, from 1
	Title      string   `json:"title"`      // what it does, one sentence
	Statements []string `json:"statements"` // without semicolons at their ends

	Lock     lockcheck.LockMode `json:"lock"`               // strongest lock on a table in use
	Relation string             `json:"relation,omitempty"` // the table that is locked, quoted and qualified
	// LockTimeout bounds each wait for a lock; 0 only where waiting blocks nobody.
	LockTimeout time.Duration `json:"lock_timeout"`
	// StatementTimeout bounds each statement; 0 where the work grows with the table and blocks nobody.
	StatementTimeout time.Duration `json:"statement_timeout"`
	// InTx says that the step, the check of the runner's lease and the record that
	// it is done are one transaction. False where the server forbids it (CREATE
	// INDEX CONCURRENTLY) or the step may take long (VALIDATE CONSTRAINT).
	InTx bool `json:"in_tx"`
	// Undo is what takes the step back, in words or SQL; empty when nothing can.
	Undo string `json:"undo,omitempty"`
	// Done is a query that gives one boolean: is what this step does already true?
	Done string `json:"done,omitempty"`
	// Check is a query that must give true right before the step runs, on its own
	// session; else the step fails and nothing was changed. For DDL that no transaction
	// protects.
	Check string `json:"check,omitempty"`
	// Index names the index that the step builds, quoted and qualified, so that an
	// invalid leftover can be found and dropped first.
	Index string `json:"index,omitempty"`
	// Sync says that the step changes which columns of a table are kept in step. The
	// statements for that are not among Statements: they are composed when the step
	// runs, from every change in flight (All shows them as they were at plan time).
	Sync *SyncStep `json:"sync,omitempty"`
	// UserPath says that the statement is the user's own and runs under the
	// connection's search_path.
	UserPath bool `json:"user_path,omitempty"`
}

// SyncStep changes the composed sync of a table.
type SyncStep struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Add    *Link  `json:"add,omitempty"`    // a pair to keep in step from now on
	Remove string `json:"remove,omitempty"` // the ID of a pair to leave alone from now on
	Hide   string `json:"hide,omitempty"`   // the ID of a pair whose old column gets its hidden name
	Show   string `json:"show,omitempty"`   // the reverse
	// Swap is the ID of a pair whose old column is about to change its name between its
	// own and the hidden one, or whose new column is about to be dropped: from now on the
	// sync works before and after. To says what comes. For servers that cannot change a
	// column and a trigger in one transaction.
	Swap string `json:"swap,omitempty"`
	To   NameTo `json:"to,omitempty"`
	// At is the position of the composed statements among the step's own.
	At int `json:"at"`
	// Composed are the composed statements as they were when the plan was rendered,
	// for readers and other tools.
	Composed []string `json:"composed,omitempty"`
}

// NameTo says what is about to become of a pair.
type NameTo string

// The two names that an old column may get, and the end of the new one.
const (
	NameHidden NameTo = "hidden"
	NameShown  NameTo = "shown"
	NameGone   NameTo = "gone"
)

// Link is a pair of columns that are kept in step by value: the old side and the
// new side of one change.
type Link struct {
	ID        string `json:"id"` // unique in the database: "0007_rename_email/1"
	Migration string `json:"migration"`
	Schema    string `json:"schema"`
	Table     string `json:"table"`
	Old       string `json:"old"`
	New       string `json:"new"`
	Hidden    string `json:"hidden"` // the old column's name once it is hidden
	// Shown is the old column's own name while Old is the hidden one: expressions use it.
	Shown   string `json:"shown,omitempty"`
	Type    string `json:"type"` // of the new column
	OldType string `json:"old_type"`
	Up      string `json:"up,omitempty"`   // expression over the old column; empty: as it is
	Down    string `json:"down,omitempty"` // expression over the new column; empty: as it is
	// ImageEqual says that the type's = is identity.
	ImageEqual bool `json:"image_equal,omitempty"`
	// Swap says that the old column is about to get that name, or the new one to be
	// dropped: the sync looks what is there.
	Swap NameTo `json:"swap,omitempty"`
	// Early says that new code does not run yet: what an insert leaves in the new column
	// says nothing, because its default is about to change.
	Early bool `json:"early,omitempty"`
	// Default is the constant default of the new column, as the sync compares it; empty: none.
	Default string `json:"default,omitempty"`
	// Temporary says that the new column has that default only while both are kept in step.
	Temporary bool `json:"temporary,omitempty"`
	// Evidence is the sequence that counts writes from the old side, quoted and qualified.
	Evidence string `json:"evidence,omitempty"`
	// Serialize makes inserts of the same value wait for each other.
	Serialize bool `json:"serialize,omitempty"`
}

// Fill says what a backfill does: bring every row of a table in step for one link.
type Fill struct {
	Link   Link     `json:"link"`
	Key    []string `json:"key"` // columns of the keyset walk
	Schema string   `json:"schema"`
	Table  string   `json:"table"`
}

// Require bounds the server versions a plan was rendered for, as
// server_version_num counts them; 0 is unbounded.
type Require struct {
	MinVersion int `json:"min_version,omitempty"`
	MaxVersion int `json:"max_version,omitempty"`
}

// Note is something that preflight saw and that does not stop the change.
type Note struct {
	Hazard string `json:"hazard"`
	Text   string `json:"text"`
	Reason string `json:"reason,omitempty"` // why the author accepts it
}

// Plan is a migration with its rendered steps and the catalog facts they rest on.
type Plan struct {
	Format    int       `json:"format"`
	Migration Migration `json:"migration"`
	// Facts and what follows are missing in a plan that holds changes only.
	Dialect Dialect         `json:"dialect,omitempty"`
	Server  string          `json:"server,omitempty"` // that rendered it, for readers
	Require Require         `json:"require,omitzero"`
	Facts   *schema.Catalog `json:"facts,omitempty"`
	Notes   []Note          `json:"notes,omitempty"`
	Steps   []Step          `json:"steps,omitempty"`
	Fills   []Fill          `json:"fills,omitempty"`
	// Direct is the change as plain statements, for a database without rows and
	// without old code.
	Direct []string `json:"direct,omitempty"`
}

// All returns the step's statements together with the composed ones in their place.
func (s Step) All() []string {
	if s.Sync == nil {
		return s.Statements
	}
	at := min(s.Sync.At, len(s.Statements))
	out := append([]string{}, s.Statements[:at]...)
	out = append(out, s.Sync.Composed...)
	return append(out, s.Statements[at:]...)
}

// Rendered reports whether the plan holds steps, not only changes.
func (p *Plan) Rendered() bool { return p.Facts != nil }

// Of returns the steps of one phase, in order.
func (p *Plan) Of(phase Phase) []Step {
	var out []Step
	for _, s := range p.Steps {
		if s.Phase == phase {
			out = append(out, s)
		}
	}
	return out
}

// Relation is the quoted name of the table that a change of this plan works on, as
// its steps name it.
func (p *Plan) Relation(c Change) string {
	for i, s := range p.Migration.Statements {
		if s.Change != c {
			continue
		}
		for _, step := range p.Steps {
			if step.Change == i+1 && step.Relation != "" {
				return step.Relation
			}
		}
	}
	return ""
}

// Contracts reports whether anything is left to remove once old code is gone.
func (p *Plan) Contracts() bool { return len(p.Of(PhaseHide))+len(p.Of(PhaseDrop)) > 0 }

// Links returns the pairs of columns that the plan keeps in step.
func (p *Plan) Links() []Link {
	var out []Link
	for _, s := range p.Steps {
		if s.Sync == nil || s.Sync.Add == nil || s.Phase != PhaseExpand {
			continue
		}
		out = slices.DeleteFunc(out, func(l Link) bool { return l.ID == s.Sync.Add.ID }) // an early one
		out = append(out, *s.Sync.Add)
	}
	return out
}

// Encode writes the plan as indented JSON that ends with a newline.
func (p *Plan) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", p.Migration.Name, err)
	}
	return append(b, '\n'), nil
}

// Decode reads what Encode wrote. A later format is refused.
func Decode(b []byte) (*Plan, error) {
	var p Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	if p.Format != Format {
		return nil, fmt.Errorf("read plan %s: format %d, this build knows %d; plan again with `phased plan -write`", p.Migration.Name, p.Format, Format)
	}
	return &p, nil
}
