package backfill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// walk visits the rows from the cursor on, chunk by chunk.
func (g *filling) walk(ctx context.Context) error {
	bad := int64(0) // of the rows right behind the cursor: one of them cannot be written
	for fails := 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if g.f.Poison >= maxPoison {
			if err := g.mend(ctx); err != nil {
				return err
			}
		}
		if err := g.throttle(ctx); err != nil {
			return err
		}
		limit := g.pace.rows
		if bad > 0 {
			limit = int(max(1, bad/2))
		}
		var r *engine.Range
		err := g.retry(ctx, "cut a chunk", func() (err error) {
			r, err = g.eng.Next(ctx, g.f, g.f.Cursor, limit)
			return err
		})
		if err != nil {
			return err
		}
		if r == nil {
			return nil
		}
		begin := time.Now()
		did, err := g.eng.Write(ctx, g.f, g.token, *r, g.cfg.statementTimeout())
		took := time.Since(begin)
		switch {
		case err == nil:
			fails = 0
			g.did(*r, did, took, bad > 0)
			bad = max(0, bad-r.Rows)
			if r.Last {
				return nil
			}
		case ctx.Err() != nil:
			return err
		case g.eng.RowError(err) && r.Rows > 1:
			bad = r.Rows
		case g.eng.RowError(err):
			if err := g.skip(ctx, *r, err); err != nil {
				return err
			}
			bad = 0
			if r.Last {
				return nil
			}
		case errors.Is(err, engine.ErrLeaseLost):
			if fails++; fails > g.cfg.Retries {
				return err
			}
			if err := g.lookAgain(ctx, err); err != nil {
				return err
			}
		case g.transient(err):
			if fails++; fails > g.cfg.Retries {
				return fmt.Errorf("%w (tried %d times)", err, fails)
			}
			g.report.Retries++
			g.pace.failed()
			g.cfg.Logger.Warn("chunk not written, trying again", "backfill", g.f.ID, "after", engine.KeyText(r.From), "rows", r.Rows, "try", fails, "error", err)
			if err := sleep(ctx, g.backoff(fails)); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// lookAgain tells a chunk that had gone through, though its answer was lost, from
// a claim that is gone: while the claim is ours, the cursor says where to go on.
func (g *filling) lookAgain(ctx context.Context, refused error) error {
	token, err := g.eng.Claim(ctx, g.f.ID, g.name, g.cfg.Lease)
	if err != nil {
		return err
	}
	if token != g.token {
		return refused
	}
	before := g.f
	if err := g.start(ctx); err != nil {
		return err
	}
	if g.f.State == engine.FillWalked {
		return refused
	}
	g.report.Rows += g.f.Seen - before.Seen
	g.report.Filled += g.f.Filled - before.Filled
	g.report.Chunks += g.f.Chunks - before.Chunks
	return nil
}

func (g *filling) did(r engine.Range, did engine.ChunkResult, took time.Duration, searching bool) {
	if did.Held > 0 {
		took = did.Held // round trips before the first row is locked make nobody wait
	}
	if !searching { // small chunks on purpose: they say nothing about the pace
		g.pace.done(r.Rows, took)
	}
	g.report.Rows += did.Seen
	g.report.Filled += did.Filled
	g.report.Chunks++
	g.cfg.Logger.Debug("chunk written", "backfill", g.f.ID, "rows", did.Seen, "filled", did.Filled, "took", took, "next", g.pace.rows)
	g.tell(nil)
}

// skip records a row that cannot be written.
func (g *filling) skip(ctx context.Context, r engine.Range, cause error) error {
	err := g.retry(ctx, "record a row that cannot be written", func() error { return g.eng.Skip(ctx, g.f, g.token, r, cause.Error()) })
	if err != nil {
		return err
	}
	g.report.Rows += r.Rows
	g.pace.again() // where one is, more may be
	g.cfg.Logger.Error("row cannot be written, passed over", "backfill", g.f.ID, "table", g.f.Spec.Table, "key", r.To, "error", cause)
	g.tell(func(p *Progress) { p.PoisonKey, p.PoisonError = r.To, cause.Error() })
	return nil
}

// throttle asks every throttle whether the next chunk may be written.
func (g *filling) throttle(ctx context.Context) error {
	if len(g.cfg.Throttles) == 0 {
		return nil
	}
	begin := time.Now()
	defer func() { g.report.Throttled += time.Since(begin) }()
	for _, t := range g.cfg.Throttles {
		if err := t.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &ThrottleError{Migration: g.f.Migration, Err: err}
		}
	}
	return nil
}
