// Package engines finds the engine for a database.
package engines

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/postgres"
)

// Open asks the server what it is. log may be nil.
func Open(ctx context.Context, db *sql.DB, log *slog.Logger) (engine.Engine, error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return nil, fmt.Errorf("ask the server what it is: %w", err)
	}
	if strings.HasPrefix(version, "PostgreSQL ") {
		return postgres.New(db, log), nil
	}
	return nil, fmt.Errorf("server %q is not supported by this release: PostgreSQL 13 or later is", version)
}
