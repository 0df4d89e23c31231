package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Write brings the rows of a range in step. One message, one transaction: the
// fence, the rows, the cursor; so a stopped client never sits on row locks, and
// rows and cursor cannot disagree. It takes RowExclusive on the table and locks
// the rows it changes; it waits for a row's holder, it never passes one over.
//
// f is brought up to date. A chunk whose answer was lost is refused when it is
// sent again (the cursor has moved): read the fill and go on from there.
func (e *Engine) Write(ctx context.Context, f *engine.Fill, token int64, r engine.Range, timeout time.Duration) (engine.ChunkResult, error) {
	k, err := e.walk(ctx, f)
	if err != nil {
		return engine.ChunkResult{}, fmt.Errorf("backfill %s: %w", f.ID, err)
	}
	var update strings.Builder
	for _, piece := range k.pieces(r.From, r.To) {
		update.WriteString(k.updateSQL(f.Spec.Link, piece))
	}
	text := block(timeout, declareCounts, cursorFence(f.ID, token, r), update.String()+fmt.Sprintf(
		`  UPDATE phased.fill SET cursor = %s, seen = seen + %d, filled = filled + "phased filled", chunks = chunks + 1,
    last_error = '', updated_at = pg_catalog.clock_timestamp() WHERE id = %s;
`, keyLiteral(r.To), r.Rows, literal(f.ID)))
	if err := e.runBlock(ctx, "chunk after "+engine.KeyText(r.From), f.ID, text); err != nil {
		return engine.ChunkResult{}, err
	}
	return e.caughtUp(ctx, f)
}

const declareCounts = "DECLARE \"phased filled\" bigint := 0; \"phased n\" bigint;\n"

// updateSQL is the statement that brings rows in step, and counts them.
func (k *keyset) updateSQL(l plan.Link, where string) string {
	return fmt.Sprintf(`  UPDATE /* phased */ %s AS %s SET %s = %s WHERE %s AND %s;
  GET DIAGNOSTICS "phased n" = ROW_COUNT;
  "phased filled" := "phased filled" + "phased n";
`, k.name, ident(rowAlias), ident(l.New), fillValue(l, rowAlias), where, outOfStep(l, rowAlias))
}

// cursorFence also refuses a range that does not begin where the fill stands.
func cursorFence(id string, token int64, r engine.Range) string {
	return fenceSQL(id, token, "f.state IN ('pending', 'running') AND f.cursor IS NOT DISTINCT FROM "+keyLiteral(r.From))
}

// caughtUp reads the counters into f and returns what was added to them.
func (e *Engine) caughtUp(ctx context.Context, f *engine.Fill) (engine.ChunkResult, error) {
	now, err := e.fill(ctx, f.ID)
	if err != nil {
		return engine.ChunkResult{}, err
	}
	did := engine.ChunkResult{Seen: now.Seen - f.Seen, Filled: now.Filled - f.Filled}
	now.Walk = f.Walk
	*f = *now
	return did, nil
}

// Skip records a row that cannot be written and moves the cursor over it.
func (e *Engine) Skip(ctx context.Context, f *engine.Fill, token int64, r engine.Range, cause string) error {
	err := e.runBlock(ctx, "skip "+engine.KeyText(r.To), f.ID, block(fillTimeout, "", cursorFence(f.ID, token, r), fmt.Sprintf(
		`  INSERT INTO phased.poison (fill, key, error) VALUES (%[1]s, %[2]s, %[3]s)
    ON CONFLICT (fill, key) DO UPDATE SET error = EXCLUDED.error;
  UPDATE phased.fill SET cursor = %[2]s, seen = seen + %[4]d, updated_at = pg_catalog.clock_timestamp() WHERE id = %[1]s;
`, literal(f.ID), keyLiteral(r.To), literal(cause), r.Rows)))
	if err != nil {
		return err
	}
	_, err = e.caughtUp(ctx, f)
	return err
}

// Mend tries a poison row again, beside or after the walk. When it is in step, gone, or could be written
// now, its record goes; while it cannot be written the error is the row's.
func (e *Engine) Mend(ctx context.Context, f *engine.Fill, token int64, key []string, timeout time.Duration) error {
	k, err := e.walk(ctx, f)
	if err != nil {
		return fmt.Errorf("backfill %s: %w", f.ID, err)
	}
	return e.runBlock(ctx, "mend "+engine.KeyText(key), f.ID, block(timeout, declareCounts, fenceSQL(f.ID, token, "f.state IN ('running', 'walked')"),
		k.updateSQL(f.Spec.Link, k.equal(key))+fmt.Sprintf(
			`  UPDATE phased.fill SET filled = filled + "phased filled", updated_at = pg_catalog.clock_timestamp() WHERE id = %[1]s;
  DELETE FROM phased.poison WHERE fill = %[1]s AND key = %[2]s;
`, literal(f.ID), keyLiteral(key))))
}
