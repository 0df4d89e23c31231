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

// Register records an instance. It locks the row that hiding an old side locks, so that
// neither slips past the other, and looks at what is contracted behind that lock.
func (e *Engine) Register(ctx context.Context, in engine.Instance) error {
	lines, err := json.Marshal(append([]string{}, in.Lines...)) // [] and not null
	if err != nil {
		return fmt.Errorf("register this instance: %w", err)
	}
	var gone []string
	err = e.transaction(ctx, pinned{}, func(c *sql.Conn) error {
		var id int
		if err := c.QueryRowContext(ctx, "SELECT id FROM phased_register WHERE id = 1 LOCK IN SHARE MODE").Scan(&id); err != nil {
			return err
		}
		var err error
		if gone, err = contracted(ctx, c, in.Lines); err != nil || len(gone) > 0 {
			return err
		}
		if _, err := c.ExecContext(ctx, `INSERT INTO phased_instance (id, app, version, host, pid, contract_lines, lifetime_us, started_at, seen_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
			ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at), stopped = 0, app = VALUES(app), version = VALUES(version), host = VALUES(host),
			  pid = VALUES(pid), contract_lines = VALUES(contract_lines), lifetime_us = VALUES(lifetime_us)`,
			in.ID, in.App, in.Version, in.Host, in.PID, string(lines), in.Lifetime.Microseconds()); err != nil {
			return err
		}
		_, err = c.ExecContext(ctx, "DELETE FROM phased_instance WHERE seen_at < UTC_TIMESTAMP(6) - INTERVAL 30 DAY")
		return err
	})
	if err == nil && len(gone) > 0 {
		return &engine.Contracted{Migrations: gone}
	}
	return privilege(err, "register this instance")
}

// contracted lists what is hidden, dropped, or just being hidden, and not among the lines.
func contracted(ctx context.Context, q querier, lines []string) ([]string, error) {
	all, err := list(ctx, q, "SELECT name FROM phased_migration WHERE contracts = 1 AND (hiding = 1 OR state IN ('hidden', 'dropping', 'dropped')) ORDER BY name")
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(lines, name) }), err
}

// Heartbeat is a sign of life. Of an instance that is not in the register it is an
// error: no gate would know of it. One that said goodbye stays gone.
func (e *Engine) Heartbeat(ctx context.Context, id string) (gone []string, err error) {
	err = e.transaction(ctx, pinned{}, func(c *sql.Conn) error {
		var raw []byte
		err := c.QueryRowContext(ctx, "SELECT contract_lines FROM phased_instance WHERE id = ? AND stopped = 0 FOR UPDATE", id).Scan(&raw)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("instance %s is not in the register (it said goodbye, or was not seen for 30 days); start it again", id)
		}
		if err != nil {
			return err
		}
		var lines []string
		if err := json.Unmarshal(raw, &lines); err != nil {
			return err
		}
		if _, err := c.ExecContext(ctx, "UPDATE phased_instance SET seen_at = UTC_TIMESTAMP(6) WHERE id = ?", id); err != nil {
			return err
		}
		gone, err = contracted(ctx, c, lines)
		return err
	})
	return gone, privilege(err, "give a sign of life")
}

// Deregister says goodbye. The record stays: the soak counts from this moment.
func (e *Engine) Deregister(ctx context.Context, id string) error {
	err := e.with(ctx, pinned{}, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, "UPDATE phased_instance SET stopped = 1, seen_at = UTC_TIMESTAMP(6) WHERE id = ?", id)
		return err
	})
	return privilege(err, "take this instance out of the register")
}

// Instances lists the register. Ages are by the database's clock.
func (e *Engine) Instances(ctx context.Context) (out []engine.Instance, err error) {
	err = e.with(ctx, pinned{}, func(c *sql.Conn) error {
		rows, err := c.QueryContext(ctx, "SELECT id, app, version, host, pid, contract_lines, lifetime_us, "+timeText("started_at")+", "+age("seen_at")+", stopped FROM phased_instance ORDER BY started_at, id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var in engine.Instance
			var lines []byte
			var started sql.NullString
			var lifetime, seen int64
			if err := rows.Scan(&in.ID, &in.App, &in.Version, &in.Host, &in.PID, &lines, &lifetime, &started, &seen, &in.Stopped); err != nil {
				return err
			}
			if in.Started, err = readTime(started); err != nil {
				return err
			}
			if err := json.Unmarshal(lines, &in.Lines); err != nil {
				return err
			}
			in.Lifetime, in.SeenAgo = time.Duration(lifetime)*time.Microsecond, time.Duration(seen)*time.Microsecond
			in.Alive = !in.Stopped && in.SeenAgo <= in.Lifetime
			out = append(out, in)
		}
		return rows.Err()
	})
	return out, privilege(err, "read the register of instances")
}
