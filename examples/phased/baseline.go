package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/phasedb/phased/expand"
)

var baselineCommand = &command{
	name: "baseline", args: "DIR NAME", short: "everything up to NAME counts as done",
	long: `
For a database that other tools migrated so far: records, once, that every migration in
DIR up to and with NAME was done by other means. None of them will run. The NAME "none"
counts nothing as done: DIR begins behind what is there.`,
	setup: func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		dsn := dsnFlag(fs)
		return func(ctx context.Context, c *console, args []string) error {
			if err := exactly(args, "DIR", "NAME"); err != nil {
				return err
			}
			db, err := dsn(ctx, c)
			if err != nil {
				return err
			}
			defer db.Close()
			m, err := migrator(db, args[0], expand.Config{})
			if err != nil {
				return err
			}
			if err := m.Baseline(ctx, args[1]); err != nil {
				return err
			}
			var done, pending int
			for _, name := range m.Names() {
				if args[1] != expand.BaselineNone && name <= args[1] {
					done++
				} else {
					pending++
				}
			}
			fmt.Fprintf(c.out, "%d migrations count as done, %d are pending\n", done, pending)
			if pending > 0 {
				fmt.Fprintln(c.out, "next: phased up "+args[0])
			}
			return nil
		}
	},
}
