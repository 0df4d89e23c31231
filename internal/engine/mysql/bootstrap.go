package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// bootstrapTries bounds how often one starter begins anew because others were at it.
const bootstrapTries = 20

// Bootstrap creates the state tables where they are missing. Every statement may be
// run again and by several at once; the server ends some of them in favour of others,
// which then begin anew.
func (e *Engine) Bootstrap(ctx context.Context) error {
	for try := 1; ; try++ {
		err := e.with(ctx, pinned{lockWait: 30 * time.Second, rowWait: 30 * time.Second, idle: time.Minute}, func(c *sql.Conn) error {
			for _, s := range stateTables {
				if _, err := c.ExecContext(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
		switch n := number(err); {
		case err == nil:
			return nil
		case mayNot(err):
			return fmt.Errorf("create phased's tables: %w; %s", err, e.grantWay(ctx))
		case n == errUnknownColumn:
			return fmt.Errorf("create phased's tables: %w; a table that begins with phased_ is not phased's: move it away", err)
		case n == errBinlogStatement:
			return fmt.Errorf("create phased's tables: %w; set binlog_format to ROW or MIXED", err)
		case try < bootstrapTries && (e.Retryable(err) || n == errTableExists || n == errDuplicateEntry || n == errTableDefChanged) && poll(ctx, 20*time.Millisecond) == nil:
			continue
		}
		return fmt.Errorf("create phased's tables: %w", err)
	}
}

// errBinlogStatement: binlog_format is STATEMENT, which READ COMMITTED does not go with.
const (
	errBinlogStatement = 1665
	errTableDefChanged = 1412
)

// grants is what the account needs on the database.
const grants = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW"

// grantWay says who has to grant what.
func (e *Engine) grantWay(ctx context.Context) string {
	var database, account string
	if err := e.db.QueryRowContext(ctx, "SELECT COALESCE(DATABASE(), ''), CURRENT_USER()").Scan(&database, &account); err != nil || database == "" {
		return "GRANT " + grants + " on the database to this account"
	}
	at := strings.LastIndexByte(account, '@')
	// An _ is left as it is, as in most grants: of two that match a database in different
	// writings the server takes one.
	return fmt.Sprintf("as an administrator: GRANT %s ON %s.* TO %s@%s", grants, ident(database), ident(account[:at]), ident(account[at+1:]))
}

// privilege adds what was being done, and the way out where a privilege is missing.
func privilege(err error, doing string) error {
	if mayNot(err) {
		return fmt.Errorf("%s: %w; GRANT %s on this database to the account", doing, err, grants)
	}
	if err == nil || errors.Is(err, engine.ErrLeaseLost) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// poll waits a moment.
func poll(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
