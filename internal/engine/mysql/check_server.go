package mysql

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// maxRowVersions is how often MySQL adds or drops a column of a table instantly until it
// must be rebuilt; a life with its rollback takes no more than lifeRowVersions.
const (
	maxRowVersions  = 64
	lifeRowVersions = 12
)

// checkVersions looks at how many instant changes MySQL has left for a table.
func (r *resolver) checkVersions(ctx context.Context, s *subject) error {
	if r.e.mariadb() {
		return nil
	}
	var n int
	err := r.c.QueryRowContext(ctx, "SELECT /* phased */ COALESCE(MAX(TOTAL_ROW_VERSIONS), 0) FROM information_schema.INNODB_TABLES WHERE NAME = CONCAT(DATABASE(), '/', ?)", s.Name).Scan(&n)
	if mayNot(err) {
		r.note("row-versions", fmt.Sprintf("whether %s can still be changed %d times without a rebuild is not known: account %s has no PROCESS privilege", s.Name, lifeRowVersions, r.srv.Role))
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for the row versions of %s: %w", s.Name, err)
	}
	if n > maxRowVersions-lifeRowVersions {
		r.problem("row-versions", fmt.Sprintf("columns of %s have been added and dropped instantly %d times since it was built, and the server takes %d", s.Name, n, maxRowVersions),
			fmt.Sprintf("rebuild it first, beside its writers: ALTER TABLE %s FORCE, ALGORITHM=INPLACE, LOCK=NONE", s.sql()))
	}
	return nil
}

// checkServer looks at what would stop every step or every writer.
func (r *resolver) checkServer(ctx context.Context) error {
	if err := r.checkBinlog(ctx); err != nil {
		return err
	}
	return r.checkPrepared(ctx)
}

// checkBinlog: InnoDB refuses writes at READ COMMITTED to a binary log of statements.
func (r *resolver) checkBinlog(ctx context.Context) error {
	var format string
	var on bool
	err := r.c.QueryRowContext(ctx, "SELECT @@GLOBAL.log_bin, @@GLOBAL.binlog_format").Scan(&on, &format)
	if number(err) == errUnknownVariable {
		return nil // a server that knows rows only
	}
	if err != nil {
		return fmt.Errorf("ask for the binary log's format: %w", err)
	}
	if on && strings.EqualFold(format, "STATEMENT") {
		r.problem("binlog-format", "the server writes statements to its binary log (binlog_format = STATEMENT): it refuses the backfill, which runs at READ COMMITTED, and a replica could compute other values than the triggers did",
			"SET GLOBAL binlog_format = ROW (or MIXED), and connect anew")
	}
	return nil
}

// checkPrepared: a prepared transaction keeps its locks until somebody ends it, also when
// its client is gone. The server does not say on which tables.
func (r *resolver) checkPrepared(ctx context.Context) error {
	left, err := leftPrepared(ctx, r.c)
	if err != nil {
		return fmt.Errorf("look for prepared transactions: %w", err)
	}
	for _, x := range left {
		r.hazard("prepared-transaction", fmt.Sprintf("transaction %s is prepared and not ended: if it holds a lock on a table of this migration, every step waits for it", x),
			fmt.Sprintf("end it: XA COMMIT %s or XA ROLLBACK %[1]s", x))
	}
	return nil
}

// checkTriggers looks at other people's triggers: those that assign a synced column, those
// that fire on the backfill's updates, and those that nobody can fire any more.
func (r *resolver) checkTriggers(ctx context.Context, s *subject, column string) error {
	for _, g := range s.Triggers {
		gone, err := r.gone(ctx, g.Definer)
		if err != nil {
			return err
		}
		if gone {
			r.problem("trigger-definer", fmt.Sprintf("trigger %s has the rights of account %s, which does not exist: every statement that fires it fails", g.Name, g.Definer), "create the trigger anew, or the account")
		}
		if g.Before && (g.Insert || g.Update) && assigns(g.Source, column) {
			r.hazard("trigger-assigns-column", fmt.Sprintf("trigger %s assigns %s: it would not see what new code writes to the new column, and what it assigns would count as old code's write", g.Name, column),
				"make it act on both columns, or move the work into the application")
		}
		if g.Update {
			r.hazard("trigger-fires-on-backfill", fmt.Sprintf("trigger %s fires for every row that the backfill updates", g.Name),
				"make it compare the columns it is about (IF NOT (OLD.x <=> NEW.x) THEN …), and accept it")
		}
	}
	return nil
}

// gone reports an account that does not exist. Whoever may not see accounts cannot tell.
func (r *resolver) gone(ctx context.Context, account string) (bool, error) {
	at := strings.LastIndex(account, "@")
	if at < 0 {
		return false, nil
	}
	var n int
	err := r.c.QueryRowContext(ctx, "SELECT /* phased */ COUNT(*) FROM mysql.user WHERE User = ? AND Host = ?", account[:at], account[at+1:]).Scan(&n)
	if mayNot(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for account %s: %w", account, err)
	}
	return n == 0, nil
}

// assigns looks for SET NEW.column = … in a trigger's body. It is a guess on the safe side.
func assigns(source, column string) bool {
	pattern := "(?i)\\bnew\\s*\\.\\s*`?" + regexp.QuoteMeta(column) + "`?\\s*:?=|(?i)\\binto\\s+[^;]*\\bnew\\s*\\.\\s*`?" + regexp.QuoteMeta(column) + "\\b"
	ok, err := regexp.MatchString(pattern, source)
	return ok && err == nil
}
