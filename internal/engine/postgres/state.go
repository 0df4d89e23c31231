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
	if code(err) == "42501" {
		return nil, fmt.Errorf("read the state of the migrations: %w; %s", err, e.ownerWay(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of the migrations: %w", err)
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

// ownerWay says how a role comes to work with tables that are another's.
func (e *Engine) ownerWay(ctx context.Context) string {
	var owner, role string
	err := e.db.QueryRowContext(ctx, `SELECT pg_get_userbyid(relowner), current_user FROM pg_class WHERE oid = to_regclass('phased.meta')`).Scan(&owner, &role)
	if err != nil {
		return "run as the role that owns schema phased"
	}
	return fmt.Sprintf("run as %s, which owns phased's tables, or: GRANT ALL ON SCHEMA phased TO %[2]s; GRANT ALL ON ALL TABLES IN SCHEMA phased TO %[2]s; GRANT ALL ON ALL SEQUENCES IN SCHEMA phased TO %[2]s", owner, ident(role))
}

// Bootstrap creates the state tables. A duplicate means that another starter was
// faster; where its tables are not there after all, this one tries again.
func (e *Engine) Bootstrap(ctx context.Context) error {
	for try := 1; ; try++ {
		_, err := e.db.ExecContext(ctx, stateTables)
		switch code(err) {
		case "":
			if err == nil {
				return nil
			}
		case "42501":
			return fmt.Errorf("create schema phased: %w; %s", err, e.createWay(ctx))
		case "42P06", "42P07", "42710", "23505", // duplicate schema, table or object, also when met first in a catalog's index
			"XX000": // tuple concurrently updated: two starters granted at the same instant
			var there bool
			if ask := e.db.QueryRowContext(ctx, `SELECT to_regclass('phased.event') IS NOT NULL`).Scan(&there); ask == nil && there {
				return nil
			}
			if try < 5 && poll(ctx, 50*time.Millisecond) == nil {
				continue
			}
			return fmt.Errorf("create phased's tables: %w; schema phased holds something that is not phased's: move it away", err)
		}
		return fmt.Errorf("create phased's tables: %w", err)
	}
}

// createWay says who has to grant what before the tables can be created.
func (e *Engine) createWay(ctx context.Context) string {
	var database, role string
	var there bool
	err := e.db.QueryRowContext(ctx, `SELECT current_database(), current_user, to_regnamespace('phased') IS NOT NULL`).Scan(&database, &role, &there)
	switch {
	case err != nil:
		return "grant this role CREATE on the database, or run the first Up as a role that has it"
	case there:
		return fmt.Sprintf("as the schema's owner: GRANT CREATE, USAGE ON SCHEMA phased TO %s; GRANT USAGE ON SCHEMA phased TO PUBLIC", ident(role))
	}
	return fmt.Sprintf("as the database's owner: GRANT CREATE ON DATABASE %s TO %s; or run the first Up as a role that has it", ident(database), ident(role))
}

// Begin records a migration with its plan, steps and fills.
func (e *Engine) Begin(ctx context.Context, token int64, p *plan.Plan, s engine.State) error {
	insert, err := insertPlan(p, s, false)
	if err != nil {
		return err
	}
	err = e.leased(ctx, token, append([]string{unrecorded(p, s)}, insert...)...)
	if code(err) == codeAlready {
		return nil
	}
	return privilege(err, "record "+p.Migration.Name)
}

// unrecorded refuses to record a migration twice. What has just been recorded, alike,
// is this runner's own: its answer was lost, and the driver or a retry sent it again.
func unrecorded(p *plan.Plan, s engine.State) string {
	name := p.Migration.Name
	return do(fmt.Sprintf("  SELECT state || checksum INTO \"phased was\" FROM phased.migration WHERE name = %s;\n  IF \"phased was\" = %s THEN %s; ELSIF FOUND THEN %s; END IF;\n",
		literal(name), literal(string(s)+p.Migration.Checksum), raise(codeAlready, literal("it is recorded")), raise(codeGuard, literal("migration "+name+" is recorded already"))))
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
		out = append(out, fmt.Sprintf("INSERT INTO phased.step (migration, n, phase, title, done, done_at) VALUES (%s, %d, %s, %s, %t, CASE WHEN %[5]t THEN clock_timestamp() END)", name, n, literal(string(step.Phase)), literal(step.Title), done))
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

// markSQL sets a migration's state. Where it has that state already the clocks go on:
// a soak does not begin anew because a step was recorded twice.
//
// Marked so already, for the same reason, it leaves no second event: the answer to an
// earlier try may have been lost. The caller has locked the migration's row.
func markSQL(name string, s engine.State, reason string) []string {
	var out []string
	if s == engine.StateRollingBack {
		// A worker that is filling finds out at its next chunk. Fills first, then the
		// migration: a chunk locks them in this order too.
		out = append(out, fmt.Sprintf("UPDATE phased.fill SET state = 'cancelled', token = token + 1, lease_until = '-infinity' WHERE migration = %s", literal(name)))
	}
	return append(out, fmt.Sprintf("INSERT INTO phased.event (migration, what, detail) SELECT name, %[2]s, %[3]s FROM phased.migration WHERE name = %[1]s AND (state <> %[2]s OR reason <> %[3]s)",
		literal(name), literal(string(s)), literal(reason)), fmt.Sprintf(`UPDATE phased.migration SET state = %[2]s, reason = %[3]s,
  state_at = CASE WHEN state = %[2]s THEN state_at ELSE clock_timestamp() END,
  hidden_at = CASE WHEN %[2]s = 'hidden' THEN CASE WHEN state = 'hidden' THEN hidden_at ELSE clock_timestamp() END WHEN %[2]s = 'rolled-back' THEN NULL ELSE hidden_at END
WHERE name = %[1]s`, literal(name), literal(string(s)), literal(reason)))
}

// Mark sets a migration's state where it is in one of from.
func (e *Engine) Mark(ctx context.Context, token int64, name string, s engine.State, reason string, from ...engine.State) error {
	check := lockMigration(name)
	if len(from) > 0 {
		list := make([]string, len(from))
		for i, f := range from {
			list[i] = string(f)
		}
		// Already there is fine: the answer to an earlier try may have been lost.
		check += fmt.Sprintf("  IF \"phased was\" <> ALL (%s) THEN %s; END IF;\n", literals(append(list[:len(list):len(list)], string(s))),
			raise(codeGuard, fmt.Sprintf("%s || \"phased was\" || %s", literal("migration "+name+" is "), literal(fmt.Sprintf(", and becomes %s only from %s", s, strings.Join(list, " or "))))))
	}
	return privilege(e.leased(ctx, token, append([]string{do(check)}, markSQL(name, s, reason)...)...), fmt.Sprintf("mark %s as %s", name, s))
}

// lockMigration locks the row of a migration, FOR NO KEY UPDATE, and reads its state
// into "phased was". Its fills come first: a chunk in flight locks them in this order.
func lockMigration(name string) string {
	return fmt.Sprintf(`  PERFORM FROM phased.fill WHERE migration = %[1]s FOR NO KEY UPDATE;
  SELECT state INTO "phased was" FROM phased.migration WHERE name = %[1]s FOR NO KEY UPDATE;
  IF NOT FOUND THEN %[2]s; END IF;
`, literal(name), raise(codeGuard, literal("migration "+name+" is not recorded in this database")))
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
	check := lockMigration(name) + fmt.Sprintf("  IF \"phased was\" <> 'rolled-back' THEN %s; END IF;\n",
		raise(codeGuard, literal("migration "+name+" is not rolled back, it is ")+` || "phased was"`))
	return privilege(e.leased(ctx, token, do(check), "DELETE FROM phased.migration WHERE name = "+literal(name), event(name, "resumed", "")), "let "+name+" run again")
}

// Pause stops and starts by hand; it needs no lease. It waits for a chunk in flight,
// so afterwards nothing more is written. The count is of those that changed; of the one
// that was named, whether it had to change or not.
func (e *Engine) Pause(ctx context.Context, name string, paused bool) (int, error) {
	var n int
	err := e.db.QueryRowContext(ctx, `WITH u AS (UPDATE phased.migration SET paused = $2
		   WHERE paused <> $2 AND (name = $1 OR $1 = '' AND (NOT $2 OR state NOT IN ('complete', 'dropped', 'baseline', 'rolled-back'))) RETURNING name),
		 v AS (INSERT INTO phased.event (migration, what) SELECT name, CASE WHEN $2 THEN 'paused' ELSE 'unpaused' END FROM u)
		 SELECT CASE WHEN $1 = '' THEN (SELECT count(*) FROM u) ELSE (SELECT count(*) FROM phased.migration WHERE name = $1) END`, name, paused).Scan(&n)
	return n, privilege(err, "pause or resume")
}

// Plan reads a stored plan.
func (e *Engine) Plan(ctx context.Context, name string) (*plan.Plan, error) {
	var raw []byte
	err := e.db.QueryRowContext(ctx, `SELECT coalesce((SELECT plan::text FROM phased.migration WHERE name = $1), '')`, name).Scan(&raw)
	if err != nil {
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

// millis writes a duration as PostgreSQL's settings read it: 0 is no limit, and no
// other duration becomes 0.
func millis(d time.Duration) string {
	if d > 0 {
		return fmt.Sprintf("%dms", ms(d))
	}
	return "0"
}
