package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// contracted lists the migrations whose line is not among lines, and whose old side is
// hidden, gone, or about to be hidden.
func contracted(ctx context.Context, c querier, lines []string) ([]string, error) {
	all, err := list(ctx, c, `SELECT name FROM phased_migration WHERE contracts = 1 AND (state IN ('hidden', 'dropping', 'dropped') OR hiding = 1) ORDER BY name`)
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(lines, name) }), err
}

// contractedError carries *engine.Contracted through a transaction.
var errContracted = errors.New("the old side is gone")

// Register records an instance. It takes the register's row first and looks in a
// statement of its own: hiding an old side takes the same row, and what it has committed
// meanwhile is seen.
func (e *Engine) Register(ctx context.Context, in engine.Instance) error {
	lines, err := json.Marshal(append([]string{}, in.Lines...))
	if err != nil {
		return fmt.Errorf("register this instance: %w", err)
	}
	var gone []string
	err = e.transaction(ctx, pinned{}, func(c *sql.Conn) error {
		if _, err := list(ctx, c, "SELECT id FROM phased_register WHERE id = 1 LOCK IN SHARE MODE"); err != nil {
			return err
		}
		var err error
		if gone, err = contracted(ctx, c, in.Lines); err != nil {
			return err
		}
		if len(gone) > 0 {
			return errContracted
		}
		if _, err := c.ExecContext(ctx, `INSERT INTO phased_instance (id, app, version, host, pid, contract_lines, lifetime_us, started_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
			ON DUPLICATE KEY UPDATE app = ?, version = ?, host = ?, pid = ?, contract_lines = ?, lifetime_us = ?, seen_at = UTC_TIMESTAMP(6), stopped = 0`,
			in.ID, in.App, in.Version, in.Host, in.PID, string(lines), in.Lifetime.Microseconds(),
			in.App, in.Version, in.Host, in.PID, string(lines), in.Lifetime.Microseconds()); err != nil {
			return err
		}
		return forgetInstances(ctx, c)
	})
	if errors.Is(err, errContracted) {
		return &engine.Contracted{Migrations: gone}
	}
	return privilege(err, "register this instance")
}

// forgetInstances removes those not seen for 30 days, by their key: others' rows are
// not locked.
func forgetInstances(ctx context.Context, c querier) error {
	old, err := list(ctx, c, "SELECT id FROM phased_instance WHERE seen_at < UTC_TIMESTAMP(6) - INTERVAL 30 DAY")
	if err != nil {
		return err
	}
	for _, id := range old {
		if _, err := c.ExecContext(ctx, "DELETE FROM phased_instance WHERE id = ? AND seen_at < UTC_TIMESTAMP(6) - INTERVAL 30 DAY", id); err != nil {
			return err
		}
	}
	return nil
}

// Heartbeat is a sign of life. Of an instance that is not in the register it is an
// error: no gate would know of it. One that said goodbye stays gone, whatever comes
// late.
func (e *Engine) Heartbeat(ctx context.Context, id string) (gone []string, err error) {
	known := true
	err = e.look(ctx, "give a sign of life", func(c *sql.Conn) error {
		if _, err := c.ExecContext(ctx, "UPDATE phased_instance SET seen_at = UTC_TIMESTAMP(6) WHERE id = ? AND stopped = 0", id); err != nil {
			return err
		}
		var raw []byte
		err := c.QueryRowContext(ctx, "SELECT contract_lines FROM phased_instance WHERE id = ? AND stopped = 0", id).Scan(&raw)
		if errors.Is(err, sql.ErrNoRows) {
			known = false
			return nil
		}
		var lines []string
		if err == nil {
			err = json.Unmarshal(raw, &lines)
		}
		if err == nil {
			gone, err = contracted(ctx, c, lines)
		}
		return err
	})
	if err == nil && !known {
		err = fmt.Errorf("give a sign of life: instance %s is not in the register (it said goodbye, or was not seen for 30 days); start it again", id)
	}
	return gone, err
}

// Deregister says goodbye. The record stays: the soak counts from this moment.
func (e *Engine) Deregister(ctx context.Context, id string) error {
	return e.look(ctx, "take this instance out of the register", func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, "UPDATE phased_instance SET stopped = 1, seen_at = UTC_TIMESTAMP(6) WHERE id = ?", id)
		return err
	})
}

// Instances lists the register. Ages are by the database's clock.
func (e *Engine) Instances(ctx context.Context) (out []engine.Instance, err error) {
	err = e.look(ctx, "read the register of instances", func(c *sql.Conn) (err error) {
		out, err = records(ctx, c, func(r *sql.Rows) (in engine.Instance, err error) {
			var raw []byte
			var started sql.NullString
			var lifetime, ago int64
			if err = r.Scan(&in.ID, &in.App, &in.Version, &in.Host, &in.PID, &raw, &lifetime, &started, &ago, &in.Stopped); err != nil {
				return in, err
			}
			in.Lifetime, in.SeenAgo = time.Duration(lifetime)*time.Microsecond, time.Duration(ago)*time.Microsecond
			in.Alive = !in.Stopped && in.SeenAgo <= in.Lifetime
			if in.Started, err = readTime(started); err != nil {
				return in, err
			}
			return in, json.Unmarshal(raw, &in.Lines)
		}, `SELECT id, app, version, host, pid, contract_lines, lifetime_us, `+timeText("started_at")+`, `+age("seen_at")+`, stopped FROM phased_instance ORDER BY started_at, id`)
		return err
	})
	return out, err
}
