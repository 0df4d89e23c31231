package postgres

import (
	"fmt"
	"time"
)

// RegisterGuard gives what the hiding transaction runs first. It locks the row that
// Register locks, so an instance that starts at the same instant either is seen
// here or sees what is hidden; then it asks the register once more. Every age is
// measured by the database's clock.
//
// An instance without the line counts until it has not been seen for soak, and
// never less than three of its own lifetimes: one that is stopped or swapped out
// (SIGSTOP) misses heartbeats and writes when it comes back. A deregistered one
// counts from its stop, because a replica of the same build may still start.
func (e *Engine) RegisterGuard(migration string, soak time.Duration) []string {
	body := fmt.Sprintf(`
DECLARE
  m constant text := %[1]s;
  t constant timestamptz := pg_catalog.clock_timestamp();
  lacking text;
BEGIN
  -- With an older snapshot what registered while we waited for the lock would not be seen.
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = '%[3]s', MESSAGE = 'phased: the register can only be asked at read committed; set transaction_isolation for this role';
  END IF;
  SELECT pg_catalog.string_agg(pg_catalog.format('%%s %%s on %%s, %%s %%s ago', i.app, i.version, i.host, CASE WHEN i.stopped THEN 'stopped' ELSE 'seen' END,
           pg_catalog.date_trunc('second', t - i.seen_at)), '; ' ORDER BY i.app, i.version, i.host, i.id)
    INTO lacking FROM phased.instance i
   WHERE NOT m = ANY (i.lines) AND i.seen_at > t - GREATEST(%[2]s::interval, 3 * i.lifetime);
  IF lacking IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '%[3]s', MESSAGE = 'phased: without the contract line of ' || m || ': ' || lacking;
  END IF;
  IF NOT EXISTS (SELECT FROM phased.instance i WHERE m = ANY (i.lines) AND NOT i.stopped AND i.seen_at > t - i.lifetime) THEN
    RAISE EXCEPTION USING ERRCODE = '%[3]s', MESSAGE = 'phased: no live instance embeds the contract line of ' || m;
  END IF;
END `, literal(migration), literal(interval(soak)), codeGuard)
	return []string{
		"SELECT /* phased */ id FROM phased.register WHERE id = 1 FOR UPDATE",
		"DO /* phased */ " + dollar(body),
	}
}

// interval renders a duration for PostgreSQL. In seconds: before version 15 a number
// in an interval's text ends at 2^31.
func interval(d time.Duration) string { return fmt.Sprintf("%f seconds", d.Seconds()) }
