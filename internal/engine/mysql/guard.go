package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// guard is what RegisterGuard hands to a step's Prelude.
type guard struct {
	Migration string `json:"migration"`
	SoakUS    int64  `json:"soak_us"`
}

// RegisterGuard gives what the steps that hide an old side ask first. They cannot do so
// in the transaction of their DDL, so asking marks the migration as being hidden: from
// then on a build without the line is refused as if it were hidden already. Registering
// and asking lock the same row, so neither slips past the other.
func (e *Engine) RegisterGuard(migration string, soak time.Duration) []string {
	b, _ := json.Marshal(guard{migration, soak.Microseconds()}) // a string and a number: never fails
	return []string{string(b)}
}

// ask runs a step's Prelude on its session, in a transaction of its own.
func (e *Engine) ask(ctx context.Context, c *sql.Conn, prelude []string) error {
	for _, text := range prelude {
		var g guard
		if err := json.Unmarshal([]byte(text), &g); err != nil {
			return fmt.Errorf("read the question of a step: %w", err)
		}
		if err := begin(ctx, c, func() error { return g.ask(ctx, c) }); err != nil {
			return err
		}
	}
	return nil
}

// begin runs fn in a transaction on a pinned session.
func begin(ctx context.Context, c *sql.Conn, fn func() error) error {
	if _, err := c.ExecContext(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	if err := fn(); err != nil {
		_, _ = c.ExecContext(ctx, "ROLLBACK") // a session that cannot do that is closed
		return err
	}
	_, err := c.ExecContext(ctx, "COMMIT")
	return err
}

// ask locks the register and asks it. An instance without the line counts until it has
// not been seen for the soak time, and never less than three of its own lifetimes. Ages
// are by the database's clock.
func (g guard) ask(ctx context.Context, c querier) error {
	var id int
	if err := c.QueryRowContext(ctx, "SELECT id FROM phased_register WHERE id = 1 FOR UPDATE").Scan(&id); err != nil {
		return fmt.Errorf("lock the register: %w", err)
	}
	lacking, live, err := g.instances(ctx, c)
	switch {
	case err != nil:
		return fmt.Errorf("ask the register: %w", err)
	case len(lacking) > 0:
		return &guardError{fmt.Sprintf("without the contract line of %s: %s", g.Migration, strings.Join(lacking, "; "))}
	case !live:
		return &guardError{"no live instance embeds the contract line of " + g.Migration}
	}
	_, err = c.ExecContext(ctx, "UPDATE phased_migration SET hiding = 1 WHERE name = ?", g.Migration)
	return err
}

func (g guard) instances(ctx context.Context, c querier) (lacking []string, live bool, err error) {
	rows, err := c.QueryContext(ctx, `SELECT app, version, host, stopped, contract_lines, lifetime_us, TIMESTAMPDIFF(MICROSECOND, seen_at, UTC_TIMESTAMP(6))
		FROM phased_instance ORDER BY app, version, host, id`)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var app, version, host string
		var stopped bool
		var raw []byte
		var lifetime, ago int64
		if err := rows.Scan(&app, &version, &host, &stopped, &raw, &lifetime, &ago); err != nil {
			return nil, false, err
		}
		var lines []string
		if err := json.Unmarshal(raw, &lines); err != nil {
			return nil, false, err
		}
		has := slices.Contains(lines, g.Migration)
		switch {
		case has && !stopped && ago < lifetime:
			live = true
		case !has && ago < max(g.SoakUS, 3*lifetime):
			how := "seen"
			if stopped {
				how = "stopped"
			}
			lacking = append(lacking, fmt.Sprintf("%s %s on %s, %s %s ago", app, version, host, how, (time.Duration(ago)*time.Microsecond).Round(time.Second)))
		}
	}
	return lacking, live, rows.Err()
}

// unhide takes the mark of ask away, where nothing has been hidden yet.
func unhide(ctx context.Context, c querier, migration string) error {
	_, err := c.ExecContext(ctx, `UPDATE phased_migration SET hiding = 0 WHERE name = ? AND hiding = 1
		AND NOT EXISTS (SELECT 1 FROM phased_step WHERE migration = ? AND phase = 'hide' AND done = 1)`, migration, migration)
	return err
}
