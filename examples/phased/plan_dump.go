package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

// What a dump says and a scratch server has no use for, or does not know: psql's own
// commands (\restrict), time limits of newer servers, and who owns what. pg_dump
// writes each on a line of its own.
var leftOut = regexp.MustCompile(`^(\\[a-z].*|SET \w+_timeout = .*;|ALTER .* OWNER TO .*;|(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) .*;)\r?$`)

// loadDump runs a plain SQL dump of a schema.
func loadDump(ctx context.Context, c *console, d plan.Dialect, database *scratch.Database, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if d != plan.DialectPostgres {
		return loadMySQLDump(ctx, c, database.DSN, path, string(raw))
	}
	return loadPostgresDump(ctx, c, database.DirectDB(), path, raw)
}

// loadPostgresDump runs it in one transaction.
func loadPostgresDump(ctx context.Context, c *console, db *sql.DB, path string, raw []byte) error {
	if strings.HasPrefix(string(raw), "PGDMP") {
		return fmt.Errorf("%s is not plain SQL; dump with `pg_dump -s`, without -F", path)
	}
	lines := strings.Split(string(raw), "\n")
	skipped := 0
	for i, l := range lines {
		if leftOut.MatchString(l) {
			lines[i] = "" // the line stays, so that numbers in errors are the file's
			skipped++
		}
	}
	text := strings.Join(lines, "\n")
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, text); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Position > 0 {
			at := []rune(text)[:pg.Position-1]
			return fmt.Errorf("load %s: line %d: %w", path, strings.Count(string(at), "\n")+1, err)
		}
		return fmt.Errorf("load %s: %w", path, err)
	}
	// A dump empties the search_path of its session, which goes back to the pool.
	if _, err := conn.ExecContext(ctx, `DISCARD ALL`); err != nil {
		return err
	}
	if skipped > 0 {
		fmt.Fprintf(c.err, "%s: %d lines about owners, privileges, time limits or for psql are left out\n", path, skipped)
	}
	return nil
}
