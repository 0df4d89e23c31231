package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"

	"github.com/phasedb/phased/expand"
)

var pauseCommand = &command{
	name: "pause", args: "[NAME]", short: "stop a backfill and its contract between two chunks",
	long: `
Stops the backfill and the contract of one migration, or of all, in every process, between
two chunks. The sync goes on. ` + "`phased resume`" + ` ends the pause.`,
	setup: pausing(expand.Pause, "paused; `phased resume` goes on"),
}

var resumeCommand = &command{
	name: "resume", args: "[NAME]", short: "end a pause; let a migration run again that was rolled back",
	long: `
Ends the pause of one migration, or of all. With the name of a migration that was rolled
back: the next start expands it again.`,
	setup: pausing(expand.Resume, "resumed"),
}

func pausing(do func(context.Context, *sql.DB, string) (int, error), done string) func(*flag.FlagSet) func(context.Context, *console, []string) error {
	return func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		dsn := dsnFlag(fs)
		return func(ctx context.Context, c *console, args []string) error {
			name, err := atMostOne(args, "NAME")
			if err != nil {
				return err
			}
			db, err := dsn(ctx, c)
			if err != nil {
				return err
			}
			defer db.Close()
			if _, err := do(ctx, db, name); err != nil {
				return err
			}
			if name == "" {
				name = "everything"
			}
			fmt.Fprintf(c.out, "%s is %s\n", name, done)
			return nil
		}
	}
}
