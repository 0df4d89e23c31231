package expand

import (
	"errors"
	"fmt"
	"strings"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/runner"
)

// Errors that a caller may branch on, and their types. Each names the way out.
type (
	// RefusedError lists what preflight found in a migration's whole life. Nothing was changed.
	RefusedError = engine.Refused
	// ContractedError refuses a build that may still use an old side which is gone.
	ContractedError = engine.Contracted
	// LockedError says that a step could not get its lock in its time, and who holds it.
	LockedError = runner.LockedError
	// PoolerError says that a step needs a session of its own, which a pooler does not give:
	// set Config.Direct. Nothing was changed.
	PoolerError = engine.PoolerError
)

// ErrUnknown: no migration of that name is recorded in the database.
var ErrUnknown = errors.New("no such migration in this database")

// ErrNoState: nothing of phased is in the database yet.
var ErrNoState = errors.New("phased has not been used in this database yet; run Up first")

// ErrTooLate: the old side is dropped or being dropped; there is no way back.
var ErrTooLate = errors.New("the old side is gone, there is no way back")

// ChecksumError says that a file changed after it was applied.
type ChecksumError struct{ Migration, File, Applied string }

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s.sql changed after it was applied: the file is %s, applied was %s; put the file back as it was and write what you want now as a new migration",
		e.Migration, e.File, e.Applied)
}

// FactsError says that the live catalog is not what a committed plan assumes.
type FactsError struct {
	Migration   string
	Differences []string
}

func (e *FactsError) Error() string {
	return fmt.Sprintf("%s: the database is not what its plan assumes, nothing was changed:\n  - %s\nplan again with `phased plan -write -dsn …` and review it, or set Config.Replan",
		e.Migration, strings.Join(e.Differences, "\n  - "))
}

// ServerError says that a plan was rendered for another server.
type ServerError struct{ Migration, Plan, Server string }

func (e *ServerError) Error() string {
	return fmt.Sprintf("%s: its plan was made for %s, this is %s; plan again with `phased plan -write` against this server, or set Config.Replan", e.Migration, e.Plan, e.Server)
}

// NoWritesError says that nothing can be written here.
type NoWritesError struct{ Database, Server, Why string }

func (e *NoWritesError) Error() string {
	return fmt.Sprintf("database %s on %s cannot be changed: %s; connect to the primary with a role that may write", e.Database, e.Server, e.Why)
}

// BaselineError says that the database has tables but no record of how they came to be.
type BaselineError struct {
	Tables int
	First  string
}

func (e *BaselineError) Error() string {
	return fmt.Sprintf("the database holds %d tables that other means created, and it is not said which migrations they stand for; "+
		"say so once: `phased baseline -dsn … DIR NAME` (everything up to NAME counts as done; NAME %q counts nothing), or Migrator.Baseline", e.Tables, BaselineNone)
}

// OrderError says that a migration needs an earlier one to be further on.
type OrderError struct{ Migration, Needs, Why string }

func (e *OrderError) Error() string {
	return fmt.Sprintf("%s needs %s: %s", e.Migration, e.Needs, e.Why)
}

// NotReadyError says what an instance waits for before it may take traffic.
type NotReadyError struct{ Reasons []string }

func (e *NotReadyError) Error() string { return "not ready: " + strings.Join(e.Reasons, "; ") }

var errNoApp = errors.New("expand: Config.App is empty: contract tells instances apart by it")
