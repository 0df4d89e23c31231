package lifetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// stopCase is a kind of step in the middle of which its program is stopped.
type stopCase struct {
	name  string
	from  string // the state in which the migration is before
	role  string // of the program, and of the one that takes over
	env   []string
	to    string    // the state in which that one leaves it
	hold  lock      // what the step has to wait for
	at    string    // stands in the statement that waits; empty: any does
	plain bool      // a column without anything that the finishing steps would build
	under entryKind // what the step is done under; empty: nothing, it only asks
}

var stopCases = []stopCase{
	{name: "expand with sync", role: "replica", to: "verified", hold: lock{kind: lockReader, table: "items"}, under: entryLease},
	{name: "chunk", from: "expanded", role: "replica", to: "verified", hold: lock{kind: lockRow, table: "items"}, under: entryClaim},
	{name: "index build", from: "expanded", role: "replica", to: "verified", hold: lock{kind: lockWriter, table: "items"}, at: "INDEX", under: entryLease},
	{name: "verification", from: "expanded", role: "replica", to: "verified", hold: lock{kind: lockTable, table: "items"}, at: "count(*)", under: entryClaim, plain: true},
	{name: "hide", from: "verified", role: "contract", env: []string{doVar + "=hide"}, to: "hidden", hold: lock{kind: lockReader, table: "items"}, under: entryLease},
	{name: "verification before hide", from: "verified", role: "contract", env: []string{doVar + "=hide"}, to: "hidden", hold: lock{kind: lockTable, table: "items"}, at: "count(*)"},
	{name: "drop", from: "hidden", role: "contract", env: []string{doVar + "=drop"}, to: "dropped", hold: lock{kind: lockReader, table: "items"}, under: entryLease},
	{name: "undo", from: "verified", role: "rollback", to: "rolled-back", hold: lock{kind: lockReader, table: "items"}, under: entryLease},
	{name: "undo of what is hidden", from: "hidden", role: "rollback", to: "rolled-back", hold: lock{kind: lockReader, table: "items"}, under: entryLease},
}

// TestStoppedInside stops a program (SIGSTOP) while its step waits for a lock, lets
// another one take over, and continues the first one when that is done. The lock is
// released either at once, so that the server finishes the step of a program that
// does not see it, or after the takeover. Then nothing of the first one's work
// happens any more (compare asks the journal), no reader has waited longer than the
// timeouts say, and schema and data are those of an undisturbed life.
func TestStoppedInside(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		server := f.ownServer(t)
		for _, c := range stopCases {
			for _, late := range []bool{false, true} {
				name := c.name + ", step finishes"
				if late {
					name = c.name + ", step waits on"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					l := &life{t: t, f: f, server: server, s: scenario{
						Shape: f.allowed(shape{Type: "integer", Values: f.types()[0].values, NotNull: true, Index: true, Check: true, Key: "bigint"}),
						Rows:  300, Writers: 2, Seed: 7, Programs: 1,
					}}
					if c.plain {
						l.s.Shape.NotNull, l.s.Shape.Index, l.s.Shape.Check = false, false, false
					}
					if c.role == "rollback" {
						l.s.Rollback = 1
					}
					if err := l.run(func() error { return l.stopInside(c, late) }); err != nil {
						t.Fatalf("%v\nprograms said:\n%s", err, l.said())
					}
				})
			}
		}
	})
}

func (l *life) stopInside(c stopCase, late bool) error {
	if err := l.bring(c.from); err != nil {
		return err
	}
	if c.role == "contract" {
		l.oldGone.Store(true)
	}
	if c.to == "dropped" {
		l.deploy.drop()
	}
	first, release, err := l.blocked(c)
	if err != nil {
		return err
	}
	first.stop()
	free := make(chan error, 1)
	go func() {
		if late {
			time.Sleep(2 * lease)
		}
		free <- release()
	}()
	if err := l.drive(c.role, c.to, c.env...); err != nil {
		return err
	}
	if err := <-free; err != nil {
		return err
	}
	if !first.running() {
		return fmt.Errorf("%s ended while it was stopped", first.name)
	}
	first.resume()
	select {
	case <-first.ended: // with whatever error
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%s goes on half a minute after others did its work", first.name)
	}
	if late && c.under != "" {
		if err := l.takenOver(first, c.under); err != nil {
			return err
		}
	}
	switch c.to {
	case "verified":
		return l.contract()
	case "hidden":
		return l.drive("contract", "dropped", doVar+"=drop")
	}
	return nil
}

// bring takes the change to a state, undisturbed.
func (l *life) bring(state string) error {
	var err error
	if state == "" {
		return nil
	}
	if state == "expanded" {
		return l.drive("expand", "expanded")
	}
	if err = l.drive("replica", "verified"); err == nil && state == "hidden" {
		l.oldGone.Store(true)
		err = l.drive("contract", "hidden", doVar+"=hide")
	}
	return err
}

// blocked starts the program and returns when its step waits for what is held.
func (l *life) blocked(c stopCase) (first *child, release func() error, err error) {
	ctx := context.Background()
	if c.hold.kind == lockRow {
		c.hold.row = l.f.lockRow(l.s.Shape, 0)
	}
	if c.from == "expanded" && c.hold.kind == lockTable {
		// Every chunk comes before the verification: the table is taken between the two.
		if err := l.f.delayWalked(ctx, l.db); err != nil {
			return nil, nil, err
		}
		first = l.start(c.role, c.env...)
		if err := l.soon(first, func() (bool, error) { return l.f.delayed(ctx, l.db, first.name) }); err != nil {
			return nil, nil, err
		}
	}
	calm := func() {}
	if c.hold.kind == lockTable {
		calm = l.reader.excuse()
	}
	let, err := l.f.hold(ctx, l.db, c.hold)
	if err != nil {
		return nil, nil, err
	}
	release = func() error {
		defer calm()
		return let()
	}
	if first == nil {
		first = l.start(c.role, c.env...)
	}
	err = l.soon(first, func() (bool, error) {
		statement, err := l.f.waits(ctx, l.db, first.name)
		return statement != "" && strings.Contains(statement, c.at), err
	})
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return first, release, nil
}

// soon waits until something is true of a program.
func (l *life) soon(c *child, so func() (bool, error)) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok, err := so(); ok || err != nil {
			return err
		}
		if !c.running() {
			return fmt.Errorf("%s ended before it was to be stopped: %v\n%s", c.name, c.err, c.out)
		}
	}
	return fmt.Errorf("%s does not come to where it is to be stopped", c.name)
}

// takenOver wants another program to have taken the lease, or the claim, behind the first one.
func (l *life) takenOver(first *child, kind entryKind) error {
	entries, err := l.f.journal(context.Background(), l.db)
	if err != nil {
		return err
	}
	had := false
	for _, e := range entries {
		if e.what != kind {
			continue
		}
		if had && e.program != first.name {
			return nil
		}
		had = had || e.program == first.name
	}
	return fmt.Errorf("nobody took over from %s:\n%v", first.name, entries)
}
