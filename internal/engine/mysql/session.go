package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"
)

// What a user's pool sets in its sessions (sql_mode, character set, isolation, time
// zone) decides what a statement means. So nothing of ours that depends on it runs
// on a session as it comes: it is pinned first, and set back before it returns to the
// pool. After an error the session is not trusted, and closed.

// pinned says what a session is pinned to, beside what it always is.
type pinned struct {
	lockWait time.Duration // for a metadata lock, whole seconds; default 5 s
	rowWait  time.Duration // for a row, whole seconds; default 5 s
	idle     time.Duration // the server ends the session after so long without a statement; default 10 s
	limit    time.Duration // of one statement, where the server has such a limit; 0: none
	discard  bool          // close the session afterwards, also without an error
}

// strictMode is the sql_mode of all our statements and of every trigger. Strict: what
// does not fit is an error and not a silent change. Dates: any stored value may be
// copied (zero dates too). No ANSI_QUOTES, NO_BACKSLASH_ESCAPES, PIPES_AS_CONCAT or
// PAD_CHAR_TO_FULL_LENGTH.
const strictMode = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"

// setting is a session variable with the value it is pinned to.
type setting struct{ name, value string }

func (e *Engine) settings(p pinned) []setting {
	seconds := func(d, def time.Duration) string {
		if d <= 0 {
			d = def
		}
		return fmt.Sprint(int64(max(1, (d+time.Second-1)/time.Second)))
	}
	s := []setting{
		{"sql_mode", "'" + strictMode + "'"},
		{"time_zone", "'+00:00'"},
		{"character_set_client", "utf8mb4"}, {"character_set_results", "utf8mb4"}, {"collation_connection", "utf8mb4_bin"},
		{"autocommit", "1"}, {"foreign_key_checks", "1"}, {"unique_checks", "1"}, {"sql_safe_updates", "0"}, {"sql_quote_show_create", "1"},
		{"lock_wait_timeout", seconds(p.lockWait, 5*time.Second)},
		{"innodb_lock_wait_timeout", seconds(p.rowWait, 5*time.Second)},
		// A client that is stopped must not sit on locks: the server ends its session.
		{"wait_timeout", seconds(p.idle, 10*time.Second)},
	}
	if e.mariadb() {
		return append(s, setting{"tx_isolation", "'READ-COMMITTED'"}, setting{"check_constraint_checks", "1"},
			setting{"max_statement_time", fmt.Sprintf("%.3f", p.limit.Seconds())})
	}
	return append(s, setting{"transaction_isolation", "'READ-COMMITTED'"}, setting{"max_execution_time", fmt.Sprint(p.limit.Milliseconds())})
}

// with runs fn on a pinned session of its own.
func (e *Engine) with(ctx context.Context, p pinned, fn func(c *sql.Conn) error) error {
	c, err := e.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Close()
	list := e.settings(p)
	var save, set, back []string
	for _, s := range list {
		save = append(save, fmt.Sprintf("@phased_%s = @@SESSION.%[1]s", s.name))
		set = append(set, fmt.Sprintf("SESSION %s = %s", s.name, s.value))
		back = append(back, fmt.Sprintf("SESSION %s = @phased_%[1]s", s.name))
	}
	if _, err = c.ExecContext(ctx, "SET "+strings.Join(save, ", ")+", "+strings.Join(set, ", ")); err != nil {
		discard(c)
		return fmt.Errorf("pin the session's settings: %w", err)
	}
	if err = fn(c); err == nil && !p.discard {
		// Also when ctx has ended meanwhile: what was done is done.
		give, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		if _, failed := c.ExecContext(give, "SET "+strings.Join(back, ", ")); failed == nil {
			return nil
		}
	}
	discard(c)
	return err
}

// discard closes the session instead of giving it back to the pool.
func discard(c *sql.Conn) {
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // its error is what was asked for
}

// transaction runs fn on a pinned session, in one transaction at READ COMMITTED.
func (e *Engine) transaction(ctx context.Context, p pinned, fn func(c *sql.Conn) error) error {
	return e.with(ctx, p, func(c *sql.Conn) error {
		if _, err := c.ExecContext(ctx, "START TRANSACTION"); err != nil {
			return err
		}
		// Without a commit the session is closed, which rolls back.
		if err := fn(c); err != nil {
			return err
		}
		_, err := c.ExecContext(ctx, "COMMIT")
		return err
	})
}

// querier is what a pool, a session and a transaction have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// list reads one column of text.
func list(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
