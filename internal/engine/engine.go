// Package engine is the seam between what phased does and how a server does it.
// Everything that differs between PostgreSQL, MySQL and MariaDB stands behind
// Engine: catalog, rendering, composing the sync, state tables, running a step,
// filling a chunk, evidence. Life cycle, gates, retries and wording stand above.
package engine

import (
	"context"
	"errors"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// Engine is one server as phased uses it.
type Engine interface {
	Dialect() plan.Dialect
	// Server describes the server and the connected role, in one round trip.
	Server(ctx context.Context) (*Server, error)

	Planner
	Store
	Lease
	Runner
	Filler
	Witness
	Classifier
}

// Server is what a connection says about itself.
type Server struct {
	Version  int    // as server_version_num counts: 150018
	Name     string // "PostgreSQL 15.18"
	Database string
	Role     string
	// NoWrites says why nothing can be written here ("is a replica"); empty: it can.
	NoWrites string
}

// Planner turns changes into steps.
type Planner interface {
	// Resolve renders a migration against the live catalog and checks its whole
	// life (preflight). It changes nothing. links are the pairs in flight.
	// Problems come back as *plan.InputError or *Refused.
	Resolve(ctx context.Context, m *plan.Migration, links []plan.Link) (*plan.Plan, error)
	// Direct gives a migration as plain statements, for a database without rows and
	// without old code.
	Direct(m *plan.Migration) []string
	// Loss names what a rollback would lose because it has no old side.
	Loss(ctx context.Context, p *plan.Plan) ([]string, error)
	// Compose gives the statements that make the sync of a table exactly links,
	// oldest first; none: it is removed.
	Compose(schemaName, table string, links []plan.Link) []string
}

// Refused lists why a migration is not run. Nothing has been changed.
type Refused struct {
	Migration string
	Problems  []Problem
}

// Problem is one reason, with its place and the way out.
type Problem struct {
	Where  string // "0007.sql:3: statement 2"
	Hazard string // stable name, for -- phased:accept where Accept is true
	Text   string
	Way    string
	Accept bool // the author may accept it
}

// State is where a migration stands in its life.
type State string

// The states. Done ends an additive change; Baseline counts as done.
const (
	StateExpanding   State = "expanding"
	StateExpanded    State = "expanded"
	StateBackfilling State = "backfilling"
	StateVerified    State = "verified"
	StateHidden      State = "hidden"
	StateDropping    State = "dropping"
	StateDropped     State = "dropped"
	StateComplete    State = "complete"
	StateRollingBack State = "rolling-back"
	StateRolledBack  State = "rolled-back"
	StateBaseline    State = "baseline"
)

// Migration is a row of the state table.
type Migration struct {
	Name     string
	Checksum string
	State    State
	Paused   bool
	Reason   string // of the last rollback, force or assumption
	Contract bool   // its plan has something to remove
	Fills    bool   // its plan fills something
	StateAt  time.Time
	HiddenAt time.Time
	// HiddenAgo is the time since HiddenAt by the database's clock; 0 while it is not hidden.
	HiddenAgo time.Duration
}

// Overview is everything a start has to know, read in one round trip.
type Overview struct {
	Fresh      bool // the database was empty when phased first came, and is still being set up
	Tables     int  // of others, when phased first came
	Baseline   bool // somebody said what counts as done
	Migrations []Migration
	Server     Server
}

// Find returns the migration of that name, or nil.
func (o *Overview) Find(name string) *Migration {
	for i := range o.Migrations {
		if o.Migrations[i].Name == name {
			return &o.Migrations[i]
		}
	}
	return nil
}

// ErrNoState says that the state tables do not exist.
var ErrNoState = errors.New("phased has no tables in this database yet")

// ErrLeaseLost says that another runner has taken over; nothing of this step was done.
var ErrLeaseLost = errors.New("another runner has taken over")

// StepRecord is what the state tables say about a step.
type StepRecord struct {
	N        int
	Phase    plan.Phase
	Title    string
	Done     bool
	DoneAt   time.Time
	Attempts int
	Error    string
}

// Store is the state in the user's database.
type Store interface {
	// Overview reads the state; ErrNoState where there is none.
	Overview(ctx context.Context) (*Overview, error)
	// Bootstrap creates the state tables where they are missing; safe when many do it at once.
	Bootstrap(ctx context.Context) error
	// Begin records a migration, its plan, steps, fills and first state.
	Begin(ctx context.Context, token int64, p *plan.Plan, s State) error
	// Mark sets a migration's state, with a reason that goes into the event log.
	// from bounds the states it may come from; none: any.
	Mark(ctx context.Context, token int64, name string, s State, reason string, from ...State) error
	// MarkBaseline records migrations as done without running them.
	MarkBaseline(ctx context.Context, token int64, names, checksums []string) error
	// Settle ends the set-up of a database that was empty.
	Settle(ctx context.Context, token int64) error
	// Forget removes the record of a rolled-back migration, so that it can run again.
	Forget(ctx context.Context, token int64, name string) error
	// Pause stops and starts a migration's backfill and contract by hand; name "" is all.
	Pause(ctx context.Context, name string, paused bool) (int, error)
	// Plan reads the stored plan of a migration; nil where it has none.
	Plan(ctx context.Context, name string) (*plan.Plan, error)
	Steps(ctx context.Context, name string) ([]StepRecord, error)
	// Links reads the pairs in flight, oldest first, of one table or ("", "") of all.
	Links(ctx context.Context, schemaName, table string) ([]plan.Link, error)
	Events(ctx context.Context, name string, limit int) ([]Event, error)

	// Register records a running instance. A contracted migration whose line the
	// instance lacks refuses it: *Contracted. It locks the row that hiding locks.
	Register(ctx context.Context, in Instance) error
	// Heartbeat keeps the instance alive and returns contracted migrations whose line it lacks.
	Heartbeat(ctx context.Context, id string) ([]string, error)
	Deregister(ctx context.Context, id string) error
	Instances(ctx context.Context) ([]Instance, error)
}

// Contracted refuses an instance: the old side it may still use is gone.
type Contracted struct{ Migrations []string }

// Event is a line of the event log.
type Event struct {
	At        time.Time
	Migration string
	What      string
	Detail    string
}

// Instance is a running process of a service. Ages are measured by the
// database's clock, so a wrong client clock does no harm.
type Instance struct {
	ID, App, Version, Host string
	PID                    int
	Lines                  []string      // contract lines it embeds
	Lifetime               time.Duration // it counts as alive so long after a heartbeat

	Started time.Time     // filled by Instances
	SeenAgo time.Duration // since its last sign of life
	Alive   bool
	Stopped bool // said goodbye
}

// Lease is the claim of the one runner.
type Lease interface {
	// Acquire tries once. ok is false while somebody else holds the lease; holder
	// says who. With force it takes the lease from a live holder. Before it
	// returns true it has ended the previous holder's own connection, if that was
	// left at work, and waited until it was gone.
	Acquire(ctx context.Context, holder string, ttl time.Duration, force bool) (token int64, current string, ok bool, err error)
	Renew(ctx context.Context, token int64, ttl time.Duration) error
	Release(ctx context.Context, token int64) error
}

// StepRun is a step about to run.
type StepRun struct {
	Token     int64
	Migration string
	N         int // index into the plan's steps
	Step      plan.Step
	// State is set together with the step's record; empty: unchanged.
	State State
	// Prelude runs first in the step's transaction: a gate asked once more.
	Prelude []string
	// LockTimeout replaces the step's own; 0: unchanged.
	LockTimeout time.Duration
	Reason      string // for the event log, with State
}

// Runner runs steps.
type Runner interface {
	// Done asks the catalog whether what the step does is already true. A step
	// without a question answers false.
	Done(ctx context.Context, s plan.Step) (bool, error)
	// CanRun asks whether steps can run over the pools at hand; *PoolerError says what is
	// missing. It changes nothing.
	CanRun(ctx context.Context, steps []plan.Step) error
	// Run runs a step once and records it. InTx: one transaction, one round trip.
	Run(ctx context.Context, r StepRun) error
	// Record marks a step as done that was found to be true already.
	Record(ctx context.Context, r StepRun) error
	// Holders lists who holds a lock on a relation that a step had to wait for.
	Holders(ctx context.Context, relation string) ([]Holder, error)
	// RunDirect runs a plan's Direct statements and records the migration in state s.
	RunDirect(ctx context.Context, token int64, p *plan.Plan, s State) error
}

// Holder is a session that holds a lock on a table.
type Holder struct {
	PID         int
	Application string
	Role        string
	Mode        string
	State       string
	Age         time.Duration // of its transaction
	Query       string        // shortened
	Autovacuum  bool
	Prepared    string // the name of a prepared transaction
}

// Fill is a row of the backfill's state table.
type Fill struct {
	ID        string
	Migration string
	Spec      plan.Fill
	State     FillState
	Life      State // of its migration
	Paused    bool
	Cursor    []string // key of the last row done, as text; nil: at the beginning
	Upper     []string // last key when the walk began
	Seen      int64    // rows looked at
	Filled    int64    // rows brought in step
	Chunks    int64
	Estimate  int64 // rows in the table, roughly
	Poison    int64 // rows that could not be brought in step
	Pass      int   // 1 is the walk; later ones repair what verification found
	Worker    string
	Claimed   bool // a worker's lease on it is running
	LastError string
	Started   time.Time
	Updated   time.Time
	Elapsed   time.Duration // from Started to Updated, by the database's clock

	// Walk is what the engine keeps about the walk from Start on; nobody else looks at it.
	Walk any
}

// FillState is where a fill stands.
type FillState string

// The states of a fill. Walked: every row was visited; Complete: and a
// verification found no row out of step.
const (
	FillPending   FillState = "pending"
	FillRunning   FillState = "running"
	FillWalked    FillState = "walked"
	FillComplete  FillState = "complete"
	FillCancelled FillState = "cancelled"
)

// Range is a piece of a walk: the rows with From < key <= To in key order.
type Range struct {
	From []string // nil: from the beginning
	To   []string
	Rows int64 // in it, when it was cut
	Last bool  // nothing of the walk lies behind it
}

// ChunkResult is what one transaction of a backfill did.
type ChunkResult struct {
	Seen, Filled int64
	// Held is for how long the rows were locked, at most: what the pace goes by. 0: the
	// whole call.
	Held time.Duration
}

// PoisonRow is a row that could not be brought in step.
type PoisonRow struct {
	Fill  string
	Key   []string
	Error string
}

// Filler is the backfill's hands.
type Filler interface {
	Fills(ctx context.Context) ([]Fill, error)
	// Claim takes or extends the lease on a fill for a worker; 0: somebody else has it.
	Claim(ctx context.Context, id, worker string, ttl time.Duration) (token int64, err error)
	// Unclaim gives the fill back.
	Unclaim(ctx context.Context, id string, token int64) error
	// Start fixes the walk's upper end and size where that has not been done.
	Start(ctx context.Context, id string, token int64) (*Fill, error)
	// Next cuts the next range of at most limit rows behind from; nil: the walk is at its end.
	Next(ctx context.Context, f *Fill, from []string, limit int) (*Range, error)
	// Write brings the rows of a range in step and moves the cursor to its end, in
	// one transaction that also checks the token. ErrLeaseLost when it is not valid,
	// the fill is paused or cancelled, or stands elsewhere than where the range
	// begins. f is brought up to date, by Skip too.
	Write(ctx context.Context, f *Fill, token int64, r Range, timeout time.Duration) (ChunkResult, error)
	// Skip records a row that cannot be written and moves the cursor over it.
	Skip(ctx context.Context, f *Fill, token int64, r Range, cause string) error
	// Mend tries a poison row again and removes its record when it
	// is in step, gone, or could be written now.
	Mend(ctx context.Context, f *Fill, token int64, key []string, timeout time.Duration) error
	// Note records why a fill does not go on; "" that it does.
	Note(ctx context.Context, id string, token int64, reason string) error
	// Walked records the end of a pass; Repeat begins the next one at the start.
	Walked(ctx context.Context, id string, token int64) error
	Repeat(ctx context.Context, id string, token int64) error
	// OutOfStep counts the rows that are out of step, all of them, now.
	OutOfStep(ctx context.Context, l plan.Link) (int64, error)
	// Verified records a verification's result; with 0 rows the fill is complete.
	Verified(ctx context.Context, id string, token int64, outOfStep int64) error
	Poisoned(ctx context.Context, id string, limit int) ([]PoisonRow, error)
}

// SyncHealth says whether the sync of a table is what it should be.
type SyncHealth struct {
	OK      bool
	Problem string
	Way     string
}

// Evidence is a sign of use of an old side.
type Evidence struct {
	Kind       string // "writes", "reads"
	Available  bool   // the server can tell
	Why        string // where it cannot: why, and what would make it so
	Value      string
	ChangedAgo time.Duration // since a change of the value was noticed, by the database's clock
	Sample     string        // a statement that used it
}

// Witness answers the gates' questions.
type Witness interface {
	// Evidence looks at the counters now and says how long each has been still. It
	// changes nothing: one that was never remembered, or differs from what was
	// remembered, has been still for no time at all.
	Evidence(ctx context.Context, p *plan.Plan) ([]Evidence, error)
	// Remember keeps what Evidence saw, from which the next look counts.
	Remember(ctx context.Context, p *plan.Plan, seen []Evidence) error
	// Health checks the sync of every table of the plan: there, enabled, last, unaltered.
	Health(ctx context.Context, p *plan.Plan) (SyncHealth, error)
	// Invalid lists constraints and indexes of the new side that are missing or not valid.
	Invalid(ctx context.Context, p *plan.Plan) ([]string, error)
	// Dependents lists objects that the old side's removal would break or drop.
	Dependents(ctx context.Context, p *plan.Plan) ([]schema.Dependent, error)
	// Prepared lists prepared transactions that hold a lock on a table of the plan.
	Prepared(ctx context.Context, p *plan.Plan) ([]string, error)
	// RegisterGuard gives statements for StepRun.Prelude that lock the register and
	// fail when an instance without the line was seen within soak.
	RegisterGuard(migration string, soak time.Duration) []string
	// FirstContract reports whether nothing was ever contracted in this database,
	// and the applications seen so far.
	FirstContract(ctx context.Context) (first bool, apps []string, err error)
}

// Classifier tells errors apart.
type Classifier interface {
	// LockTimeout: the statement gave up waiting for a lock; nothing was changed.
	LockTimeout(err error) bool
	// Retryable: nothing was changed and another try may go through (deadlock,
	// serialization, cancelled in favour of recovery, too many connections).
	Retryable(err error) bool
	// Disconnected: the connection broke; what was sent may have been done.
	Disconnected(err error) bool
	// GuardRefused: a Prelude said no.
	GuardRefused(err error) (detail string, ok bool)
	// RowError: the row's own content is at fault (a constraint, an expression that raises).
	RowError(err error) bool
}
