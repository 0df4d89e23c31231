package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/phasedb/phased/internal/engine"
)

// holdersSQL: a lock of a prepared transaction has no process; its transaction id
// stands in a lock of the same virtual transaction.
const holdersSQL = `SELECT coalesce(json_agg(h ORDER BY h."Age" DESC NULLS LAST), '[]'::json)::text FROM (
  SELECT coalesce(l.pid, 0) AS "PID", coalesce(max(a.application_name), '') AS "Application",
    coalesce(max(a.usename::text), max(px.owner::text), '') AS "Role", string_agg(DISTINCT regexp_replace(l.mode, 'Lock$', ''), ', ') AS "Mode",
    coalesce(max(a.state), '') AS "State",
    (extract(epoch FROM clock_timestamp() - coalesce(max(a.xact_start), max(px.prepared))) * 1000000)::int8 * 1000 AS "Age",
    coalesce(left(max(a.query), 120), '') AS "Query", coalesce(bool_or(a.backend_type = 'autovacuum worker'), false) AS "Autovacuum", coalesce(max(px.gid), '') AS "Prepared"
  FROM pg_locks l
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_prepared_xacts px ON px.transaction = x.transactionid
  WHERE l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.relation = to_regclass($1)::oid AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  GROUP BY l.pid, CASE WHEN l.pid IS NULL THEN l.virtualtransaction END ORDER BY "Age" DESC NULLS LAST LIMIT 10) h`

// Holders lists who holds a lock on a relation, oldest transaction first.
func (e *Engine) Holders(ctx context.Context, relation string) ([]engine.Holder, error) {
	if relation == "" {
		return nil, nil
	}
	var raw []byte
	if err := e.db.QueryRowContext(ctx, holdersSQL, relation).Scan(&raw); err != nil {
		return nil, fmt.Errorf("ask who holds a lock on %s: %w", relation, err)
	}
	var out []engine.Holder
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("ask who holds a lock on %s: %w", relation, err)
	}
	for i := range out {
		out[i].Query = strings.Join(strings.Fields(out[i].Query), " ")
	}
	return out, nil
}
