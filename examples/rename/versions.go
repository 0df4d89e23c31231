package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/phasedb/phased/expand"
)

// Each version of the service embeds the migrations that it knows. The plan files
// beside them are what runs: neither build links a SQL parser.
var (
	//go:embed migrations/*/0001_create_users.*
	filesV1 embed.FS
	//go:embed migrations
	filesV2 embed.FS
)

// heartbeat is far shorter than in earnest (10 s), because contract waits for nine of them at least.
const heartbeat = 200 * time.Millisecond

// version is a build of the service: what it knows and the statements it sends.
type version struct {
	name     string
	family   *family
	db       *sql.DB
	migrator *expand.Migrator
	stats    stats
	texts    statements

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // by text
}

func newVersion(name, column string, f *family, dsn string, files fs.FS) (*version, error) {
	v := &version{name: name, family: f, texts: f.texts, prepared: map[string]*sql.Stmt{}}
	for _, text := range []*string{&v.texts.insert, &v.texts.updateEmail, &v.texts.updateName, &v.texts.upsert, &v.texts.remove, &v.texts.read} {
		*text = strings.ReplaceAll(*text, "COLUMN", column)
	}
	var err error
	if v.db, err = f.open(dsn, "shop "+name); err != nil {
		return nil, err
	}
	v.db.SetMaxIdleConns(16)
	cfg := expand.Config{App: "shop", Version: name, Heartbeat: heartbeat, Dir: "migrations/" + string(f.dialect)}
	if v.migrator, err = expand.New(v.db, files, cfg); err != nil {
		v.db.Close()
		return nil, err
	}
	return v, nil
}

// prepare gives the statement of a text, which lives as long as the version, across
// every change of the table.
func (v *version) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.prepared[text]; s != nil {
		return s, nil
	}
	s, err := v.db.PrepareContext(ctx, text)
	if err == nil {
		v.prepared[text] = s
	}
	return s, err
}

// exec sends a statement.
func (v *version) exec(ctx context.Context, text string, args ...any) error {
	s, err := v.prepare(ctx, text)
	if err == nil {
		_, err = s.ExecContext(ctx, args...)
	}
	return err
}

// get reads one row.
func (v *version) get(ctx context.Context, id int64) (r row, err error) {
	s, err := v.prepare(ctx, v.texts.read)
	if err == nil {
		err = s.QueryRowContext(ctx, id).Scan(&r.email, &r.name, &r.n)
	}
	return r, err
}

// close stops the version: it gives its name back and its connections up.
func (v *version) close(ctx context.Context) error {
	return errors.Join(v.migrator.Close(context.WithoutCancel(ctx)), v.db.Close())
}
