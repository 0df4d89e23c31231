package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/examples/internal/bar"
	"github.com/phasedb/phased/expand"
)

var backfillCommand = &command{
	name: "backfill", args: "[NAME]", short: "fill the new side, and verify it",
	long: `
Carries on every unfinished backfill, or that of one migration, until nothing is left, and
verifies that no row is out of step. Interrupting it does no harm: the next one, in any
process, goes on behind the last chunk. Replicas that run backfill.Work need no such
command.`,
	setup: func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		dsn, direct := dsnFlag(fs), directFlag(fs)
		workers := fs.Int("workers", 1, "how many tables are filled at the same time")
		target := fs.Duration("target", 100*time.Millisecond, "how long one transaction should take")
		verbose := fs.Bool("v", false, "say each chunk that is tried again")
		return func(ctx context.Context, c *console, args []string) error {
			name, err := atMostOne(args, "NAME")
			if err != nil {
				return err
			}
			if *workers < 1 || *workers > 32 {
				return badUsage("-workers %d: it is from 1 to 32", *workers)
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
			before, err := expand.Status(ctx, db)
			if err != nil {
				return err
			}
			if name != "" && find(before, name) == nil {
				return fmt.Errorf("%s: %w", name, expand.ErrUnknown)
			}
			for _, m := range before.Migrations {
				if m.Paused && (name == "" || name == m.Name) && (m.State == expand.StateExpanded || m.State == expand.StateBackfilling) {
					fmt.Fprintf(c.err, "%s is paused: waiting for `phased resume %s`\n", m.Name, m.Name)
				}
			}
			b := bar.New(c.out)
			var mu sync.Mutex
			cfg := backfill.Config{Migration: name, Direct: past, Target: *target, Poll: 500 * time.Millisecond, Logger: c.logger(*verbose), OnProgress: func(p backfill.Progress) {
				mu.Lock()
				defer mu.Unlock()
				drawProgress(b, p)
			}}
			report, err := fill(*workers, func() (backfill.Report, error) { return backfill.Run(ctx, db, cfg) })
			b.Clear()
			if err != nil {
				return err
			}
			fmt.Fprintln(c.out, report)
			after, err := expand.Status(ctx, db)
			if err != nil {
				return err
			}
			if next := nextCommand(after, "DIR"); next != "" {
				fmt.Fprintln(c.out, "next: "+next)
			}
			return nil
		}
	},
}

// fill runs workers beside each other; a table is filled by one of them.
func fill(workers int, run func() (backfill.Report, error)) (backfill.Report, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var sum backfill.Report
	var errs []error
	for range workers {
		wg.Go(func() {
			r, err := run()
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			sum.Rows, sum.Filled, sum.Chunks = sum.Rows+r.Rows, sum.Filled+r.Filled, sum.Chunks+r.Chunks
			sum.Retries, sum.Throttled, sum.Took = sum.Retries+r.Retries, sum.Throttled+r.Throttled, max(sum.Took, r.Took)
			sum.Verified = append(sum.Verified, r.Verified...)
		})
	}
	wg.Wait()
	return sum, errors.Join(errs...)
}

func drawProgress(b *bar.Bar, p backfill.Progress) {
	text := fmt.Sprintf("%d of about %d rows", p.Rows, max(p.Estimate, p.Rows))
	if p.State != backfill.StateRunning {
		text = fmt.Sprintf("%s, %s", p.State, text)
	} else if p.Rate > 0 {
		text += fmt.Sprintf(", %.0f/s", p.Rate)
	}
	if p.Left > 0 {
		text += fmt.Sprintf(", %s left", p.Left.Round(time.Second))
	}
	if p.Reason != "" {
		text += "; " + p.Reason
	}
	b.Draw(p.Migration, p.Part(), text)
}

func find(r *expand.Report, name string) *expand.MigrationStatus {
	for i := range r.Migrations {
		if r.Migrations[i].Name == name {
			return &r.Migrations[i]
		}
	}
	return nil
}
