package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

var _ engine.Witness = (*Engine)(nil)

// inFlight gives the plan's pairs under their present names, which hiding and
// other changes move away from those in the plan. Before the plan has begun and
// after it has ended there are none.
func (e *Engine) inFlight(ctx context.Context, p *plan.Plan) ([]plan.Link, error) {
	all, err := e.Links(ctx, "", "")
	if err != nil {
		return nil, err
	}
	var own []plan.Link
	for _, l := range all {
		if l.Migration == p.Migration.Name {
			own = append(own, l)
		}
	}
	return own, nil
}

// tablesOf lists the tables that the plan is about, by their present names where a
// pair of columns tells them.
func (e *Engine) tablesOf(ctx context.Context, p *plan.Plan) ([]plan.Name, error) {
	links, err := e.inFlight(ctx, p)
	if err != nil {
		return nil, err
	}
	var out []plan.Name
	seen := map[plan.Name]bool{}
	add := func(schemaName, table string) {
		if n := (plan.Name{Schema: schemaName, Name: table}); table != "" && !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	for _, l := range append(links, p.Links()...) {
		add(l.Schema, l.Table)
	}
	if p.Facts != nil {
		for _, t := range p.Facts.Tables {
			add(t.Schema, t.Name)
		}
	}
	for _, s := range p.Migration.Statements {
		n, err := e.resolve(ctx, p, s.Change.Target())
		if err != nil {
			return nil, err
		}
		add(n.Schema, n.Name)
		if r, ok := s.Change.(plan.RenameTable); ok {
			add(n.Schema, r.To)
		}
	}
	return out, nil
}

// resolve fills in a table's schema: from the facts of the plan, else as the
// connection's search_path does.
func (e *Engine) resolve(ctx context.Context, p *plan.Plan, n plan.Name) (plan.Name, error) {
	if n.Schema != "" || n.Name == "" {
		return n, nil
	}
	if p.Facts != nil {
		for _, t := range p.Facts.Tables {
			if t.Name == n.Name {
				return plan.Name{Schema: t.Schema, Name: t.Name}, nil
			}
		}
	}
	found, err := strings1(ctx, e.db, `SELECT /* phased */ n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = pg_catalog.to_regclass($1)`, ident(n.Name))
	if err != nil {
		return n, fmt.Errorf("find table %s: %w", n.Name, err)
	}
	if len(found) == 1 {
		n.Schema = found[0]
	}
	return n, nil
}

// values renders names as rows of a VALUES list; there is always one, that no table bears.
func values(names []plan.Name) string {
	rows := []string{"(NULL::text, NULL::text)"}
	for _, n := range names {
		rows = append(rows, fmt.Sprintf("(%s, %s)", literal(n.Schema), literal(n.Name)))
	}
	return "(VALUES " + strings.Join(rows, ", ") + ")"
}

// Prepared lists prepared transactions that hold a lock on a table of the plan or
// on a partition of it. Their locks have no process. Which virtual transaction they
// go under depends on the server (the one that prepared it, or -1/xid after a
// restart), so it is taken from the lock that each holds on its own transaction id.
func (e *Engine) Prepared(ctx context.Context, p *plan.Plan) ([]string, error) {
	tables, err := e.tablesOf(ctx, p)
	if err != nil {
		return nil, err
	}
	gids, err := strings1(ctx, e.db, fmt.Sprintf(`WITH /* phased */ RECURSIVE family(oid) AS (
  SELECT c.oid FROM %s AS t(s, n) JOIN pg_catalog.pg_namespace n ON n.nspname = t.s JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.n
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid),
held AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks WHERE pid IS NULL AND granted)
SELECT DISTINCT x.gid FROM pg_catalog.pg_prepared_xacts x
  JOIN held own ON own.locktype = 'transactionid' AND own.transactionid = x.transaction
  JOIN held l ON l.virtualtransaction = own.virtualtransaction AND l.locktype = 'relation'
  JOIN family f ON l.relation = f.oid
 WHERE x.database = pg_catalog.current_database() AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
 ORDER BY 1`, values(tables)))
	if err != nil {
		return nil, fmt.Errorf("look for prepared transactions: %w", err)
	}
	return gids, nil
}

// FirstContract reports whether no old side was ever hidden here, and which
// applications have registered so far.
func (e *Engine) FirstContract(ctx context.Context) (bool, []string, error) {
	var first bool
	err := e.db.QueryRowContext(ctx, `SELECT /* phased */ NOT EXISTS (SELECT FROM phased.migration WHERE hidden_at IS NOT NULL)`).Scan(&first)
	if err != nil {
		return false, nil, fmt.Errorf("ask whether anything was contracted before: %w", err)
	}
	apps, err := strings1(ctx, e.db, `SELECT /* phased */ DISTINCT app FROM phased.instance ORDER BY app`)
	if err != nil {
		return false, nil, fmt.Errorf("list the applications seen: %w", err)
	}
	return first, apps, nil
}
