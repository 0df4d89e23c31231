package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// backend is a session of the server, told from a later one with the same process id
// by its start.
type backend struct {
	pid   int
	start string
}

// backendStart renders the start of a session's row, independent of the asking
// session's settings.
func backendStart(alias string) string {
	return "to_char(" + alias + ".backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
}

// sameBackend finds a session of this database in pg_stat_activity. Of another role's
// the start may be hidden: that counts as found, for what is overlooked does harm.
var sameBackend = `FROM pg_stat_activity a WHERE a.pid = $1 AND a.pid <> pg_backend_pid() AND a.datname = current_database()
	AND (a.backend_start IS NULL OR ` + backendStart("a") + ` = $2)`

// endBackend ends a session and waits until it is gone. An index build whose client
// died goes on in the server, and holds its locks until it has ended.
func (e *Engine) endBackend(ctx context.Context, q querier, b backend) error {
	for begin := time.Now(); ; {
		var role, query string
		var ended bool
		// MATERIALIZED: nothing but what was found is ended.
		err := q.QueryRowContext(ctx, `WITH found AS MATERIALIZED (SELECT a.pid, coalesce(left(a.query, 80), '') AS query `+sameBackend+`)
			SELECT current_user, query, pg_terminate_backend(pid) FROM found`, b.pid, b.start).Scan(&role, &query, &ended)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case code(err) == "42501":
			_ = q.QueryRowContext(ctx, `SELECT current_user`).Scan(&role)
			return fmt.Errorf("end session %d, which an earlier runner left at work: %w; %s", b.pid, err, mayNotEnd(role, fmt.Sprint(b.pid)))
		case err != nil:
			return fmt.Errorf("end session %d, which an earlier runner left at work: %w", b.pid, err)
		case time.Since(begin) > takeoverLimit:
			return fmt.Errorf("session %d, which an earlier runner left at work (%s), does not end; by hand: SELECT pg_terminate_backend(%[1]d)", b.pid, query)
		}
		if err := poll(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the end of session %d: %w", b.pid, err)
		}
	}
}
