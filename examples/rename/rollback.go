package main

import (
	"context"
	"fmt"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/expand"
)

// rollbackAct takes the rename back in the middle of the backfill, while both
// versions write.
func rollbackAct(ctx context.Context, a *act) error {
	if err := expandBeside(ctx, a); err != nil {
		return err
	}
	a.load.enter("backfill")
	middle := make(chan struct{})
	report := make(chan error, 1)
	go func() {
		<-middle
		a.load.enter("rollback")
		a.v2().stats.goes.Store(true)
		begin := time.Now()
		_, err := expand.Rollback(ctx, a.db.DB, renameEmail, expand.RollbackConfig{Force: "the demo takes v2 back while it writes"})
		a.rollback = time.Since(begin)
		report <- err
	}()
	begun, part := false, 0.0
	_, err := backfill.Run(ctx, a.db.DB, backfill.Config{Migration: renameEmail, Target: 50 * time.Millisecond, MaxRows: int(max(10, a.o.rows/50)), OnProgress: func(p backfill.Progress) {
		a.show(p)
		if !begun && p.Part() >= 0.4 && p.State == backfill.StateRunning {
			begun, part = true, p.Part()
			close(middle)
		}
	}})
	if !begun {
		return fmt.Errorf("the backfill ended before it was half done: %w", err)
	}
	if rerr := <-report; rerr != nil {
		return rerr
	}
	if err != nil {
		return err
	}
	a.say("rollback", "took %s, at %.0f %% of the backfill, which stopped by itself; both versions were writing", a.rollback.Round(100*time.Microsecond), 100*part)
	a.load.enter("after the rollback")
	if err := a.watch(ctx); err != nil {
		return err
	}
	a.load.serve([]*version{a.v1()}, []*version{a.v1()})
	if err := a.v2().close(ctx); err != nil {
		return err
	}
	a.say("after", "v1 goes on alone, and reads in users.email what v2 wrote")
	return a.compare(ctx, "after the rollback", "email")
}
