package main

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/expand/plan"
)

var onPostgres = family{
	name:    "PostgreSQL",
	dialect: plan.DialectPostgres,
	release: func(version int) string { return fmt.Sprint(version / 10000) },
	open:    openPostgres,
	texts: statements{
		insert:      `INSERT INTO users (id, COLUMN, name, n) VALUES ($1, $2, $3, 0)`,
		updateEmail: `UPDATE users SET COLUMN = $1, updated_at = now() WHERE id = $2`,
		updateName:  `UPDATE users SET name = $1, n = n + 1, updated_at = now() WHERE id = $2`,
		upsert: `INSERT INTO users (id, COLUMN, name, n) VALUES ($1, $2, $3, 0)
			ON CONFLICT (id) DO UPDATE SET COLUMN = excluded.COLUMN, n = users.n + 1, updated_at = now()`,
		remove: `DELETE FROM users WHERE id = $1`,
		read:   `SELECT COLUMN, name, n FROM users WHERE id = $1`,
	},
	fill:     `INSERT INTO users (id, email, name) SELECT i, 'user' || i || '@example.com', 'User ' || i FROM generate_series($1::bigint, $2::bigint) i`,
	settle:   `VACUUM ANALYZE users`,
	refused:  func(err error) bool { return sqlState(err) != "" },
	noColumn: func(err error) bool { return sqlState(err) == "42703" },
}

func openPostgres(dsn, program string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = program
	return stdlib.OpenDB(*cfg), nil
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
