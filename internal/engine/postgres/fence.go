package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/phasedb/phased/internal/engine"
)

// readCommitted comes first where a statement has to see what was committed while
// the one before it waited for a lock, whatever the role's default is.
const readCommitted = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

// fence checks the runner's token and holds the lease row until the transaction
// ends. FOR KEY SHARE: a takeover changes the key and waits, a renewal does not.
func fence(token int64) string {
	return raiseUnless(fmt.Sprintf("SELECT FROM phased.lease WHERE id = 1 AND token = %d FOR KEY SHARE", token), codeLease, "the runner's lease is not ours any more")
}

// raiseUnless is a statement that fails with a condition of ours unless a query gives a row.
func raiseUnless(query, sqlstate, message string) string {
	return "DO " + dollar(fmt.Sprintf(" BEGIN PERFORM %s; IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = '%s', MESSAGE = %s; END IF; END ",
		strings.TrimPrefix(query, "SELECT"), sqlstate, literal("phased: "+message)))
}

// leased runs statements as one transaction in one round trip, behind the check of
// the token. Several statements in one text without arguments are an implicit
// transaction: an error takes everything back, and a client that stops leaves
// nothing idle in a transaction.
func (e *Engine) leased(ctx context.Context, token int64, statements ...string) error {
	_, err := e.db.ExecContext(ctx, strings.Join(append([]string{readCommitted, "SET LOCAL lock_timeout = '5s'", fence(token)}, statements...), ";\n"))
	return leaseError(err)
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
