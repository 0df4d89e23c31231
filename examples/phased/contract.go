package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

var contractCommand = &command{
	name: "contract", args: "DIR", short: "remove old sides that nobody needs any more, where every gate allows it",
	long: `
Hides the old side of each migration that every gate allows: it is renamed away, the sync
goes on, and ` + "`phased rollback`" + ` brings it back. With -drop, what has been hidden for the soak
time is dropped as well; from there no way leads back.

The files in DIR say which old sides their build does without (-- phased:contract NAME).
The command counts as a running instance of such a build while it works, of the app
"phased". -dry-run asks every gate and does nothing else: exit code 0 where all are met,
1 where one is not. A refusal names each gate and its way out.

The first contract in a database needs -apps: every application that uses it.
-assume-gone says, with a reason that is recorded, that nobody uses the old side, whatever
register and evidence say; with -drop it also skips the soak between the halves. It never
skips a gate that protects data.`,
	setup: func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		dsn, direct := dsnFlag(fs), directFlag(fs)
		soak := fs.Duration("soak", 24*time.Hour, "how long the old side has to be unused, and then hidden")
		apps := fs.String("apps", "", "the `applications` that use the database, with commas between them")
		gone := fs.String("assume-gone", "", "skip register, evidence and soak for this `reason`")
		drop := fs.Bool("drop", false, "both halves: hide what may be hidden, drop what may be dropped")
		dry := fs.Bool("dry-run", false, "ask each gate, change nothing")
		return func(ctx context.Context, c *console, args []string) error {
			if err := exactly(args, "DIR"); err != nil {
				return err
			}
			given := false
			fs.Visit(func(f *flag.Flag) { given = given || f.Name == "assume-gone" })
			if given && strings.TrimSpace(*gone) == "" {
				return badUsage("-assume-gone needs a reason: it is recorded")
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
			m, err := migrator(db, args[0], expand.Config{})
			if err != nil {
				return err
			}
			cfg := contract.Config{Soak: *soak, Apps: split(*apps), AssumeGone: strings.TrimSpace(*gone), Half: contract.HalfHide, Lines: m.Lines(), Direct: past, Logger: c.logger(false)}
			if *drop {
				cfg.Half = contract.HalfBoth
			}
			if err := register(ctx, db, m); err != nil {
				return err
			}
			defer m.Close(context.WithoutCancel(ctx))
			ask := contract.Run
			if *dry {
				ask = contract.Check
			}
			reports, err := ask(ctx, db, cfg)
			shut := printReports(c, reports)
			if err != nil {
				return err
			}
			if shut {
				return errNotMet
			}
			return nil
		}
	},
}

// register lets DIR's contract lines count, where one of them says something about an
// old side that is still there. A build without such a line has nothing to declare,
// and to have been seen without it would only begin the soak anew.
func register(ctx context.Context, db *sql.DB, m *expand.Migrator) error {
	r, err := expand.Status(ctx, db)
	if errors.Is(err, expand.ErrNoState) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, line := range m.Lines() {
		if s := find(r, line); s != nil && (s.State == expand.StateVerified || s.State == expand.StateHidden || s.State == expand.StateDropping) {
			return m.Register(ctx)
		}
	}
	return nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// flagNames turns the library's names of settings into the command's.
var flagNames = strings.NewReplacer("Config.Apps", "-apps", "Config.AssumeGone", "-assume-gone", "Config.Soak", "-soak")

// printReports shows where each contract stands, and reports whether a gate is shut.
func printReports(c *console, reports []contract.Report) (shut bool) {
	if len(reports) == 0 {
		fmt.Fprintln(c.out, "nothing to contract")
	}
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		fmt.Fprintln(c.out, flagNames.Replace(r.String()))
		if r.State == string(expand.StateHidden) && len(r.Gates) == 0 {
			fmt.Fprintln(c.out, "  -drop drops what is hidden, once it has been hidden for the soak time")
		}
		shut = shut || len(r.Shut()) > 0
	}
	return shut
}
