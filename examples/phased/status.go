package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/expand"
)

var statusCommand = &command{
	name: "status", short: "what is where, how far, what it waits for",
	long: `
Shows every migration's state and what it waits for, backfills at work, and the running
instances. It needs no files and changes nothing.`,
	setup: func(fs *flag.FlagSet) func(context.Context, *console, []string) error {
		dsn := dsnFlag(fs)
		format := fs.String("format", "text", "`text` or json")
		return func(ctx context.Context, c *console, args []string) error {
			if len(args) > 0 {
				return badUsage("it takes no arguments")
			}
			if *format != "text" && *format != "json" {
				return badUsage("-format %s: it is text or json", *format)
			}
			db, err := dsn(ctx, c)
			if err != nil {
				return err
			}
			defer db.Close()
			s, err := readStatus(ctx, db)
			if err != nil {
				return err
			}
			if *format == "json" {
				e := json.NewEncoder(c.out)
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			s.print(c)
			return nil
		}
	},
}

// status is the whole answer; its JSON form is stable.
type status struct {
	Used bool `json:"used"` // phased has been used in this database
	expand.Report
	Backfills []backfill.Progress `json:"backfills"`
}

func readStatus(ctx context.Context, db *sql.DB) (*status, error) {
	r, err := expand.Status(ctx, db)
	if errors.Is(err, expand.ErrNoState) {
		return &status{Report: expand.Report{Migrations: []expand.MigrationStatus{}, Instances: []expand.InstanceStatus{}}, Backfills: []backfill.Progress{}}, nil
	}
	if err != nil {
		return nil, err
	}
	fills, err := backfill.Status(ctx, db)
	if err != nil {
		return nil, err
	}
	return &status{Used: true, Report: *r, Backfills: append([]backfill.Progress{}, fills...)}, nil
}

func (s *status) print(c *console) {
	if !s.Used {
		fmt.Fprintln(c.out, "phased has not been used in this database yet\nnext: phased up DIR")
		return
	}
	fmt.Fprintf(c.out, "%s on %s\n\n", s.Database, s.Server)
	if len(s.Migrations) == 0 {
		fmt.Fprintln(c.out, "no migration has run")
	} else {
		t := newTable(c.out, "  ")
		t.row("MIGRATION", "STATE", "SINCE", "STEPS", "WAITS FOR")
		for _, m := range s.Migrations {
			state := string(m.State)
			if m.Paused {
				state += ", paused"
			}
			steps := "-"
			if m.Steps > 0 {
				steps = fmt.Sprintf("%d/%d", m.Done, m.Steps)
			}
			t.row(m.Name, state, m.Since.UTC().Format(time.DateTime+"Z"), steps, m.Waiting)
		}
		t.flush()
	}
	for _, m := range s.Migrations {
		if m.Error != "" {
			fmt.Fprintf(c.out, "\n%s: step %q did not go through: %s\n", m.Name, m.LastStep, m.Error)
		}
		if m.Reason != "" {
			fmt.Fprintf(c.out, "\n%s: reason given: %s\n", m.Name, m.Reason)
		}
	}
	s.printBackfills(c)
	s.printInstances(c)
	if next := nextCommand(&s.Report, "DIR"); next != "" {
		fmt.Fprintln(c.out, "\nnext: "+next)
	}
}

func (s *status) printBackfills(c *console) {
	t := newTable(c.out, "  ")
	n := 0
	for _, p := range s.Backfills {
		if p.State == backfill.StateComplete || p.State == backfill.StateCancelled {
			continue
		}
		if n++; n == 1 {
			fmt.Fprintln(c.out)
			t.row("BACKFILL", "STATE", "DONE", "ROWS", "RATE", "LEFT", "WORKER")
		}
		left := "-"
		if p.Left > 0 {
			left = p.Left.Round(time.Second).String()
		}
		t.row(p.Schema+"."+p.Table+"."+p.Column, string(p.State), fmt.Sprintf("%.0f%%", 100*p.Part()),
			fmt.Sprintf("%d of about %d", p.Rows, max(p.Estimate, p.Rows)), fmt.Sprintf("%.0f/s", p.Rate), left, p.Worker)
	}
	t.flush()
	for _, p := range s.Backfills {
		if p.Reason != "" && p.State != backfill.StateComplete && p.State != backfill.StateCancelled {
			fmt.Fprintf(c.out, "%s.%s.%s: %s\n", p.Schema, p.Table, p.Column, p.Reason)
		}
		if p.Poison > 0 {
			fmt.Fprintf(c.out, "%s.%s.%s: %d rows cannot be written, first (%s): %s\n", p.Schema, p.Table, p.Column, p.Poison, strings.Join(p.PoisonKey, ", "), p.PoisonError)
		}
	}
}

func (s *status) printInstances(c *console) {
	if len(s.Instances) == 0 {
		return
	}
	fmt.Fprintln(c.out)
	t := newTable(c.out, "  ")
	t.row("APP", "VERSION", "HOST", "PID", "SEEN", "CONTRACT LINES")
	for _, in := range s.Instances {
		seen := ago(in.SeenAgo) + " ago"
		if !in.Alive {
			seen += ", gone"
		}
		lines := strings.Join(in.Lines, " ")
		if lines == "" {
			lines = "none"
		}
		t.row(in.App, in.Version, in.Host, fmt.Sprint(in.PID), seen, lines)
	}
	t.flush()
}
