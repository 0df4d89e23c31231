package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/examples/internal/bar"
)

// act is one database with its load.
type act struct {
	name     string
	o        options
	w        io.Writer
	bar      *bar.Bar
	begin    time.Time
	db       *scratch.Database
	load     *load
	versions []*version // v1, v2
	stop     func()     // the load

	compared  []string
	differing int64
	rollback  time.Duration
}

// newAct makes a database as version 1 left it, with version 1 at work.
func newAct(ctx context.Context, w io.Writer, server *scratch.Server, name string, o options) (*act, error) {
	db, err := server.CreateDatabase(ctx)
	if err != nil {
		return nil, err
	}
	a := &act{name: name, o: o, w: w, bar: bar.New(w), begin: time.Now(), db: db, load: newLoad(o.lanes, o.rows, o.rate), stop: func() {}}
	if err := a.set(ctx); err != nil {
		a.close(ctx)
		return nil, err
	}
	return a, nil
}

// set fills the table and lets version 1 begin.
func (a *act) set(ctx context.Context) error {
	v1, err := newVersion("v1", "email", a.o.family, a.db.DSN, filesV1)
	if err != nil {
		return err
	}
	v2, err := newVersion("v2", "email_address", a.o.family, a.db.DSN, filesV2)
	if err != nil {
		return err
	}
	a.versions = []*version{v1, v2}
	if err := v1.migrator.Up(ctx); err != nil { // the database is empty: it gets the schema of version 1 at once
		return err
	}
	for from := int64(1); from <= a.o.rows; from += 100_000 {
		if _, err := a.db.DB.ExecContext(ctx, a.o.family.fill, from, min(from+99_999, a.o.rows)); err != nil {
			return err
		}
	}
	if _, err := a.db.DB.ExecContext(ctx, a.o.family.settle); err != nil {
		return err
	}
	a.say("before", "table users has %d rows", a.o.rows)
	a.load.serve([]*version{v1}, []*version{v1})
	a.stop = a.load.start(ctx)
	a.say("before", "v1 reads and writes users.email: %d clients, %d statements a second", a.o.lanes, a.o.rate)
	return a.watch(ctx)
}

func (a *act) v1() *version { return a.versions[0] }
func (a *act) v2() *version { return a.versions[1] }

// say prints what happens, under the name of the phase that it belongs to.
func (a *act) say(phase, format string, args ...any) {
	a.bar.Clear()
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+margin)
	fmt.Fprintf(a.w, "%6.1fs  %-9s  %s\n", time.Since(a.begin).Seconds(), phase, text)
}

const margin = "                    "

// watch lets the load run for a while.
func (a *act) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(a.o.alone):
		return nil
	}
}

// show draws a backfill's progress.
func (a *act) show(p backfill.Progress) {
	text := fmt.Sprintf("%d rows, %.0f rows/s", p.Rows, p.Rate)
	if p.Left > 0 {
		text += fmt.Sprintf(", %s left", p.Left.Round(time.Second))
	}
	a.bar.Draw("         backfill ", p.Part(), text)
}

// compare holds every row against the journals, and columns against each other.
func (a *act) compare(ctx context.Context, when string, columns ...string) error {
	a.load.enter("comparison " + when)
	c, err := a.load.compare(ctx, a.db.DB, columns...)
	if err != nil {
		return err
	}
	a.differing += c.differing
	text := fmt.Sprintf("%d rows compared with the journals in %s: %d lost or differing", c.rows, strings.Join(columns, " and "), c.differing)
	a.compared = append(a.compared, fmt.Sprintf("%s, %s: %s", a.name, when, text))
	a.say("compare", "%s", text)
	return nil
}

func (a *act) close(ctx context.Context) {
	a.stop()
	for _, v := range a.versions {
		v.close(ctx)
	}
	a.db.Drop(context.WithoutCancel(ctx))
}
