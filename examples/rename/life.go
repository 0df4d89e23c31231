package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
)

const renameEmail = "0002_rename_email"

// soak is how long v1 has to be gone before its column may go. In earnest a day;
// here as short as the register can tell, nine heartbeats.
const soak = 10 * heartbeat

// patience is how long the demo waits for what has to come by itself.
const patience = time.Minute

// expandBeside starts v2 beside v1: its Up adds the new column and the sync.
func expandBeside(ctx context.Context, a *act) error {
	a.load.enter("expand")
	begin := time.Now()
	if err := a.v2().migrator.Up(ctx); err != nil {
		return err
	}
	a.say("expand", "v2 starts; its Up took %s: email_address is there, and every write goes to both columns", time.Since(begin).Round(time.Millisecond))
	if err := a.v2().migrator.Check(ctx); err != nil {
		a.say("expanded", "v2 may write; its readiness probe says: %v", err)
	}
	both := []*version{a.v1(), a.v2()}
	a.load.serve(both, []*version{a.v1()})
	a.load.enter("expanded")
	return a.watch(ctx)
}

// renameAct plays the whole life.
func renameAct(ctx context.Context, a *act) error {
	if err := expandBeside(ctx, a); err != nil {
		return err
	}
	a.load.enter("backfill")
	report, err := backfill.Run(ctx, a.db.DB, backfill.Config{OnProgress: a.show})
	if err != nil {
		return err
	}
	a.say("backfill", "%s", report)
	if err := ready(ctx, a.v2()); err != nil {
		return err
	}
	both := []*version{a.v1(), a.v2()}
	a.load.serve(both, both)
	a.load.enter("verified")
	a.say("verified", "v2 is ready: both versions read and write")
	if err := a.watch(ctx); err != nil {
		return err
	}
	if err := a.compare(ctx, "while both columns exist", "email", "email_address"); err != nil {
		return err
	}
	if err := contractRefuses(ctx, a); err != nil {
		return err
	}
	a.load.serve([]*version{a.v2()}, []*version{a.v2()})
	if err := a.v1().close(ctx); err != nil {
		return err
	}
	a.say("soak", "v1 is stopped, as a roll-out would; contract waits for %s without it (in earnest: a day)", soak)
	if err := contractHalf(ctx, a, contract.HalfHide); err != nil {
		return err
	}
	a.say("hidden", "users.email is renamed away and still in step; one statement brings it back")
	a.load.enter("hidden")
	if err := a.watch(ctx); err != nil {
		return err
	}
	if err := contractHalf(ctx, a, contract.HalfDrop); err != nil {
		return err
	}
	a.say("dropped", "only users.email_address is left")
	a.load.enter("dropped")
	if err := a.watch(ctx); err != nil {
		return err
	}
	return a.compare(ctx, "after the drop", "email_address")
}

// ready waits until v2's readiness probe, which keeps an answer for a second, lets reads through.
func ready(ctx context.Context, v *version) error {
	for begin := time.Now(); ; {
		err := v.migrator.Check(ctx)
		if err == nil || time.Since(begin) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(heartbeat):
		}
	}
}

// contractRefuses shows that nothing goes while v1 runs.
func contractRefuses(ctx context.Context, a *act) error {
	reports, err := contract.Check(ctx, a.db.DB, contract.Config{Soak: soak, Apps: []string{"shop"}})
	if err != nil {
		return err
	}
	for _, r := range reports {
		for _, g := range r.Shut() {
			a.say("verified", "contract refuses, gate %s: %s", g.Name, g.Sentence)
		}
		if r.Met() {
			return fmt.Errorf("contract would hide %s while v1 uses it", r.Migration)
		}
	}
	return nil
}

// contractHalf does one half as soon as its gates allow it.
func contractHalf(ctx context.Context, a *act, half contract.Half) error {
	a.load.enter("soak and " + string(half))
	for begin := time.Now(); ; {
		r, err := contract.Run(ctx, a.db.DB, contract.Config{Migration: renameEmail, Half: half, Soak: soak, Apps: []string{"shop"}})
		var refused *contract.NotMetError
		switch {
		case err == nil:
			for _, done := range r[0].Done {
				a.say("contract", "every gate is met after %s: %s", time.Since(begin).Round(time.Millisecond), done)
			}
			return nil
		case !errors.As(err, &refused) || time.Since(begin) > patience:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(heartbeat):
		}
	}
}
