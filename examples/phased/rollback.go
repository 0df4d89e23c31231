package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/phasedb/phased/expand"
)

var rollbackCommand = &command{
	name: "rollback", args: "NAME", short: "take a migration back, at any time before its old side is dropped",
	long: `
Gives the old side its name back, ends the sync and removes the new side. Its time does
not depend on the table's size. What new code wrote stays, on the old side. No start
expands the migration again until ` + "`phased resume NAME`" + `. It refuses while something counts on
the new side, and says what; -force with a reason goes on all the same.`,
	setup: func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		dsn, direct := dsnFlag(fs), directFlag(fs)
		force := fs.String("force", "", "go on although the new side is in use, and record the `reason`")
		return func(ctx context.Context, c *console, args []string) error {
			if err := exactly(args, "NAME"); err != nil {
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
			r, err := expand.Rollback(ctx, db, args[0], expand.RollbackConfig{Force: *force, Direct: past, Logger: c.logger(false)})
			if err != nil {
				return err
			}
			if r.From == expand.StateRolledBack {
				fmt.Fprintf(c.out, "%s was rolled back already\n", args[0])
			} else {
				fmt.Fprintf(c.out, "%s is rolled back (it was %s), in %s\n", args[0], r.From, r.Took.Round(time.Millisecond))
			}
			for _, n := range r.Notes {
				fmt.Fprintln(c.out, "note: "+n)
			}
			fmt.Fprintf(c.out, "no start expands it again until: phased resume %s\n", args[0])
			return nil
		}
	},
}
