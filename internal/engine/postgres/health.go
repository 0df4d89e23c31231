package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"sort"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Health checks the sync of every table of the plan: the counters of old writes are
// there, and on the table and each partition the trigger is there, fires always,
// last, and does what it was composed to do.
func (e *Engine) Health(ctx context.Context, p *plan.Plan) (engine.SyncHealth, error) {
	links, err := e.inFlight(ctx, p)
	if err != nil {
		return engine.SyncHealth{}, err
	}
	if len(links) < len(p.Links()) {
		return ill("phased.link", fmt.Sprintf("keeps %d of the %d pairs of columns of %s in step", len(links), len(p.Links()), p.Migration.Name),
			"take the migration back with rollback and run it again"), nil
	}
	done := map[plan.Name]bool{}
	for _, l := range links {
		if l.Evidence != "" {
			if ok, err := e.isSequence(ctx, l.Evidence); err != nil {
				return engine.SyncHealth{}, err
			} else if !ok {
				return ill(l.Table, fmt.Sprintf("the sequence %s, which counts writes from the old side, is missing: such writes fail", l.Evidence),
					fmt.Sprintf("CREATE SEQUENCE %s; GRANT USAGE ON SEQUENCE %s TO PUBLIC", l.Evidence, l.Evidence)), nil
			}
		}
		n := plan.Name{Schema: l.Schema, Name: l.Table}
		if done[n] {
			continue
		}
		done[n] = true
		all, err := e.Links(ctx, l.Schema, l.Table)
		if err != nil {
			return engine.SyncHealth{}, err
		}
		if h, err := e.health(ctx, n, all); err != nil || !h.OK {
			return h, err
		}
	}
	return engine.SyncHealth{OK: true}, nil
}

func ill(where, problem, way string) engine.SyncHealth {
	return engine.SyncHealth{Problem: where + ": " + problem, Way: way}
}

// relationSync is what the catalog says about the sync of a table or a partition of it.
type relationSync struct {
	name      string
	partition bool
	root      bool
	there     bool
	enabled   string
	kind      int    // tgtype
	right     bool   // it calls our function
	when      bool   // it has a WHEN clause
	of        bool   // it has an UPDATE OF clause
	clone     bool   // the server made it from the partitioned table's
	columns   string // that the WHEN clause looks at, quoted and sorted
	source    string
	after     string // another BEFORE row trigger that fires behind it
}

// tgtype of a BEFORE INSERT OR UPDATE row trigger: ROW 1, BEFORE 2, INSERT 4, UPDATE 16.
const tgtypeSync = 1 + 2 + 4 + 16

// Before PostgreSQL 15 the triggers of partitions are marked as internal.
const healthSQL = `WITH /* phased */ RECURSIVE family(oid, partition) AS (
  SELECT c.oid, false FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
  UNION SELECT c.oid, c.relispartition FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), f.partition, n.nspname = $1 AND c.relname = $2, t.oid IS NOT NULL,
  COALESCE(t.tgenabled::text, ''), COALESCE(t.tgtype, 0), COALESCE(t.tgfoid = pg_catalog.to_regprocedure($4), false), t.tgqual IS NOT NULL, COALESCE(t.tgattr::text, '') <> '', COALESCE(t.tgparentid, 0) <> 0,
  COALESCE((SELECT pg_catalog.string_agg(DISTINCT x.name, ',' ORDER BY x.name)
     FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     CROSS JOIN LATERAL (SELECT ('"' || pg_catalog.replace(a.attname::text, '"', '""') || '"') COLLATE "C" AS name) x
    WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid AND d.refobjsubid > 0), ''),
  COALESCE((SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = t.tgfoid), ''),
  COALESCE((SELECT pg_catalog.min(o.tgname::text COLLATE "C") FROM pg_catalog.pg_trigger o WHERE o.tgrelid = c.oid AND (NOT o.tgisinternal OR o.tgparentid <> 0) AND o.tgenabled <> 'D'
     AND o.tgtype & 3 = 3 AND o.tgtype & 20 <> 0 AND o.tgname::text COLLATE "C" > $3::text COLLATE "C"), '')
 FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND (NOT t.tgisinternal OR t.tgparentid <> 0) AND t.tgname = $3::text
 ORDER BY 3 DESC, 1`

func (e *Engine) health(ctx context.Context, table plan.Name, links []plan.Link) (engine.SyncHealth, error) {
	found, err := rows(ctx, e.db, func(r *sql.Rows) (s relationSync, err error) {
		return s, r.Scan(&s.name, &s.partition, &s.root, &s.there, &s.enabled, &s.kind, &s.right, &s.when, &s.of, &s.clone, &s.columns, &s.source, &s.after)
	}, healthSQL, table.Schema, table.Name, syncTrigger, syncFunction(table.Schema, table.Name)+"()")
	if err != nil {
		return engine.SyncHealth{}, fmt.Errorf("look at the sync of %s: %w", table, err)
	}
	if len(found) == 0 {
		return ill(table.String(), "the table is gone", "take the migration back with rollback"), nil
	}
	again := "run in one transaction: " + strings.Join(e.Compose(table.Schema, table.Name, links), "; ")
	for _, s := range found {
		if problem, way := s.problem(table, links, again); problem != "" {
			return ill(s.name, problem, way), nil
		}
	}
	return engine.SyncHealth{OK: true}, nil
}

// problem compares a relation's sync with what it has to be.
func (s relationSync) problem(table plan.Name, links []plan.Link, again string) (problem, way string) {
	when := syncWhen(links) != ""
	switch {
	case !s.root && !s.partition:
		return "is an inheritance child of " + table.String() + ", to which no trigger passes on", "ALTER TABLE " + s.name + " NO INHERIT " + qualified(table.Schema, table.Name)
	case !s.there:
		return "the trigger " + syncTrigger + " is missing", again
	case s.enabled != "A":
		return fmt.Sprintf("the trigger %s is not enabled as ALWAYS (tgenabled is %s)", syncTrigger, s.enabled),
			fmt.Sprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", s.name, ident(syncTrigger))
	case s.kind != tgtypeSync || s.of || !s.right || s.clone == s.root:
		return "the trigger " + syncTrigger + " was replaced by another", again
	case s.when != when || s.root && when && s.columns != linked(links): // a clone's is not in pg_depend
		return "the WHEN clause of the trigger " + syncTrigger + " is not the one it was made with", again
	case s.source != syncBody(links):
		return "the function " + syncFunction(table.Schema, table.Name) + " was altered", again
	case s.after != "":
		return fmt.Sprintf("the trigger %q fires behind %s and can undo it", s.after, syncTrigger),
			fmt.Sprintf("ALTER TRIGGER %s ON %s RENAME TO a name that sorts before it", ident(s.after), s.name)
	}
	return "", ""
}

// linked lists the columns of the pairs, quoted and sorted as healthSQL does.
func linked(links []plan.Link) string {
	seen := map[string]bool{}
	var out []string
	for _, l := range links {
		for _, c := range []string{l.Old, l.New} {
			if !seen[c] {
				seen[c] = true
				out = append(out, ident(c))
			}
		}
	}
	sort.Strings(out)
	return strings.Join(out, ",")
}
