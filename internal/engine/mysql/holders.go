package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// holdersSQL: who holds a metadata lock on a table, oldest first.
const holdersSQL = `SELECT /* phased */ t.PROCESSLIST_ID, COALESCE(t.PROCESSLIST_USER, ''), COALESCE(t.PROCESSLIST_HOST, ''), GROUP_CONCAT(DISTINCT m.LOCK_TYPE ORDER BY m.LOCK_TYPE),
  COALESCE(MAX(t.PROCESSLIST_COMMAND), ''), COALESCE(MAX(t.PROCESSLIST_TIME), 0), COALESCE(LEFT(MAX(t.PROCESSLIST_INFO), 120), '')
 FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
 WHERE m.OBJECT_TYPE = 'TABLE' AND m.OBJECT_SCHEMA = DATABASE() AND m.OBJECT_NAME = ? AND m.LOCK_STATUS = 'GRANTED' AND t.PROCESSLIST_ID <> CONNECTION_ID()
 GROUP BY t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST ORDER BY 6 DESC LIMIT 10`

// suspectsSQL: without those instruments, the open transactions are all that can be said.
const suspectsSQL = `SELECT /* phased */ p.ID, COALESCE(p.USER, ''), COALESCE(p.HOST, ''), 'an open transaction', COALESCE(p.COMMAND, ''), TIMESTAMPDIFF(SECOND, x.trx_started, NOW()), COALESCE(LEFT(p.INFO, 120), '')
 FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id
 WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() ORDER BY 6 DESC LIMIT 10`

// Holders lists who holds a lock on a table that a step had to wait for. It needs the
// instrument wait/lock/metadata/sql/mdl of the performance schema (MySQL has it on,
// MariaDB off); without it, or without the privilege, whoever has a transaction open is
// named.
func (e *Engine) Holders(ctx context.Context, relation string) ([]engine.Holder, error) {
	if relation == "" {
		return nil, nil
	}
	name := strings.ReplaceAll(strings.Trim(relation, "`"), "``", "`")
	found, err := holders(e.db.QueryContext(ctx, holdersSQL, name))
	if err == nil && len(found) > 0 {
		return found, nil
	}
	if found, err = holders(e.db.QueryContext(ctx, suspectsSQL)); err != nil {
		return nil, fmt.Errorf("ask who holds a lock on %s: %w", relation, err)
	}
	return found, nil
}

func holders(rows *sql.Rows, err error) ([]engine.Holder, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []engine.Holder
	for rows.Next() {
		var h engine.Holder
		var seconds int64
		if err := rows.Scan(&h.PID, &h.Role, &h.Application, &h.Mode, &h.State, &seconds, &h.Query); err != nil {
			return nil, err
		}
		h.Age = time.Duration(seconds) * time.Second
		h.Query = strings.Join(strings.Fields(h.Query), " ")
		out = append(out, h)
	}
	return out, rows.Err()
}
