package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// Invalid lists what the new side lacks: finishing steps whose result is not there, and
// indexes and foreign keys of the old columns that have no counterpart on the new ones.
func (e *Engine) Invalid(ctx context.Context, p *plan.Plan) (out []string, err error) {
	err = e.look(ctx, "look for what the new side of "+p.Migration.Name+" lacks", func(c *sql.Conn) error {
		out = nil
		for _, s := range p.Of(plan.PhaseFinish) {
			if s.Done == "" {
				continue
			}
			ok, err := truth(ctx, c, s.Done)
			if err != nil {
				return fmt.Errorf("ask whether it is done: %s: %w", s.Title, err)
			}
			if !ok {
				out = append(out, "not done: "+s.Title)
			}
		}
		links, err := e.inFlight(ctx, c, p)
		if err != nil {
			return err
		}
		for _, l := range links {
			all, err := e.keys(ctx, c, l.Table)
			if err != nil {
				return err
			}
			out = append(out, all.lacking(l)...)
		}
		return nil
	})
	return out, err
}

// key is an index or a foreign key: its columns, and all else that a counterpart must
// have too.
type key struct {
	what, name string
	columns    []string // "" is an expression
	rest       string
	unique     bool
}

type keys []key

// lacking lists the keys over the old column that have no counterpart over the new one:
// the same with the new column in the old one's place, and unique if that is.
func (k keys) lacking(l plan.Link) []string {
	var out []string
	for _, x := range k {
		if !slices.Contains(x.columns, l.Old) || slices.Contains(x.columns, l.New) {
			continue
		}
		want := slices.Clone(x.columns)
		for i := range want {
			if want[i] == l.Old {
				want[i] = l.New
			}
		}
		if !slices.ContainsFunc(k, func(y key) bool {
			return y.what == x.what && y.rest == x.rest && slices.Equal(y.columns, want) && (y.unique || !x.unique)
		}) {
			out = append(out, fmt.Sprintf("%s %s of %s has no counterpart on column %s", x.what, x.name, l.Table, l.New))
		}
	}
	sort.Strings(out)
	return out
}

// keys reads the indexes and the foreign keys of a table.
func (e *Engine) keys(ctx context.Context, c querier, table string) (keys, error) {
	ignored := "IF(IGNORED = 'YES', 'ignored', '')"
	if !e.mariadb() {
		ignored = "IF(IS_VISIBLE = 'NO', 'invisible', '')"
	}
	var out keys
	add := func(what, name, column, rest string, unique bool) {
		if n := len(out) - 1; n < 0 || out[n].what != what || out[n].name != name {
			out = append(out, key{what: what, name: name, unique: unique})
		}
		last := &out[len(out)-1]
		last.columns, last.rest = append(last.columns, column), last.rest+rest+";"
	}
	read := func(r *sql.Rows) (struct{}, error) {
		var what, name, column, rest string
		var unique bool
		if err := r.Scan(&what, &name, &column, &rest, &unique); err != nil {
			return struct{}{}, err
		}
		add(what, name, column, rest, unique)
		return struct{}{}, nil
	}
	if _, err := records(ctx, c, read, `SELECT /* phased */ 'index', INDEX_NAME, COALESCE(COLUMN_NAME, ''), CONCAT_WS(' ', INDEX_TYPE, COALESCE(COLLATION, '-'), SUB_PART, `+ignored+`), NON_UNIQUE = 0
		FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX`, table); err != nil {
		return nil, err
	}
	if _, err := records(ctx, c, read, `SELECT /* phased */ 'foreign key', k.CONSTRAINT_NAME, k.COLUMN_NAME, CONCAT_WS(' ', k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.UPDATE_RULE, r.DELETE_RULE), 0
		FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
		  ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
		WHERE k.TABLE_SCHEMA = DATABASE() AND k.TABLE_NAME = ? AND r.CONSTRAINT_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY k.CONSTRAINT_NAME, k.ORDINAL_POSITION`, table); err != nil {
		return nil, err
	}
	for i := range out {
		out[i].rest = strings.ReplaceAll(strings.ReplaceAll(out[i].rest, "NO ACTION", "RESTRICT"), "  ", " ") // the same thing here
	}
	return out, nil
}
