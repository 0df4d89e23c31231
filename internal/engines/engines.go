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
	"github.com/phasedb/phased/internal/engine/postgres"
)

// Open finds the engine by the driver, without a round trip; where the driver is
// not known (a wrapper), it asks the server what it is. log may be nil.
func Open(ctx context.Context, db *sql.DB, log *slog.Logger) (engine.Engine, error) {
	t := reflect.TypeOf(db.Driver())
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if path := t.PkgPath(); strings.HasPrefix(path, "github.com/jackc/pgx/") || path == "github.com/lib/pq" {
		return postgres.New(db, log), nil
	}
	var version string
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return nil, fmt.Errorf("ask the server what it is: %w", err)
	}
	if strings.HasPrefix(version, "PostgreSQL ") {
		return postgres.New(db, log), nil
	}
	return nil, fmt.Errorf("server %q is not supported by this release: PostgreSQL 13 or later is", version)
}
