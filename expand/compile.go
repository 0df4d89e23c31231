package expand

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Compile renders every migration of a directory, in name order, each against the
// database that the ones before it make: db has to be empty, a scratch one. It reads
// the .sql files with cfg.Parser and passes over plan files. What comes back is what
// belongs into NAME.plan.json.
//
// A migration whose contract line an earlier or later file of the directory carries
// counts as contracted for those behind it; any other is in flight for them.
func Compile(ctx context.Context, db *sql.DB, fsys fs.FS, cfg Config) ([]*Plan, error) {
	if cfg.Parser == nil {
		return nil, errors.New("compile: Config.Parser is nil: plan files are made from SQL")
	}
	if cfg.App == "" {
		cfg.App = "phased plan"
	}
	cfg.Replan = true
	all, err := New(db, sqlOnly{fsys}, cfg)
	if err != nil {
		return nil, err
	}
	var out []*Plan
	for _, name := range all.Names() {
		cfg.Until = name
		m, err := New(db, sqlOnly{fsys}, cfg)
		if err != nil {
			return nil, err
		}
		p, err := m.Plan(ctx, name)
		if err != nil {
			return out, err
		}
		out = append(out, p)
		if err := errors.Join(m.Up(ctx), m.Close(ctx)); err != nil {
			return out, fmt.Errorf("go on from %s: %w", name, err)
		}
	}
	return out, nil
}

// sqlOnly hides plan files.
type sqlOnly struct{ fs.FS }

// ReadDir leaves plan files out.
func (s sqlOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	var out []fs.DirEntry
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), planSuffix) {
			out = append(out, e)
		}
	}
	return out, err
}

// ReadFile does not find plan files.
func (s sqlOnly) ReadFile(name string) ([]byte, error) {
	if strings.HasSuffix(name, planSuffix) {
		return nil, fs.ErrNotExist
	}
	return fs.ReadFile(s.FS, name)
}
