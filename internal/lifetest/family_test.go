package lifetest

import (
	"context"
	"database/sql"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

// family is a kind of server: everything in which the lives on one differ from
// those on another. What is lived through, and what must hold, is the same for all.
type family interface {
	name() string
	// server is the one that this process shares; ownServer is one that a test may crash, ended with the test.
	server(t testing.TB) server
	ownServer(t testing.TB) server
	// open makes a pool for a program, which the server then knows by its name.
	open(dsn, program string) (*sql.DB, error)

	// types are what the column may be; allowed takes out of a shape what the family has no strategy for.
	types() []columnType
	allowed(s shape) shape
	// ddl creates a table of a shape as other means left it, and prepare what else image needs once.
	ddl(s shape, table string) []string
	prepare(s shape) []string
	// literal quotes text; value is a value of the shape's type, and null for nil.
	literal(text string) string
	value(s shape, v *string) string
	// upsert inserts a row with a value, or sets it in the one that is there.
	upsert(s shape, n int, column, value string) string
	// lockRow is the query that locks a row until the transaction ends.
	lockRow(s shape, n int) string
	// image reads those of the columns a, b and a~hidden that are there now, as text; nil: there is no such row.
	image(ctx context.Context, q querier, s shape, n int) (map[string]*string, error)
	// schema describes a table, its own name taken out.
	schema(ctx context.Context, db *sql.DB, table string) (string, error)
	// state is the name of one of phased's own tables.
	state(table string) string

	// tolerated says what became of a client whose statement failed; "": it must not have.
	tolerated(err error) string
	// crossing locks, statement by statement in one transaction, what a step locks in
	// the opposite order. No reader waits for it.
	crossing(s shape, n int) []string
	// patience is how long a step waits for a lock where the programs say lockTimeout.
	patience() time.Duration
	// faults are those that only this family knows, as often as they are drawn; happen lets one of them happen.
	faults() []faultKind
	happen(l *life, what fault)
	// watch makes the server write down from now on who works on the change; journal reads it.
	watch(ctx context.Context, db *sql.DB) error
	journal(ctx context.Context, db *sql.DB) ([]entry, error)
	// cut ends one connection to the database, whosever it is.
	cut(ctx context.Context, db *sql.DB, which int) error
	// hold takes a lock until it is released.
	hold(ctx context.Context, db *sql.DB, l lock) (release func() error, err error)
	// waits is the statement of a program that waits for a lock now; empty: none does.
	waits(ctx context.Context, db *sql.DB, program string) (string, error)
	// delayWalked makes the record of a walk's end take a second; delayed: a program is in it now.
	delayWalked(ctx context.Context, db *sql.DB) error
	delayed(ctx context.Context, db *sql.DB, program string) (bool, error)
}

// columnType is a type and what writers write, as text: values that differ in their stored image.
type columnType struct {
	name   string
	values []string
}

// server makes databases.
type server interface {
	database(ctx context.Context) (a address, drop func(context.Context) error, err error)
	// crash ends the whole server as a crash of it would, and starts it again on the same data.
	crash(ctx context.Context) error
}

// address is where a database is, for programs and for the test's own questions.
type address struct {
	dsn    string
	direct string // past a pooler that the tests may run behind; else dsn
}

// lock is something that a client holds and a step has to wait for.
type lock struct {
	kind  lockKind
	table string
	row   string // the query that locks it
}

type lockKind string

const (
	lockReader lockKind = "reader" // a transaction that has read the table
	lockWriter lockKind = "writer" // a transaction that may write to the table
	lockRow    lockKind = "row"    // one row, for writing
	lockTable  lockKind = "table"  // nobody else may read or write
)

// querier is what a pool and a transaction have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// families are those whose lives are tested; a program is told its own by name.
var families = []family{postgres{}, mysql{plan.DialectMariaDB}, mysql{plan.DialectMySQL}}

// own is what a family may have beside: how the column can be there only, what code
// there has to mind, and transactions in its own SQL.
type own interface {
	choose(t *rapid.T, s shape) shape
	// newWaits: new code begins when the expand phase is over, not before.
	newWaits() bool
	// zero is the default that a NOT NULL column without one has while it is kept in step.
	zero(s shape) string
	// transaction is one of a writer's, with its end.
	transaction(w *writer) error
}

// soakDB names the one family that a soak is for; every family has a few lives where it is not set.
const soakDB = "PHASED_SOAK_DB"

func familyOf(name string) family {
	for _, f := range families {
		if f.name() == name {
			return f
		}
	}
	return nil
}

// eachFamily runs a test on every family. MySQL is left out where there is none.
func eachFamily(t *testing.T, test func(t *testing.T, f family)) {
	for _, f := range families {
		if only := os.Getenv(soakDB); only != "" && only != f.name() {
			continue
		}
		if f.name() == string(plan.DialectMySQL) && !scratch.Available(plan.DialectMySQL) {
			t.Log("no MySQL at hand: left out")
			continue
		}
		t.Run(f.name(), func(t *testing.T) { test(t, f) })
	}
}
