package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
)

var planCommand = &command{
	name: "plan", args: "PATH…", short: "turn migration files into plans: the exact steps of every phase",
	long: `
PATH is a directory of migrations, or some files of one. A plan rests on facts about the
tables it touches: types, defaults, indexes, constraints. They come from

  -dsn DSN       that live database, which is read and not changed. Files that it has
                 already are left alone.
  -schema FILE   a dump (pg_dump -s, mysqldump --no-data), loaded on a scratch server.
                 PATH names the files that are not in the dump yet; each is planned
                 behind the one before.
  neither        the directory's earlier migrations, run on a scratch server. Without a
                 server at hand the plan holds changes only, and the command says so.

A scratch server is the one in PHASED_POSTGRES_DSN, PHASED_MYSQL_DSN or PHASED_MARIADB_DSN,
else binaries on this machine, else a container.

With -write each plan goes to NAME.plan.json beside NAME.sql, for review and for builds
without a parser; a plan that would say the same is left untouched, and so are those of a
directory's files in front of the first that changed. Without -write plans are printed.`,
	setup: func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		var o planOptions
		fs.StringVar(&o.name, "dialect", "", "the `server` to plan for: postgres, mysql or mariadb; default that of -dsn, else postgres")
		fs.StringVar(&o.version, "server-version", "", "refuse to take facts from another `version`, for example 15 or 10.11")
		fs.StringVar(&o.dsn, "dsn", "", "take the facts from this `database` (never from the environment)")
		fs.StringVar(&o.schema, "schema", "", "take the facts from this `dump`")
		fs.StringVar(&o.format, "format", "sql", "print annotated `sql`, or a json array of plans")
		fs.BoolVar(&o.write, "write", false, "write plan files")
		return func(ctx context.Context, c *console, args []string) error { return o.run(ctx, c, args) }
	},
}

type planOptions struct {
	name        string // as it was given
	dialect     plan.Dialect
	version     string
	dsn, schema string
	format      string
	write       bool
}

func (o *planOptions) run(ctx context.Context, c *console, paths []string) error {
	switch {
	case o.format != "sql" && o.format != "json":
		return badUsage("-format %s: it is sql or json", o.format)
	case o.dsn != "" && o.schema != "":
		return badUsage("-dsn and -schema are two sources of facts: give one")
	case len(paths) == 0:
		return badUsage("which files? give a directory of migrations, or some files of one")
	}
	var err error
	if o.dialect, err = dialect(o.name, o.dsn); err != nil {
		return err
	}
	d, err := readDir(parserOf(o.dialect), paths)
	if err != nil {
		return err
	}
	if o.write && o.dsn == "" && o.schema == "" {
		d.keepUnchanged()
	}
	var failed error
	switch {
	case o.dsn != "":
		failed = o.onLive(ctx, c, d)
	default:
		failed = o.onScratch(ctx, c, d)
	}
	// What could be planned is given, whatever became of the rest.
	if o.write {
		err = d.write(c)
	} else {
		err = o.print(c, d)
	}
	if failed != nil {
		return failed
	}
	return err
}

func (o *planOptions) print(c *console, d *directory) error {
	plans := []*expand.Plan{}
	for _, f := range d.asked() {
		if f.plan != nil {
			plans = append(plans, f.plan)
		}
	}
	if o.format == "json" {
		e := json.NewEncoder(c.out)
		e.SetIndent("", "  ")
		return e.Encode(plans)
	}
	for i, p := range plans {
		if i > 0 {
			fmt.Fprint(c.out, "\n\n")
		}
		fmt.Fprint(c.out, p.SQL())
	}
	return nil
}

// keepUnchanged leaves the plans in front of the first changed file alone: what has
// been reviewed, and perhaps run, is not rendered again because a directory is named.
func (d *directory) keepUnchanged() {
	first := slices.IndexFunc(d.files, func(f *file) bool { return f.asked && (f.named || !f.current()) })
	for i, f := range d.files {
		if f.asked && (first < 0 || i < first) {
			f.asked, f.kept = false, true
		}
	}
}

func (d *directory) write(c *console) error {
	for _, f := range d.files {
		switch {
		case f.kept:
			fmt.Fprintf(c.out, "unchanged  %s\n", f.planPath())
		case !f.asked || f.plan == nil:
		case f.sameAsWritten():
			fmt.Fprintf(c.out, "unchanged  %s\n", f.planPath())
		default:
			raw, err := f.plan.Encode()
			if err != nil {
				return err
			}
			if err := os.WriteFile(f.planPath(), raw, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "wrote      %s\n", f.planPath())
		}
	}
	return nil
}
