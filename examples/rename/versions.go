package main

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/expand"
)

// Each version of the service embeds the migrations that it knows. The plan files
// beside them are what runs: neither build links a SQL parser.
var (
	//go:embed migrations/0001_create_users.sql migrations/0001_create_users.plan.json
	filesV1 embed.FS
	//go:embed migrations
	filesV2 embed.FS
)

// heartbeat is far shorter than in earnest (10 s), because contract waits for nine of them at least.
const heartbeat = 200 * time.Millisecond

// version is a build of the service: what it knows and the statements it sends.
type version struct {
	name     string
	db       *sql.DB
	migrator *expand.Migrator
	stats    stats

	insert, updateEmail, updateName, upsert, remove, read string
}

func newVersion(name, column, dsn string, files fs.FS) (*version, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = "shop " + name
	v := &version{name: name, db: stdlib.OpenDB(*cfg)}
	if v.migrator, err = expand.New(v.db, files, expand.Config{App: "shop", Version: name, Heartbeat: heartbeat}); err != nil {
		return nil, err
	}
	for at, text := range map[*string]string{
		&v.insert:      `INSERT INTO users (id, COLUMN, name, n) VALUES ($1, $2, $3, 0)`,
		&v.updateEmail: `UPDATE users SET COLUMN = $2, updated_at = now() WHERE id = $1`,
		&v.updateName:  `UPDATE users SET name = $2, n = n + 1, updated_at = now() WHERE id = $1`,
		&v.upsert: `INSERT INTO users (id, COLUMN, name, n) VALUES ($1, $2, $3, 0)
			ON CONFLICT (id) DO UPDATE SET COLUMN = excluded.COLUMN, n = users.n + 1, updated_at = now()`,
		&v.remove: `DELETE FROM users WHERE id = $1`,
		&v.read:   `SELECT COLUMN, name, n FROM users WHERE id = $1`,
	} {
		*at = strings.ReplaceAll(text, "COLUMN", column)
	}
	return v, nil
}

func (v *version) close(ctx context.Context) {
	v.migrator.Close(context.WithoutCancel(ctx))
	v.db.Close()
}
