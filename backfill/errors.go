package backfill

import (
	"errors"
	"fmt"
	"strings"

	"github.com/phasedb/phased/internal/engine"
)

// PoisonError says that rows cannot be brought in step. Every other row has been
// visited (up to a thousand such rows). Contract stays shut while there is one.
type PoisonError struct {
	Migration string
	Table     string // with its schema, where the database has schemas
	Column    string // the new one
	Rows      int64
	Key       []string // of the first one
	Cause     string   // its error
}

// Error names the first row, and the way out.
func (e *PoisonError) Error() string {
	return fmt.Sprintf("backfill %s: %s.%s: %d rows cannot be written, first the one with the key %s: %s; "+
		"mend or delete these rows (all keys are in phased.poison, or phased_poison on MySQL and MariaDB), then run the backfill again",
		e.Migration, e.Table, e.Column, e.Rows, engine.KeyText(e.Key), strings.TrimSuffix(e.Cause, "\n"))
}

// tableName is a table with its schema, where it has one: on MySQL and MariaDB the
// connection's database decides.
func tableName(schema, table string) string {
	if schema == "" {
		return table
	}
	return schema + "." + table
}

// ThrottleError says that a throttle stopped the backfill: it did not say wait, it failed.
type ThrottleError struct {
	Migration string
	Err       error
}

// Error gives the throttle's own error.
func (e *ThrottleError) Error() string {
	return fmt.Sprintf("backfill %s: stopped by a throttle: %v", e.Migration, e.Err)
}

// Unwrap returns the throttle's error.
func (e *ThrottleError) Unwrap() error { return e.Err }

// PoolerError says that a step needs a session of its own, which a pooler does not give:
// set Config.Direct. Nothing was changed.
type PoolerError = engine.PoolerError

// errStopped ends the work on a fill quietly: the claim is somebody else's, or the
// migration is paused or taken back.
var errStopped = errors.New("the backfill is paused, taken back, or another worker's")

// errWaiting: this fill is walked, and others of its migration are not.
var errWaiting = errors.New("other backfills of the migration are not at their end")
