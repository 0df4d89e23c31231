package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/phasedb/phased/expand"
)

var upCommand = &command{
	name: "up", args: "DIR", short: "run the expand phase of everything pending",
	long: `
Runs the expand phase of every migration in DIR that the database does not have yet.
Afterwards old and new code both work. Everything is checked before anything is touched;
after any error, running it again is the way on. A plan file beside a migration is what
runs, exactly as it was reviewed.`,
	setup: func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		dsn, direct := dsnFlag(fs), directFlag(fs)
		until := fs.String("until", "", "stop behind the migration of that `name`")
		replan := fs.Bool("replan", false, "where the database is not what a plan assumes, plan anew instead of stopping")
		verbose := fs.Bool("v", false, "say each step")
		return func(ctx context.Context, c *console, args []string) error {
			if err := exactly(args, "DIR"); err != nil {
				return err
			}
			db, err := dsn(ctx, c)
			if err != nil {
				return err
			}
			defer db.Close()
			past, err := direct(ctx, c)
			if err != nil {
				return err
			}
			defer closeAll(past)
			m, err := migrator(db, args[0], expand.Config{Until: *until, Direct: past, Replan: *replan, Logger: c.logger(*verbose)})
			if err != nil {
				return err
			}
			before, err := states(ctx, db)
			if err != nil {
				return err
			}
			if err := m.Up(ctx); err != nil {
				return err
			}
			defer m.Close(context.WithoutCancel(ctx))
			return printChanges(ctx, c, m, args[0], before)
		}
	},
}

// migrator reads DIR. The command counts as an instance of the app "phased".
func migrator(db *sql.DB, dir string, cfg expand.Config) (*expand.Migrator, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, badUsage("%s is not a directory", dir)
	}
	cfg.App, cfg.Version, cfg.Parser = "phased", "command line", parserOf(speaks(db))
	return expand.New(db, os.DirFS(dir), cfg)
}

// states is where each migration stands; none where phased has not been used yet.
func states(ctx context.Context, db *sql.DB) (map[string]expand.State, error) {
	out := map[string]expand.State{}
	r, err := expand.Status(ctx, db)
	if errors.Is(err, expand.ErrNoState) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, m := range r.Migrations {
		out[m.Name] = m.State
	}
	return out, nil
}

// printChanges says what an up did, and what comes next.
func printChanges(ctx context.Context, c *console, m *expand.Migrator, dir string, before map[string]expand.State) error {
	r, err := m.Status(ctx)
	if err != nil {
		return err
	}
	t := newTable(c.out, "  ")
	changed := 0
	for _, s := range r.Migrations {
		if was, known := before[s.Name]; !known || was != s.State {
			t.row(s.Name, string(s.State), s.Waiting)
			changed++
		}
	}
	t.flush()
	if changed == 0 {
		fmt.Fprintln(c.out, "nothing to do")
	}
	for _, s := range r.Migrations {
		if s.State == expand.StateRolledBack {
			fmt.Fprintf(c.out, "%s is rolled back and was left alone; `phased resume %s` lets it run again\n", s.Name, s.Name)
		}
	}
	if next := nextCommand(r, dir); next != "" {
		fmt.Fprintln(c.out, "next: "+next)
	}
	return nil
}

// nextCommand names the command that leads on; empty: nothing is left to do.
func nextCommand(r *expand.Report, dir string) string {
	next := ""
	for _, s := range r.Migrations {
		switch s.State {
		case expand.StateExpanding:
			return "phased up " + dir
		case expand.StateExpanded, expand.StateBackfilling:
			return "phased backfill"
		case expand.StateVerified, expand.StateHidden, expand.StateDropping:
			next = "phased contract -dry-run " + dir
		}
	}
	return next
}
