package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// CanRun refuses steps that the server allows in no transaction, where the pool that
// runs them leads through a pooler that hands out sessions by the transaction: their
// settings, and the process id in the lease, would be of a session that is somebody
// else's by the next statement. Where there are no such steps it asks nothing.
func (e *Engine) CanRun(ctx context.Context, steps []plan.Step) error {
	for _, s := range steps {
		if s.InTx || mayBeInTx(s) {
			continue
		}
		why, err := pooled(ctx, e.alonePool())
		if err != nil {
			return fmt.Errorf("ask whether a pooler is in the way of step %q: %w", s.Title, err)
		}
		if why != "" {
			if e.direct != nil {
				why = "Config.Direct is no way to it: " + why
			}
			return &engine.PoolerError{Step: s.Title, Why: why}
		}
		return nil
	}
	return nil
}

// mayBeInTx tells the validation of a constraint, which stands outside a transaction
// because it may take long, from what has to (CREATE INDEX CONCURRENTLY).
func mayBeInTx(s plan.Step) bool {
	return s.Index == "" && len(s.Statements) == 1 && strings.HasPrefix(s.Statements[0], "ALTER TABLE ")
}

// inTxAllTheSame decides how such a step runs. In a transaction it holds the lease
// until it ends: another runner waits for it, also when its client has died; a forced
// takeover (a rollback) ends it either way.
func (e *Engine) inTxAllTheSame(ctx context.Context, s plan.Step) (bool, error) {
	if e.direct != nil || !mayBeInTx(s) {
		return false, nil
	}
	why, err := pooled(ctx, e.db)
	if err != nil {
		return false, fmt.Errorf("ask whether a pooler is in the way: %w", err)
	}
	return why != "", nil
}

// alonePool is the pool for steps outside a transaction.
func (e *Engine) alonePool() *sql.DB {
	if e.direct != nil {
		return e.direct
	}
	return e.db
}

// poolerTrials is how often pooled looks for a change of sessions. In a pool of two
// sessions that other clients use too, a look finds none in up to three of four cases.
const poolerTrials = 40

// pooled says why the connections of a pool have no sessions of their own; "" where
// they have.
//
// A server tells each client the process id of its session when it logs in. A pooler
// makes that up, because it is only good for cancelling. So equal ids prove that there
// is none, and cost one query. Else, and where the driver does not tell, a session is
// looked for under two clients.
func pooled(ctx context.Context, db *sql.DB) (string, error) {
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	conn, err := db.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	first, err := session(ctx, conn)
	if err != nil {
		return "", err
	}
	told, known := toldSession(conn)
	if known && told == first {
		return "", nil
	}
	if db.Stats().MaxOpenConnections == 1 {
		if known {
			return "a pooler is in between, which may hand out sessions by the transaction (a pool of one connection cannot find out)", nil
		}
		return "", nil // pin looks once more
	}
	other, err := db.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer other.Close()
	look := &poolerLook{conn: conn, other: other, sessions: map[int]*sql.Conn{}}
	for range poolerTrials {
		why, err := look.again(ctx)
		if why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

// poolerLook remembers which client was on which session.
type poolerLook struct {
	conn, other *sql.Conn
	sessions    map[int]*sql.Conn
}

// again lets one client hold a session in a transaction between statements of the
// other one's. Two clients have two sessions, the same ones all the time. How often the
// first one asks is left to chance: sessions that are handed out in turn could come
// back to it every time.
func (l *poolerLook) again(ctx context.Context) (string, error) {
	for range 1 + rand.IntN(3) {
		if why, err := l.on(ctx, l.conn, l.conn); why != "" || err != nil {
			return why, err
		}
	}
	tx, err := l.other.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback() //nolint:errcheck // it only asked
	// On the first one's session it ends here: there may be no second one to wait for.
	if why, err := l.on(ctx, l.other, tx); why != "" || err != nil {
		return why, err
	}
	return l.on(ctx, l.conn, l.conn)
}

func (l *poolerLook) on(ctx context.Context, client *sql.Conn, q querier) (string, error) {
	pid, err := session(ctx, q)
	if err != nil {
		return "", err
	}
	const why = "a pooler in between hands out sessions by the transaction (%s)"
	if was := l.sessions[pid]; was != nil && was != client {
		return fmt.Sprintf(why, fmt.Sprintf("two connections were on session %d", pid)), nil
	}
	for had, c := range l.sessions {
		if c == client && had != pid {
			return fmt.Sprintf(why, fmt.Sprintf("one connection was on sessions %d and %d", had, pid)), nil
		}
	}
	l.sessions[pid] = client
	return "", nil
}

func session(ctx context.Context, q querier) (pid int, err error) {
	return pid, q.QueryRowContext(ctx, "SELECT /* phased */ pg_catalog.pg_backend_pid()").Scan(&pid)
}

// toldSession is the process id that the server gave at login, where the driver shows
// it as pgx does: Conn().PgConn().PID(). By reflection, because the engine links no driver.
func toldSession(conn *sql.Conn) (pid int, known bool) {
	err := conn.Raw(func(c any) error {
		v := reflect.ValueOf(c)
		for _, name := range []string{"Conn", "PgConn", "PID"} {
			m := v.MethodByName(name)
			if !m.IsValid() || m.Type().NumIn() != 0 || m.Type().NumOut() != 1 {
				return errors.ErrUnsupported
			}
			v = m.Call(nil)[0]
		}
		if !v.CanUint() {
			return errors.ErrUnsupported
		}
		pid = int(v.Uint())
		return nil
	})
	return pid, err == nil
}
