package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// stateFormat is the version of the state tables that this build knows.
const stateFormat = 1

// overviewSQL: a migration a row, and what there is once is in each of them. Names are
// read as bytes, which no session's character set changes.
var overviewSQL = "SELECT /* phased */ m.format, m.fresh, m.tables_found, m.baseline, @@SESSION.autocommit, " + serverColumns + `,
  CAST(g.name AS BINARY), CAST(g.checksum AS BINARY), g.state, g.paused, CAST(g.reason AS BINARY), g.contracts, g.fills, ` + timeText("g.state_at") + `, ` + timeText("g.hidden_at") + `, ` + age("g.hidden_at") + `
FROM phased_meta m LEFT JOIN phased_migration g ON TRUE WHERE m.id = 1 ORDER BY g.name`

// Overview reads everything a start has to know, in one round trip. A session without
// autocommit may look at an old state: then it is read again on a pinned one.
func (e *Engine) Overview(ctx context.Context) (*engine.Overview, error) {
	ov, auto, err := overview(ctx, e.db)
	if err == nil && !auto {
		err = e.with(ctx, pinned{}, func(c *sql.Conn) (err error) {
			ov, _, err = overview(ctx, c)
			return err
		})
	}
	switch {
	case missing(err):
		return nil, engine.ErrNoState
	case number(err) == errUnknownColumn:
		return nil, fmt.Errorf("read the state of the migrations: %w; a table that begins with phased_ is not phased's: move it away", err)
	case mayNot(err):
		return nil, fmt.Errorf("read the state of the migrations: %w; %s", err, e.grantWay(ctx))
	case errors.Is(err, engine.ErrNoState):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("read the state of the migrations: %w", err)
	}
	return ov, e.checkServer(&ov.Server)
}

func overview(ctx context.Context, q querier) (ov *engine.Overview, auto bool, err error) {
	rows, err := q.QueryContext(ctx, overviewSQL)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var m engine.Migration
		var format int
		var server serverRow
		var name, checksum, state, reason, at, hiddenAt sql.NullString
		var paused, contracts, fills sql.NullBool
		var hiddenAgo sql.NullInt64
		if ov == nil {
			ov = &engine.Overview{}
		}
		if err := rows.Scan(append(append([]any{&format, &ov.Fresh, &ov.Tables, &ov.Baseline, &auto}, server.into()...),
			&name, &checksum, &state, &paused, &reason, &contracts, &fills, &at, &hiddenAt, &hiddenAgo)...); err != nil {
			return nil, false, err
		}
		if format != stateFormat {
			return nil, false, fmt.Errorf("the phased_ tables have format %d, this build knows %d; deploy a build with a later release of phased", format, stateFormat)
		}
		ov.Server = *server.server()
		if !name.Valid {
			continue
		}
		m.Name, m.Checksum, m.State, m.Reason = name.String, checksum.String, engine.State(state.String), reason.String
		m.Paused, m.Contract, m.Fills = paused.Bool, contracts.Bool, fills.Bool
		if m.StateAt, err = readTime(at); err != nil {
			return nil, false, err
		}
		if m.HiddenAt, err = readTime(hiddenAt); err != nil {
			return nil, false, err
		}
		m.HiddenAgo = time.Duration(hiddenAgo.Int64) * time.Microsecond
		ov.Migrations = append(ov.Migrations, m)
	}
	if err := rows.Err(); err != nil {
		return nil, false, err
	}
	if ov == nil {
		return nil, false, engine.ErrNoState // somebody is creating the tables just now
	}
	return ov, auto, nil
}

// timeText renders a time of ours so that readTime reads it, whatever the driver makes of times.
func timeText(column string) string { return "DATE_FORMAT(" + column + ", '%Y-%m-%dT%H:%i:%s.%fZ')" }

func readTime(s sql.NullString) (time.Time, error) {
	if !s.Valid {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s.String)
}

// age is the time since then in microseconds, by the database's clock.
func age(column string) string {
	return "TIMESTAMPDIFF(MICROSECOND, " + column + ", UTC_TIMESTAMP(6))"
}

// Begin records a migration with its plan, steps and fills. What has just been
// recorded, alike, is this runner's own: its answer was lost, and it was sent again.
func (e *Engine) Begin(ctx context.Context, token int64, p *plan.Plan, s engine.State) error {
	err := e.leased(ctx, token, func(c *sql.Conn) error {
		recorded, err := recorded(ctx, c, p, s)
		if err != nil || recorded {
			return err
		}
		return insertPlan(ctx, c, p, s, false)
	})
	return privilege(err, "record "+p.Migration.Name)
}

// recorded reports whether a migration is recorded, exactly so; otherwise it is an error.
func recorded(ctx context.Context, c querier, p *plan.Plan, s engine.State) (bool, error) {
	var state, checksum string
	err := c.QueryRowContext(ctx, "SELECT state, checksum FROM phased_migration WHERE name = ? FOR UPDATE", p.Migration.Name).Scan(&state, &checksum)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case state == string(s) && checksum == p.Migration.Checksum:
		return true, nil
	}
	return false, &guardError{"migration " + p.Migration.Name + " is recorded already"}
}

// insertPlan records a migration, in the caller's transaction. done says that its
// steps have been run.
func insertPlan(ctx context.Context, c querier, p *plan.Plan, s engine.State, done bool) error {
	raw, err := p.Encode()
	if err != nil {
		return err
	}
	name := p.Migration.Name
	_, err = c.ExecContext(ctx, `INSERT INTO phased_migration (name, checksum, state, plan, contracts, fills, reason, created_at, state_at)
		VALUES (?, ?, ?, ?, ?, ?, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`, name, p.Migration.Checksum, string(s), string(raw), p.Contracts() || done && s == engine.StateDropped, len(p.Fills) > 0)
	if err != nil {
		return err
	}
	for n, step := range p.Steps {
		if _, err := c.ExecContext(ctx, `INSERT INTO phased_step (migration, n, phase, title, done, done_at, error) VALUES (?, ?, ?, ?, ?, CASE WHEN ? THEN UTC_TIMESTAMP(6) END, '')`,
			name, n, string(step.Phase), step.Title, done, done); err != nil {
			return err
		}
	}
	for _, f := range p.Fills {
		spec, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if _, err := c.ExecContext(ctx, `INSERT INTO phased_fill (id, migration, spec, last_error) VALUES (?, ?, ?, '')`, f.Link.ID, name, string(spec)); err != nil {
			return err
		}
	}
	return event(ctx, c, name, string(s), "")
}

// event writes a line of the event log.
func event(ctx context.Context, c querier, migration, what, detail string) error {
	_, err := c.ExecContext(ctx, `INSERT INTO phased_event (at, migration, what, detail, account) VALUES (UTC_TIMESTAMP(6), ?, ?, ?, LEFT(CURRENT_USER(), 255))`, migration, what, brief(detail))
	return err
}

// brief makes a text fit into a column of type text, which refuses longer ones and
// what is not UTF-8.
func brief(s string) string {
	const limit = 60000 // bytes, of 65535
	s = strings.ToValidUTF8(s, "?")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// Mark sets a migration's state where it is in one of from.
func (e *Engine) Mark(ctx context.Context, token int64, name string, s engine.State, reason string, from ...engine.State) error {
	err := e.leased(ctx, token, func(c *sql.Conn) error { return mark(ctx, c, name, s, reason, from...) })
	return privilege(err, fmt.Sprintf("mark %s as %s", name, s))
}

// mark is Mark in the caller's transaction. Where the migration has that state already
// the clocks go on: a soak does not begin anew because a step was recorded twice.
func mark(ctx context.Context, c querier, name string, s engine.State, reason string, from ...engine.State) error {
	fills, was, err := lockMigration(ctx, c, name)
	if err != nil {
		return err
	}
	// Already there is fine: the answer to an earlier try may have been lost.
	if len(from) > 0 && was != s && !slices.Contains(from, was) {
		list := make([]string, len(from))
		for i, f := range from {
			list[i] = string(f)
		}
		return &guardError{fmt.Sprintf("migration %s is %s, and becomes %s only from %s", name, was, s, strings.Join(list, " or "))}
	}
	if s == engine.StateRollingBack {
		// A worker that is filling finds out at its next chunk.
		for _, id := range fills {
			if _, err := c.ExecContext(ctx, `UPDATE phased_fill SET state = ?, token = token + 1, lease_until = '2000-01-01' WHERE id = ?`, string(engine.FillCancelled), id); err != nil {
				return err
			}
		}
	}
	if was == s {
		// Marked so already, for the same reason: the answer to an earlier try may have been
		// lost, and the log says once what happened once.
		var said string
		if err := c.QueryRowContext(ctx, "SELECT reason FROM phased_migration WHERE name = ?", name).Scan(&said); err != nil {
			return err
		}
		if said == brief(reason) {
			_, err := c.ExecContext(ctx, "UPDATE phased_migration SET hiding = 0 WHERE name = ?", name)
			return err
		}
	}
	sets := []string{"reason = ?", "hiding = 0"}
	if was != s {
		sets = append(sets, "state_at = UTC_TIMESTAMP(6)")
	}
	switch {
	case s == engine.StateHidden && was != s:
		sets = append(sets, "hidden_at = UTC_TIMESTAMP(6)")
	case s == engine.StateRolledBack:
		sets = append(sets, "hidden_at = NULL")
	}
	if _, err := c.ExecContext(ctx, "UPDATE phased_migration SET "+strings.Join(sets, ", ")+", state = ? WHERE name = ?", brief(reason), string(s), name); err != nil {
		return err
	}
	return event(ctx, c, name, string(s), reason)
}

// lockMigration locks a migration and gives its fills and state. The migration comes
// first, then its fills by their key: a chunk in flight locks them in this order.
func lockMigration(ctx context.Context, c querier, name string) (fills []string, was engine.State, err error) {
	err = c.QueryRowContext(ctx, "SELECT state FROM phased_migration WHERE name = ? FOR UPDATE", name).Scan(&was)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", &guardError{"migration " + name + " is not recorded in this database"}
	}
	if err != nil {
		return nil, "", err
	}
	if fills, err = list(ctx, c, "SELECT id FROM phased_fill WHERE migration = ? ORDER BY id", name); err != nil {
		return nil, "", err
	}
	for _, id := range fills {
		if _, err := list(ctx, c, "SELECT id FROM phased_fill WHERE id = ? FOR UPDATE", id); err != nil {
			return nil, "", err
		}
	}
	return fills, was, nil
}

// MarkBaseline records migrations as done without running them.
func (e *Engine) MarkBaseline(ctx context.Context, token int64, names, checksums []string) error {
	err := e.leased(ctx, token, func(c *sql.Conn) error {
		if _, err := c.ExecContext(ctx, "UPDATE phased_meta SET baseline = 1, fresh = 0 WHERE id = 1"); err != nil {
			return err
		}
		for i, n := range names {
			if _, err := c.ExecContext(ctx, `INSERT INTO phased_migration (name, checksum, state, reason, created_at, state_at) VALUES (?, ?, 'baseline', '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
				ON DUPLICATE KEY UPDATE checksum = checksum`, n, checksums[i]); err != nil {
				return err
			}
			if err := event(ctx, c, n, "baseline", ""); err != nil {
				return err
			}
		}
		return nil
	})
	return privilege(err, "record the baseline")
}

// Settle ends the set-up of a database that was empty.
func (e *Engine) Settle(ctx context.Context, token int64) error {
	err := e.leased(ctx, token, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, "UPDATE phased_meta SET fresh = 0, baseline = 1 WHERE id = 1")
		return err
	})
	return privilege(err, "end the set-up of an empty database")
}

// Forget removes the record of a rolled-back migration; its events stay.
func (e *Engine) Forget(ctx context.Context, token int64, name string) error {
	err := e.leased(ctx, token, func(c *sql.Conn) error {
		_, was, err := lockMigration(ctx, c, name)
		if err != nil {
			return err
		}
		if was != engine.StateRolledBack {
			return &guardError{fmt.Sprintf("migration %s is not rolled back, it is %s", name, was)}
		}
		for _, s := range []string{
			"DELETE FROM phased_poison WHERE fill IN (SELECT id FROM phased_fill WHERE migration = ?)",
			"DELETE FROM phased_fill WHERE migration = ?",
			"DELETE FROM phased_step WHERE migration = ?",
			"DELETE FROM phased_evidence WHERE migration = ?",
			"DELETE FROM phased_migration WHERE name = ?",
		} {
			if _, err := c.ExecContext(ctx, s, name); err != nil {
				return err
			}
		}
		return event(ctx, c, name, "resumed", "")
	})
	return privilege(err, "let "+name+" run again")
}

// pauseWait is for how long Pause waits for a chunk in flight.
const pauseWait = time.Minute

// Pause stops and starts by hand; it needs no lease. It waits for a chunk in flight,
// so afterwards nothing more is written. The count is of those that changed; of the one
// that was named, whether it had to change or not.
func (e *Engine) Pause(ctx context.Context, name string, paused bool) (int, error) {
	n, what := 0, "unpaused"
	if paused {
		what = "paused"
	}
	err := e.transaction(ctx, pinned{rowWait: pauseWait, idle: 2 * pauseWait}, func(c *sql.Conn) error {
		n = 0
		names := []string{name}
		if name == "" {
			var err error
			if names, err = list(ctx, c, "SELECT name FROM phased_migration WHERE paused <> ? ORDER BY name", paused); err != nil {
				return err
			}
		}
		for _, one := range names {
			var now bool
			var state engine.State
			err := c.QueryRowContext(ctx, "SELECT paused, state FROM phased_migration WHERE name = ? FOR UPDATE", one).Scan(&now, &state)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if name != "" {
				n++
			}
			if now == paused || name == "" && paused && over(state) {
				continue
			}
			if name == "" {
				n++
			}
			if _, err := c.ExecContext(ctx, "UPDATE phased_migration SET paused = ? WHERE name = ?", paused, one); err != nil {
				return err
			}
			if err := event(ctx, c, one, what, ""); err != nil {
				return err
			}
		}
		return nil
	})
	return n, privilege(err, "pause or resume")
}

// over reports a state in which there is nothing left to pause.
func over(s engine.State) bool {
	switch s {
	case engine.StateComplete, engine.StateDropped, engine.StateBaseline, engine.StateRolledBack:
		return true
	}
	return false
}
