package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// contractedFor lists, as JSON, the contracted migrations whose line is not among lines.
const contractedFor = `SELECT coalesce(json_agg(g.name ORDER BY g.name), '[]'::json)::text FROM phased.migration g
  WHERE g.contracts AND g.state IN ('hidden', 'dropping', 'dropped') AND NOT g.name = ANY (%s)`

// Register records an instance, in one round trip. It takes the register's row
// first and looks in a statement of its own: hiding an old side takes the same row,
// and what it has committed meanwhile is seen.
func (e *Engine) Register(ctx context.Context, in engine.Instance) error {
	lines := literals(in.Lines)
	_, err := e.db.ExecContext(ctx, joined(
		ownSettings,
		do(fmt.Sprintf("  PERFORM FROM phased.register FOR SHARE;\n  \"phased was\" := (%s);\n  IF \"phased was\" <> '[]' THEN %s; END IF;\n",
			fmt.Sprintf(contractedFor, lines), raise(codeContracted, `"phased was"`))),
		fmt.Sprintf(`INSERT INTO phased.instance (id, app, version, host, pid, lines, lifetime) VALUES (%s, %s, %s, %s, %d, %s, %s)
  ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), stopped = false, app = excluded.app, version = excluded.version,
    host = excluded.host, pid = excluded.pid, lines = excluded.lines, lifetime = excluded.lifetime`,
			literal(in.ID), literal(in.App), literal(in.Version), literal(in.Host), in.PID, lines, literal(interval(in.Lifetime))),
		"DELETE FROM phased.instance WHERE seen_at < clock_timestamp() - interval '30 days'",
	))
	if code(err) == codeContracted {
		var gone []string
		if jerr := json.Unmarshal([]byte(detail(err)), &gone); jerr != nil {
			return fmt.Errorf("register this instance: %w", errors.Join(err, jerr))
		}
		return &engine.Contracted{Migrations: gone}
	}
	return privilege(err, "register this instance")
}

// Heartbeat is a sign of life. Of an instance that is not in the register it is an
// error: no gate would know of it. One that said goodbye stays gone, whatever comes
// late.
func (e *Engine) Heartbeat(ctx context.Context, id string) ([]string, error) {
	var raw []byte
	var known bool
	err := e.db.QueryRowContext(ctx, `WITH me AS (UPDATE phased.instance SET seen_at = clock_timestamp() WHERE id = $1 AND NOT stopped RETURNING lines)
		SELECT EXISTS (SELECT FROM me), (SELECT coalesce(json_agg(g.name ORDER BY g.name), '[]'::json)::text FROM me, phased.migration g
		WHERE g.contracts AND g.state IN ('hidden', 'dropping', 'dropped') AND NOT g.name = ANY (me.lines))`, id).Scan(&known, &raw)
	if err != nil {
		return nil, privilege(err, "give a sign of life")
	}
	if !known {
		return nil, fmt.Errorf("give a sign of life: instance %s is not in the register (it said goodbye, or was not seen for 30 days); start it again", id)
	}
	var gone []string
	if err := json.Unmarshal(raw, &gone); err != nil {
		return nil, fmt.Errorf("give a sign of life: %w", err)
	}
	return gone, nil
}

// Deregister says goodbye. The record stays: the soak counts from this moment.
func (e *Engine) Deregister(ctx context.Context, id string) error {
	_, err := e.db.ExecContext(ctx, `UPDATE phased.instance SET stopped = true, seen_at = clock_timestamp() WHERE id = $1`, id)
	return privilege(err, "take this instance out of the register")
}

// Instances lists the register. Ages are by the database's clock.
func (e *Engine) Instances(ctx context.Context) ([]engine.Instance, error) {
	rows, err := e.db.QueryContext(ctx, `SELECT json_build_object('ID', id, 'App', app, 'Version', version, 'Host', host, 'PID', pid, 'Lines', lines,
		'Started', started_at, 'Stopped', stopped, 'Alive', NOT stopped AND seen_at >= clock_timestamp() - lifetime)::text,
		(extract(epoch FROM lifetime) * 1000000)::int8, (extract(epoch FROM clock_timestamp() - seen_at) * 1000000)::int8
		FROM phased.instance ORDER BY started_at, id`)
	if err != nil {
		return nil, privilege(err, "read the register of instances")
	}
	defer rows.Close()
	var out []engine.Instance
	for rows.Next() {
		var raw []byte
		var lifetime, seen int64
		if err := rows.Scan(&raw, &lifetime, &seen); err != nil {
			return nil, fmt.Errorf("read the register of instances: %w", err)
		}
		var in engine.Instance
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, fmt.Errorf("read the register of instances: %w", err)
		}
		in.Lifetime, in.SeenAgo = time.Duration(lifetime)*time.Microsecond, time.Duration(seen)*time.Microsecond
		out = append(out, in)
	}
	return out, rows.Err()
}
