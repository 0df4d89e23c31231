package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

const overviewSQL = `SELECT json_build_object(
  'Fresh', m.fresh, 'Tables', m.tables_found, 'Baseline', m.baseline, 'Format', m.format,
  'Version', current_setting('server_version_num')::int, 'Name', 'PostgreSQL ' || current_setting('server_version'),
  'Database', current_database(), 'Role', current_user,
  'NoWrites', CASE WHEN pg_is_in_recovery() THEN 'it is a replica' WHEN current_setting('transaction_read_only') = 'on' THEN 'its sessions are read-only (default_transaction_read_only)' ELSE '' END,
  'Migrations', (SELECT coalesce(json_agg(json_build_object('Name', g.name, 'Checksum', g.checksum, 'State', g.state, 'Paused', g.paused, 'Reason', g.reason,
     'Contract', g.contracts, 'Fills', g.fills, 'StateAt', g.state_at, 'HiddenAt', coalesce(g.hidden_at, '0001-01-01Z'::timestamptz),
     'HiddenAgo', coalesce((extract(epoch FROM clock_timestamp() - g.hidden_at) * 1000000)::int8 * 1000, 0)) ORDER BY g.name COLLATE "C"), '[]'::json) FROM phased.migration g))::text
FROM phased.meta m`

// stateFormat is the version of the state tables that this build knows.
const stateFormat = 1

// Overview reads everything a start has to know, in one round trip.
func (e *Engine) Overview(ctx context.Context) (*engine.Overview, error) {
	var raw []byte
	err := e.db.QueryRowContext(ctx, overviewSQL).Scan(&raw)
	if missing(err) {
		return nil, engine.ErrNoState
	}
	if err != nil {
		return nil, privilege(err, "read the state of the migrations")
	}
	var row struct {
		engine.Overview
		engine.Server
		Format int
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		return nil, fmt.Errorf("read the state of the migrations: %w", err)
	}
	if row.Format != stateFormat {
		return nil, fmt.Errorf("schema phased has format %d, this build knows %d; deploy a build with a later release of phased", row.Format, stateFormat)
	}
	ov := row.Overview
	ov.Server = row.Server
	return &ov, checkVersion(&ov.Server)
}

// Bootstrap creates the state tables. A duplicate means that another starter was
// faster: its transaction has created all of them.
func (e *Engine) Bootstrap(ctx context.Context) error {
	_, err := e.db.ExecContext(ctx, stateTables)
	switch code(err) {
	case "42P06", "42P07", "42710", "23505":
		return nil
	case "42501":
		return fmt.Errorf("create schema phased: %w; GRANT CREATE ON DATABASE to this role, or run the first Up as a role that has it", err)
	}
	if err != nil {
		return fmt.Errorf("create schema phased: %w", err)
	}
	return nil
}

// Begin records a migration with its plan, steps and fills.
func (e *Engine) Begin(ctx context.Context, token int64, p *plan.Plan, s engine.State) error {
	insert, err := insertPlan(p, s, false)
	if err != nil {
		return err
	}
	return privilege(e.leased(ctx, token, insert...), "record "+p.Migration.Name)
}

func insertPlan(p *plan.Plan, s engine.State, done bool) ([]string, error) {
	raw, err := p.Encode()
	if err != nil {
		return nil, err
	}
	name := literal(p.Migration.Name)
	out := []string{fmt.Sprintf("INSERT INTO phased.migration (name, checksum, state, plan, contracts, fills) VALUES (%s, %s, %s, %s, %t, %t)",
		name, literal(p.Migration.Checksum), literal(string(s)), literal(string(raw)), p.Contracts() || done && s == engine.StateDropped, len(p.Fills) > 0)}
	for n, step := range p.Steps {
		out = append(out, fmt.Sprintf("INSERT INTO phased.step (migration, n, phase, title, done) VALUES (%s, %d, %s, %s, %t)", name, n, literal(string(step.Phase)), literal(step.Title), done))
	}
	for _, f := range p.Fills {
		spec, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("INSERT INTO phased.fill (id, migration, spec) VALUES (%s, %s, %s)", literal(f.Link.ID), name, literal(string(spec))))
	}
	return append(out, event(p.Migration.Name, string(s), "")), nil
}

// markSQL sets a migration's state.
func markSQL(name string, s engine.State, reason string) []string {
	out := []string{fmt.Sprintf("UPDATE phased.migration SET state = %[2]s, state_at = clock_timestamp(), reason = %[3]s, hidden_at = CASE WHEN %[2]s = 'hidden' THEN clock_timestamp() WHEN %[2]s = 'rolled-back' THEN NULL ELSE hidden_at END WHERE name = %[1]s",
		literal(name), literal(string(s)), literal(reason)), event(name, string(s), reason)}
	if s == engine.StateRollingBack {
		// A worker that is filling finds out at its next chunk.
		out = append(out, fmt.Sprintf("UPDATE phased.fill SET state = 'cancelled', token = token + 1, lease_until = '-infinity' WHERE migration = %s", literal(name)))
	}
	return out
}

// Mark sets a migration's state where it is in one of from.
func (e *Engine) Mark(ctx context.Context, token int64, name string, s engine.State, reason string, from ...engine.State) error {
	guard := fmt.Sprintf("SELECT FROM phased.migration WHERE name = %s", literal(name))
	if len(from) > 0 {
		var list []string
		for _, f := range from {
			list = append(list, literal(string(f)))
		}
		guard += " AND state IN (" + strings.Join(list, ", ") + ")"
	}
	check := raiseUnless(guard, codeGuard, fmt.Sprintf("migration %s is not in a state from which it can become %s", name, s))
	return privilege(e.leased(ctx, token, append([]string{check}, markSQL(name, s, reason)...)...), fmt.Sprintf("mark %s as %s", name, s))
}

// MarkBaseline records migrations as done without running them.
func (e *Engine) MarkBaseline(ctx context.Context, token int64, names, checksums []string) error {
	statements := []string{"UPDATE phased.meta SET baseline = true, fresh = false"}
	for i, n := range names {
		statements = append(statements, fmt.Sprintf("INSERT INTO phased.migration (name, checksum, state) VALUES (%s, %s, 'baseline') ON CONFLICT (name) DO NOTHING", literal(n), literal(checksums[i])), event(n, "baseline", ""))
	}
	return privilege(e.leased(ctx, token, statements...), "record the baseline")
}

// Settle ends the set-up of a database that was empty.
func (e *Engine) Settle(ctx context.Context, token int64) error {
	return privilege(e.leased(ctx, token, "UPDATE phased.meta SET fresh = false, baseline = true"), "end the set-up of an empty database")
}

// Forget removes the record of a rolled-back migration; its events stay.
func (e *Engine) Forget(ctx context.Context, token int64, name string) error {
	check := raiseUnless(fmt.Sprintf("SELECT FROM phased.migration WHERE name = %s AND state = 'rolled-back'", literal(name)), codeGuard, "migration "+name+" is not rolled back")
	return privilege(e.leased(ctx, token, check, "DELETE FROM phased.migration WHERE name = "+literal(name), event(name, "resumed", "")), "let "+name+" run again")
}

// Pause stops and starts by hand; it needs no lease.
func (e *Engine) Pause(ctx context.Context, name string, paused bool) (int, error) {
	var n int
	err := e.db.QueryRowContext(ctx, `WITH u AS (UPDATE phased.migration SET paused = $2 WHERE ($1 = '' OR name = $1) AND paused <> $2 RETURNING name),
		 v AS (INSERT INTO phased.event (migration, what) SELECT name, CASE WHEN $2 THEN 'paused' ELSE 'unpaused' END FROM u)
		 SELECT count(*) FROM phased.migration WHERE $1 = '' OR name = $1`, name, paused).Scan(&n)
	return n, privilege(err, "pause or resume")
}

// Plan reads a stored plan.
func (e *Engine) Plan(ctx context.Context, name string) (*plan.Plan, error) {
	var raw []byte
	if err := e.db.QueryRowContext(ctx, `SELECT coalesce(plan::text, '') FROM phased.migration WHERE name = $1`, name).Scan(&raw); err != nil {
		return nil, privilege(err, "read the plan of "+name)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	return plan.Decode(raw)
}

// Steps reads what is recorded of each step.
func (e *Engine) Steps(ctx context.Context, name string) ([]engine.StepRecord, error) {
	rows, err := e.db.QueryContext(ctx, `SELECT n, phase, title, done, coalesce(done_at, '0001-01-01Z'), attempts, error FROM phased.step WHERE migration = $1 ORDER BY n`, name)
	if err != nil {
		return nil, privilege(err, "read the steps of "+name)
	}
	defer rows.Close()
	var out []engine.StepRecord
	for rows.Next() {
		var r engine.StepRecord
		if err := rows.Scan(&r.N, &r.Phase, &r.Title, &r.Done, &r.DoneAt, &r.Attempts, &r.Error); err != nil {
			return nil, fmt.Errorf("read the steps of %s: %w", name, err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// Links reads the pairs in flight with the names that their columns have now.
func (e *Engine) Links(ctx context.Context, schemaName, table string) ([]plan.Link, error) {
	rows, err := e.db.QueryContext(ctx, `SELECT link::text, hidden FROM phased.link WHERE $2 = '' OR (schema_name = $1 AND table_name = $2) ORDER BY position`, schemaName, table)
	if missing(err) {
		return nil, engine.ErrNoState
	}
	if err != nil {
		return nil, privilege(err, "read what is kept in step")
	}
	defer rows.Close()
	var out []plan.Link
	for rows.Next() {
		var raw []byte
		var hidden bool
		if err := rows.Scan(&raw, &hidden); err != nil {
			return nil, fmt.Errorf("read what is kept in step: %w", err)
		}
		var l plan.Link
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, fmt.Errorf("read what is kept in step: %w", err)
		}
		if hidden {
			l = l.Hide()
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// Events reads the log of a migration, latest first.
func (e *Engine) Events(ctx context.Context, name string, limit int) ([]engine.Event, error) {
	rows, err := e.db.QueryContext(ctx, `SELECT at, migration, what, detail FROM phased.event WHERE $1 = '' OR migration = $1 ORDER BY id DESC LIMIT $2`, name, limit)
	if err != nil {
		return nil, privilege(err, "read the events of "+name)
	}
	defer rows.Close()
	var out []engine.Event
	for rows.Next() {
		var ev engine.Event
		if err := rows.Scan(&ev.At, &ev.Migration, &ev.What, &ev.Detail); err != nil {
			return nil, fmt.Errorf("read the events of %s: %w", name, err)
		}
		out = append(out, ev)
	}
	return out, rows.Err()
}

// millis writes a duration as PostgreSQL's settings and intervals read it.
func millis(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
