// Package engines finds the engine for a database.
package engines

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/mysql"
	"github.com/phasedb/phased/internal/engine/postgres"
)

// Open finds the engine by the driver where that tells, else it asks the server what it
// is, in one round trip. direct leads to the server itself, past any pooler or proxy: on
// PostgreSQL steps outside a transaction run on it, on MySQL and MariaDB, where everything
// needs sessions, all of it does. direct and log may be nil.
func Open(ctx context.Context, db, direct *sql.DB, log *slog.Logger) (engine.Engine, error) {
	t := reflect.TypeOf(db.Driver())
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if path := t.PkgPath(); strings.HasPrefix(path, "github.com/jackc/pgx/") || path == "github.com/lib/pq" {
		return postgres.New(db, direct, log), nil
	}
	var version string
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return nil, fmt.Errorf("ask the server what it is: %w", err)
	}
	switch {
	case strings.HasPrefix(version, "PostgreSQL "):
		return postgres.New(db, direct, log), nil
	case direct != nil && version != "" && version[0] >= '0' && version[0] <= '9':
		return mysql.New(direct, mysql.DialectOf(version), log), nil
	case version != "" && version[0] >= '0' && version[0] <= '9': // "9.7.4", "10.11.19-MariaDB"
		return mysql.New(db, mysql.DialectOf(version), log), nil
	}
	return nil, fmt.Errorf("server %q is not supported: PostgreSQL 13, MySQL 8.4, MariaDB 10.11 or later is", version)
}
