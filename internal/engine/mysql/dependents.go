package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"sort"
	"strings"

	"github.com/phasedb/phased/internal/schema"
)

// dependents lists what depends on a column apart from the table's own plain indexes,
// its own foreign keys and its sync. Servers of this family keep no record of what a
// view, a routine, a trigger or an event uses, and let a column go from under them. So
// their texts are looked through for the names: those that the account may see, in
// other databases too where they name this one. q is a pinned session.
func (e *Engine) dependents(ctx context.Context, q querier, table, column string) ([]schema.Dependent, error) {
	var out []schema.Dependent
	for _, find := range []func(context.Context, querier, string, string) ([]schema.Dependent, error){
		e.viewsOn, e.bodiesOn, e.expressionsOn, e.foreignKeysTo,
	} {
		found, err := find(ctx, q, table, column)
		if err != nil {
			return nil, fmt.Errorf("list what depends on %s.%s: %w", table, column, err)
		}
		out = append(out, found...)
	}
	for i := range out {
		out[i].Column, out[i].Blocks = column, true
	}
	sort.SliceStable(out, func(i, j int) bool {
		return out[i].Kind < out[j].Kind || out[i].Kind == out[j].Kind && out[i].Name < out[j].Name
	})
	return out, nil
}

// text is something whose text may name a column.
type text struct {
	kind    string
	schema  string // "" is the current database
	name    string
	on      string // the table of a trigger
	body    sql.NullString
	current string // the current database
}

func readText(r *sql.Rows) (t text, err error) {
	err = r.Scan(&t.kind, &t.schema, &t.name, &t.on, &t.body, &t.current)
	return t, err
}

// shown is the name as people know it.
func (t text) shown() string {
	name := t.name
	if t.schema != t.current {
		name = t.schema + "." + name
	}
	if t.on != "" {
		name += " on " + t.on
	}
	return name
}

// others leaves the server's own databases out.
const others = ` NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')`

const viewsSQL = `SELECT /* phased */ 'view', TABLE_SCHEMA, TABLE_NAME, '', VIEW_DEFINITION, DATABASE() FROM information_schema.VIEWS WHERE TABLE_SCHEMA` + others

// viewsOn: the server stores a view with every name in full and in backticks. With
// column "" it lists views on the table.
func (e *Engine) viewsOn(ctx context.Context, q querier, table, column string) ([]schema.Dependent, error) {
	views, err := records(ctx, q, readText, viewsSQL)
	if err != nil {
		return nil, err
	}
	var out []schema.Dependent
	for _, v := range views {
		switch {
		case v.body.String == "" && v.schema == v.current:
			out = append(out, schema.Dependent{Kind: v.kind, Name: v.shown() + " (this account may not see what it shows: GRANT SHOW VIEW on the database)"})
		case strings.Contains(v.body.String, ident(v.current)+"."+ident(table)) && (column == "" || containsFold(v.body.String, "."+ident(column))):
			out = append(out, schema.Dependent{Kind: v.kind, Name: v.shown()})
		}
	}
	return out, nil
}

const bodiesSQL = `SELECT /* phased */ LOWER(ROUTINE_TYPE), ROUTINE_SCHEMA, ROUTINE_NAME, '', ROUTINE_DEFINITION, DATABASE() FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA` + others + `
UNION ALL SELECT 'trigger', TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT, DATABASE() FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA` + others + `
UNION ALL SELECT 'event', EVENT_SCHEMA, EVENT_NAME, '', EVENT_DEFINITION, DATABASE() FROM information_schema.EVENTS WHERE EVENT_SCHEMA` + others

// bodiesOn: a body is stored as it was written. It counts when it names the column and
// the table, in another database this database too, or when it is a trigger of the table
// that takes the column from NEW or OLD. With column "" it lists bodies that name the table.
func (e *Engine) bodiesOn(ctx context.Context, q querier, table, column string) ([]schema.Dependent, error) {
	bodies, err := records(ctx, q, readText, bodiesSQL)
	if err != nil {
		return nil, err
	}
	var out []schema.Dependent
	for _, b := range bodies {
		here := b.schema == b.current
		if here && b.kind == "trigger" && b.on == table && strings.HasPrefix(b.name, triggerPrefix) {
			continue
		}
		if here && !b.body.Valid {
			way := "GRANT SHOW_ROUTINE ON *.*"
			if e.mariadb() {
				way = "GRANT SELECT ON mysql.proc"
			}
			out = append(out, schema.Dependent{Kind: b.kind, Name: b.shown() + " (this account may not see what it does: " + way + ")"})
			continue
		}
		body := b.body.String
		uses := names(body, table) && (column == "" || names(body, column)) && (here || names(body, b.current)) ||
			column != "" && here && b.kind == "trigger" && b.on == table && takesField(body, column)
		if uses && !strings.Contains(body, ignoreMark) {
			out = append(out, schema.Dependent{Kind: b.kind, Name: b.shown()})
		}
	}
	return out, nil
}

// expressionsOn: generated columns, defaults, checks, functional indexes and partition
// keys of the table itself that compute with the column.
func (e *Engine) expressionsOn(ctx context.Context, q querier, table, column string) ([]schema.Dependent, error) {
	parts := []string{
		`SELECT /* phased */ 'generated column', '', COLUMN_NAME, '', GENERATION_EXPRESSION, '' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND GENERATION_EXPRESSION <> ''`,
		`SELECT 'default', '', COLUMN_NAME, '', COLUMN_DEFAULT, '' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_DEFAULT LIKE '%(%'`,
		`SELECT DISTINCT 'partition key', '', TABLE_NAME, '', CONCAT_WS(' ', PARTITION_EXPRESSION, SUBPARTITION_EXPRESSION), '' FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND PARTITION_EXPRESSION IS NOT NULL`,
	}
	if e.mariadb() {
		// A check of the column's own goes with it: it bears the column's first name; that of
		// a JSON column is known by what it says.
		parts = append(parts, `SELECT 'check', '', CONSTRAINT_NAME, '', CHECK_CLAUSE, '' FROM information_schema.CHECK_CONSTRAINTS
			WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = ? AND NOT (LEVEL = 'Column' AND (CONSTRAINT_NAME = ? OR CHECK_CLAUSE = CONCAT('json_valid(', ?, ')')))`)
	} else {
		parts = append(parts, `SELECT 'check', '', c.CONSTRAINT_NAME, '', c.CHECK_CLAUSE, '' FROM information_schema.CHECK_CONSTRAINTS c
			JOIN information_schema.TABLE_CONSTRAINTS t ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME
			WHERE c.CONSTRAINT_SCHEMA = DATABASE() AND t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = ?`,
			`SELECT DISTINCT 'functional index', '', INDEX_NAME, '', EXPRESSION, '' FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND EXPRESSION IS NOT NULL`)
	}
	var out []schema.Dependent
	for _, part := range parts {
		args := []any{table}
		if strings.Count(part, "?") > 1 {
			args = append(args, column, ident(column))
		}
		found, err := records(ctx, q, readText, part, args...)
		if err != nil {
			return nil, err
		}
		for _, x := range found {
			if strings.EqualFold(x.name, column) && x.kind != "check" && x.kind != "functional index" && x.kind != "partition key" {
				continue // its own
			}
			// A partition key by columns is stored as it was written.
			if containsFold(x.body.String, ident(column)) || x.kind == "partition key" && names(x.body.String, column) {
				name := table + "." + x.name
				if x.kind == "partition key" {
					name = table
				}
				out = append(out, schema.Dependent{Kind: x.kind, Name: name})
			}
		}
	}
	return out, nil
}

// foreignKeysTo lists foreign keys that point at the column, those of the table itself
// and of other databases included.
func (e *Engine) foreignKeysTo(ctx context.Context, q querier, table, column string) ([]schema.Dependent, error) {
	return records(ctx, q, func(r *sql.Rows) (d schema.Dependent, err error) {
		return d, r.Scan(&d.Kind, &d.Name)
	}, `SELECT /* phased */ DISTINCT 'foreign key', CONCAT(CONSTRAINT_NAME, ' of ', IF(TABLE_SCHEMA = DATABASE(), '', CONCAT(TABLE_SCHEMA, '.')), TABLE_NAME)
		FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = ? AND REFERENCED_COLUMN_NAME = ?`, table, column)
}
