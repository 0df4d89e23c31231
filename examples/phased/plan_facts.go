package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
)

// onLive renders what a live database does not have yet. It changes nothing there,
// so a file that builds on a pending one cannot be rendered.
func (o *planOptions) onLive(ctx context.Context, c *console, d *directory) error {
	db, err := open(ctx, c, o.dialect, o.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := o.checkVersion(ctx, db, "that database's server"); err != nil {
		return err
	}
	done, err := states(ctx, db)
	if err != nil {
		return err
	}
	touched, before := map[string]string{}, ""
	var errs []error
	for _, f := range d.files {
		if state, ok := done[f.m.Name]; ok && state != expand.StateRolledBack {
			if f.asked {
				fmt.Fprintf(c.err, "%s: the database has it already (it is %s)\n", f.m.Name, state)
			}
			continue
		}
		needs := before
		for _, t := range tables(f.m) {
			if touched[t] != "" {
				needs = touched[t]
			}
		}
		switch {
		case !f.asked:
		case needs != "":
			errs = append(errs, fmt.Errorf("%s builds on %s, which this database does not have yet; run that one's expand phase there first, or plan without -dsn", f.m.Name, needs))
		default:
			if f.plan, err = expand.Render(ctx, db, f.m); err != nil {
				errs = append(errs, err)
			}
		}
		for _, t := range tables(f.m) {
			touched[t] = f.m.Name
		}
		for _, s := range f.m.Statements {
			if s.Change.Kind() == plan.KindAsWritten {
				before = f.m.Name // nobody knows what it touches
			}
		}
	}
	return errors.Join(errs...)
}

func tables(m *expand.Migration) []string {
	var out []string
	for _, s := range m.Statements {
		out = append(out, s.Change.Target().Name)
		if c, ok := s.Change.(expand.RenameTable); ok {
			out = append(out, c.To)
		}
	}
	return out
}

// onScratch renders each file at its turn: behind the dump, or behind the
// directory's earlier migrations.
func (o *planOptions) onScratch(ctx context.Context, c *console, d *directory) error {
	if len(d.asked()) == 0 {
		return nil
	}
	server, err := scratch.SharedOf(ctx, o.dialect)
	if errors.Is(err, scratch.ErrUnavailable) && o.schema == "" {
		fmt.Fprintf(c.err, "the plans hold changes only, their steps are rendered against the live catalog when they run: %s\n", c.masked(err))
		for _, f := range d.asked() {
			f.plan = &expand.Plan{Format: plan.Format, Migration: *f.m}
		}
		return nil
	}
	if err != nil {
		return err
	}
	database, err := server.CreateDatabase(ctx)
	if err != nil {
		return err
	}
	defer database.Drop(context.WithoutCancel(ctx))
	db := database.DirectDB()
	if err := o.checkVersion(ctx, db, "the scratch server"); err != nil {
		return fmt.Errorf("%w; %s names the server binaries to use", err, binaries[o.dialect])
	}

	files := d.files
	if o.schema != "" { // what is not asked for is in the dump
		if files = d.asked(); len(files) > 0 {
			if err := loadDump(ctx, c, o.dialect, database, o.schema); err != nil {
				return err
			}
		}
	}
	r := &replay{db: db}
	for _, f := range files {
		r.migrations = append(r.migrations, f.m)
	}
	if o.schema != "" {
		if err := r.baseline(ctx); err != nil {
			return err
		}
	}
	for i, f := range files {
		if !f.asked {
			continue
		}
		if i > 0 {
			if err := r.until(ctx, files[i-1].m.Name); err != nil {
				return fmt.Errorf("%s: run what comes before it on a scratch server: %w; or take the facts from -dsn or -schema", f.m.Name, err)
			}
		}
		if f.plan, err = expand.Render(ctx, db, f.m); err != nil {
			return err
		}
	}
	return nil
}

func (o *planOptions) checkVersion(ctx context.Context, db *sql.DB, whose string) error {
	if o.version == "" {
		return nil
	}
	name, have, err := server(ctx, db)
	if err == nil && !strings.HasPrefix(have+".", o.version+".") {
		err = fmt.Errorf("-server-version %s: %s is %s %s", o.version, whose, name, have)
	}
	return err
}

// binaries are the variables that name the server to use.
var binaries = map[plan.Dialect]string{
	plan.DialectPostgres: scratch.EnvBin,
	plan.DialectMySQL:    scratch.EnvMySQLBin,
	plan.DialectMariaDB:  scratch.EnvMariaDBBin,
}

// replay brings a scratch database to where it is when a migration's turn comes.
type replay struct {
	db         *sql.DB
	migrations []*expand.Migration
}

func (r *replay) migrator(until string) (*expand.Migrator, error) {
	return expand.New(r.db, nil, expand.Config{App: "phased plan", Migrations: r.migrations, Until: until})
}

func (r *replay) baseline(ctx context.Context) error {
	m, err := r.migrator("")
	if err != nil {
		return err
	}
	return m.Baseline(ctx, expand.BaselineNone)
}

func (r *replay) until(ctx context.Context, name string) error {
	m, err := r.migrator(name)
	if err != nil {
		return err
	}
	if err := m.Up(ctx); err != nil {
		return err
	}
	defer m.Close(context.WithoutCancel(ctx))
	_, err = backfill.Run(ctx, r.db, backfill.Config{}) // tables without rows: it verifies, so that a later file may build on it
	return err
}
