package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Health checks the sync of every table of the plan: its columns are there as they were,
// and so are the triggers, last in their order, doing what they were composed to do,
// under our sql_mode, for an account that exists (where this one may see that).
func (e *Engine) Health(ctx context.Context, p *plan.Plan) (h engine.SyncHealth, err error) {
	err = e.look(ctx, "look at the sync of "+p.Migration.Name, func(c *sql.Conn) error {
		links, err := e.inFlight(ctx, c, p)
		if err != nil {
			return err
		}
		if len(links) < len(p.Links()) {
			h = ill("phased_link", fmt.Sprintf("keeps %d of the %d pairs of columns of %s in step", len(links), len(p.Links()), p.Migration.Name),
				"take the migration back with rollback and run it again")
			return nil
		}
		done := map[string]bool{}
		for _, l := range links {
			if done[l.Table] {
				continue
			}
			done[l.Table] = true
			if h, err = e.tableHealth(ctx, c, p, l.Table); err != nil || !h.OK {
				return err
			}
		}
		h = engine.SyncHealth{OK: true}
		return nil
	})
	return h, err
}

func ill(where, problem, way string) engine.SyncHealth {
	return engine.SyncHealth{Problem: where + ": " + problem, Way: way}
}

func (e *Engine) tableHealth(ctx context.Context, c *sql.Conn, p *plan.Plan, table string) (engine.SyncHealth, error) {
	links, err := e.links(ctx, c, table)
	if err != nil {
		return engine.SyncHealth{}, err
	}
	columns, err := columnTypes(ctx, c, table)
	if err != nil {
		return engine.SyncHealth{}, err
	}
	if len(columns) == 0 {
		return ill(table, "the table is gone", "take the migration back with rollback"), nil
	}
	for _, l := range links {
		for name, typ := range map[string]string{l.Old: l.OldType, l.New: l.Type} {
			switch now, there := columns[strings.ToLower(name)]; {
			case !there:
				return ill(table, fmt.Sprintf("the column %s, which %s keeps in step, is gone", name, l.Migration), "put it back, or take the migration back with rollback"), nil
			case typ != "" && !strings.EqualFold(now, typ):
				return ill(table, fmt.Sprintf("the column %s, which %s keeps in step, is now %s; it was %s: what one side holds may not fit the other", name, l.Migration, now, typ),
					"make it what it was, or take the migration back with rollback"), nil
			}
		}
	}
	var mode string
	if err := c.QueryRowContext(ctx, "SELECT @@SESSION.sql_mode").Scan(&mode); err != nil {
		return engine.SyncHealth{}, err
	}
	found, err := readSync(ctx, c, table)
	if err != nil {
		return engine.SyncHealth{}, err
	}
	// Hiding that was ended in the middle of a change of the sync left the triggers from
	// before, those from after, or some of each: one pair is whole, and beside it the other
	// does nothing. Hiding again puts them in order.
	states := [][]plan.Link{links}
	for _, s := range p.Of(plan.PhaseHide) {
		if s.Sync != nil && s.Sync.Table == table {
			states = append(states, s.Sync.Apply(links))
		}
	}
	var known, names []string
	var h engine.SyncHealth
	for i, state := range states {
		known = append(known, triggerNames(table, state)...)
		if h.OK {
			continue
		}
		now, err := e.pairHealth(ctx, c, table, state, found, mode)
		if err != nil {
			return now, err
		}
		if now.OK || i == 0 {
			h, names = now, triggerNames(table, state)
		}
	}
	if !h.OK {
		return h, nil
	}
	for _, t := range found {
		if strings.HasPrefix(t.name, triggerPrefix) && !slices.Contains(known, t.name) {
			return ill(table, fmt.Sprintf("the trigger %s is a former sync's", t.name), "DROP TRIGGER "+ident(t.name)), nil
		}
	}
	return found.definers(ctx, c, table, names)
}

// pairHealth looks for the triggers of a sync among those that are there.
func (e *Engine) pairHealth(ctx context.Context, c *sql.Conn, table string, links []plan.Link, found tableTriggers, mode string) (engine.SyncHealth, error) {
	create, names := e.Compose("", table, links), triggerNames(table, links)
	for i := range names {
		way := fmt.Sprintf("on one session (a command-line client needs another DELIMITER): SET SESSION sql_mode = '%s'; SET NAMES utf8mb4 COLLATE utf8mb4_bin; LOCK TABLES %s WRITE; DROP TRIGGER IF EXISTS %s; %s; UNLOCK TABLES",
			strictMode, ident(table), ident(names[i]), create[i])
		problem, other, err := found.problem(ctx, c, names[i], create[i], mode)
		if err != nil {
			return engine.SyncHealth{}, err
		}
		if other != "" {
			way = other
		}
		if problem != "" {
			return ill(table, problem, way), nil
		}
	}
	return engine.SyncHealth{OK: true}, nil
}

// columnTypes gives the full types of a table's columns by their names in lower case.
func columnTypes(ctx context.Context, q querier, table string) (map[string]string, error) {
	out := map[string]string{}
	_, err := records(ctx, q, func(r *sql.Rows) (struct{}, error) {
		var name, typ string
		err := r.Scan(&name, &typ)
		out[strings.ToLower(name)] = typ
		return struct{}{}, err
	}, `SELECT /* phased */ COLUMN_NAME, CONCAT(COLUMN_TYPE, IF(CHARACTER_SET_NAME IS NULL, '', CONCAT(' CHARACTER SET ', CHARACTER_SET_NAME, ' COLLATE ', COLLATION_NAME)))
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?`, table)
	return out, err
}

// tableTrigger is what the catalog says about a trigger.
type tableTrigger struct {
	name, timing, event    string
	order                  int
	mode                   string
	definer                string
	client, collation, own string // character set and collation of its session; the account that asks
}

type tableTriggers []tableTrigger

func readSync(ctx context.Context, q querier, table string) (tableTriggers, error) {
	return records(ctx, q, func(r *sql.Rows) (t tableTrigger, err error) {
		return t, r.Scan(&t.name, &t.timing, &t.event, &t.order, &t.mode, &t.definer, &t.client, &t.collation, &t.own)
	}, `SELECT /* phased */ TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, CURRENT_USER()
		FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ? ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER`, table)
}

// problem compares one trigger of the sync with what it has to be; way is "" where it
// has to be made again.
func (all tableTriggers) problem(ctx context.Context, c querier, name, create, mode string) (problem, way string, err error) {
	i := slices.IndexFunc(all, func(t tableTrigger) bool { return t.name == name })
	if i < 0 {
		return fmt.Sprintf("the trigger %s is missing", name), "", nil
	}
	same, err := unaltered(ctx, c, name, create)
	switch t := all[i]; {
	case err != nil:
		return "", "", err
	case !same:
		return fmt.Sprintf("the trigger %s was replaced by another", name), "", nil
	case !sameMode(t.mode, mode) || t.client != "utf8mb4" || t.collation != "utf8mb4_bin":
		return fmt.Sprintf("the trigger %s was made under other settings (sql_mode %s, %s, %s)", name, t.mode, t.client, t.collation), "", nil
	}
	for _, o := range all {
		if o.timing == "BEFORE" && o.event == all[i].event && o.order > all[i].order && !strings.HasPrefix(o.name, triggerPrefix) {
			return fmt.Sprintf("the trigger %s fires behind %s and can undo it", o.name, name),
				fmt.Sprintf("drop %s and create it again with FOR EACH ROW PRECEDES %s", ident(o.name), ident(name)), nil
		}
	}
	return "", "", nil
}

// unaltered compares a trigger with the statement that made it, which the server keeps
// as it was written. (What information_schema shows of it is in utf8mb3, and on MySQL
// names with a backtick are not right there.)
func unaltered(ctx context.Context, c querier, name, create string) (bool, error) {
	shown, err := records(ctx, c, func(r *sql.Rows) (string, error) {
		columns, err := r.Columns()
		if err != nil {
			return "", err
		}
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		err = r.Scan(into...)
		return values[slices.Index(columns, "SQL Original Statement")].String, err
	}, "SHOW /* phased */ CREATE TRIGGER "+ident(name))
	return len(shown) == 1 && strings.HasSuffix(shown[0], strings.TrimPrefix(create, "CREATE")), err
}

// sameMode compares what two sql_modes switch on.
func sameMode(a, b string) bool {
	x, y := strings.Split(a, ","), strings.Split(b, ",")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// definers asks whether the accounts for which the sync runs exist: without its definer
// a trigger refuses every write. Who may not read mysql.user cannot ask.
func (all tableTriggers) definers(ctx context.Context, c querier, table string, names []string) (engine.SyncHealth, error) {
	for _, t := range all {
		if !slices.Contains(names, t.name) || t.definer == t.own {
			continue
		}
		at := strings.LastIndexByte(t.definer, '@')
		var n int
		err := c.QueryRowContext(ctx, "SELECT /* phased */ COUNT(*) FROM mysql.user WHERE User = ? AND Host = ?", t.definer[:max(0, at)], t.definer[at+1:]).Scan(&n)
		if mayNot(err) {
			break
		}
		if err != nil {
			return engine.SyncHealth{}, err
		}
		if n == 0 {
			return ill(table, fmt.Sprintf("the account %s, for which the trigger %s runs, does not exist: every write fails", t.definer, t.name), "create it again, with the privileges on the table that it had"), nil
		}
	}
	return engine.SyncHealth{OK: true}, nil
}
