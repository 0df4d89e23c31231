package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/phasedb/phased/internal/engine"
)

// readCommitted comes first where a statement has to see what was committed while
// the one before it waited for a lock, whatever the role's default is.
const readCommitted = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

// ownSettings begin a transaction on our own tables. Whoever waits in it makes nobody
// wait but others of us, and it may have to wait for a chunk of a backfill.
const ownSettings = readCommitted + "; SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '60s'; " +
	"SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL search_path = ''"

// joined makes one text of statements. The semicolons stand on lines of their own, out
// of reach of a comment at a statement's end.
func joined(statements ...string) string { return strings.Join(statements, "\n;\n") }

// fence checks the runner's token and holds the lease row until the transaction
// ends. FOR KEY SHARE: a takeover changes the key and waits, a renewal does not.
func fence(token int64) string {
	return raiseUnless(fmt.Sprintf("SELECT FROM phased.lease WHERE id = 1 AND token = %d FOR KEY SHARE", token), codeLease, "the runner's lease is not ours any more")
}

// raiseUnless is a statement that fails with a condition of ours unless a query gives a row.
func raiseUnless(query, sqlstate, message string) string {
	return do(fmt.Sprintf("  PERFORM %s;\n  IF NOT FOUND THEN %s; END IF;\n", strings.TrimPrefix(query, "SELECT"), raise(sqlstate, literal(message))))
}

// leased runs statements as one transaction in one round trip, behind the check of
// the token. Several statements in one text without arguments are an implicit
// transaction: an error takes everything back, and a client that stops leaves
// nothing idle in a transaction.
func (e *Engine) leased(ctx context.Context, token int64, statements ...string) error {
	return e.leasedOn(ctx, e.db, token, statements...)
}

// execer is what a pool and a connection have in common.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (e *Engine) leasedOn(ctx context.Context, on execer, token int64, statements ...string) error {
	_, err := on.ExecContext(ctx, joined(append([]string{ownSettings, fence(token)}, statements...)...))
	return leaseError(err)
}

// do is a block of our own, with two variables for what it reads.
func do(body string) string {
	return "DO /* phased */ " + dollar("\n#variable_conflict use_column\nDECLARE \"phased was\" text; \"phased true\" boolean;\nBEGIN\n"+body+"END\n")
}

// raise fails a block with a condition of ours; message is an SQL expression.
func raise(sqlstate, message string) string {
	return fmt.Sprintf("RAISE EXCEPTION USING ERRCODE = '%s', MESSAGE = 'phased: ' || %s", sqlstate, message)
}

// leaseError names a lost lease.
func leaseError(err error) error {
	if code(err) == codeLease {
		return fmt.Errorf("%w (%w)", engine.ErrLeaseLost, err)
	}
	return err
}

// event is a line of the log that people read afterwards.
func event(migration, what, detail string) string {
	return fmt.Sprintf("INSERT INTO phased.event (migration, what, detail) VALUES (%s, %s, %s)", literal(migration), literal(what), literal(detail))
}

// missing reports that the state tables are not there.
func missing(err error) bool { return code(err) == "42P01" || code(err) == "3F000" }

// privilege explains a lack of privileges.
func privilege(err error, doing string) error {
	if code(err) == "42501" {
		return fmt.Errorf("%s: %w; run as the role that owns schema phased, or GRANT ALL ON SCHEMA phased and on its tables to this one", doing, err)
	}
	if err == nil || errors.Is(err, engine.ErrLeaseLost) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}
