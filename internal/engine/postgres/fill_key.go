package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// rowAlias is the table's alias in the statements of a backfill.
const rowAlias = "phased row"

// keyset is a table's key as the walk uses it, in the order of the index that
// carries it. Operators are named with their schema: a citext key compared where
// citext's schema is not in the search_path would silently use text's order, and
// a walk whose comparison and order disagree misses rows.
type keyset struct {
	schema, table string
	name          string // qualified
	cols          []keyColumn
}

type keyColumn struct {
	name    string
	typ     string            // qualified
	collate string            // of the index, where it is not the column's own
	op      map[string]string // "<", "<=", "=", ">=", ">" → OPERATOR(…)
}

// keySQL reads a key's columns and the order of the unique index that carries it.
const keySQL = `WITH k AS (SELECT u.name, u.i FROM pg_catalog.unnest(%[3]s) WITH ORDINALITY AS u(name, i)),
x AS (SELECT x.* FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_am am ON am.oid = c.relam
  WHERE x.indrelid = pg_catalog.to_regclass(%[1]s) AND am.amname = 'btree' AND x.indisunique AND x.indisvalid AND x.indpred IS NULL
    AND x.indnkeyatts = %[2]d AND NOT EXISTS (
      SELECT FROM k LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attname = k.name AND a.attnotnull
      WHERE a.attnum IS NULL OR x.indkey[k.i - 1] <> a.attnum)
  ORDER BY x.indisprimary DESC, x.indexrelid LIMIT 1)
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
  coalesce((SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname)
    FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
    WHERE l.oid = x.indcollation[k.i - 1] AND l.oid <> a.attcollation), ''),
  (SELECT pg_catalog.string_agg('OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ')', ' ' ORDER BY ao.amopstrategy)
    FROM pg_catalog.pg_amop ao JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
      AND ao.amoppurpose = 's' AND ao.amopstrategy BETWEEN 1 AND 5)
FROM k CROSS JOIN x JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attname = k.name
JOIN pg_catalog.pg_opclass oc ON oc.oid = x.indclass[k.i - 1]
ORDER BY k.i`

func (e *Engine) keyset(ctx context.Context, spec plan.Fill) (*keyset, error) {
	k := &keyset{schema: spec.Schema, table: spec.Table, name: qualified(spec.Schema, spec.Table)}
	if len(spec.Key) == 0 {
		return nil, fmt.Errorf("%s has no key to walk along", k.name)
	}
	err := e.read(ctx, keyPins, readTimeout, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, fmt.Sprintf(keySQL, literal(k.name), len(spec.Key), literals(spec.Key)))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c keyColumn
			var ops string
			if err := rows.Scan(&c.name, &c.typ, &c.collate, &ops); err != nil {
				return err
			}
			list := strings.SplitAfter(ops, ") ")
			if len(list) != 5 {
				return fmt.Errorf("column %s has no complete order (%s)", c.name, ops)
			}
			c.op = map[string]string{}
			for i, op := range []string{"<", "<=", "=", ">=", ">"} {
				c.op[op] = strings.TrimSpace(list[i])
			}
			k.cols = append(k.cols, c)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", k.name, err)
	}
	if len(k.cols) != len(spec.Key) {
		return nil, fmt.Errorf("%s has no unique index on %s over NOT NULL columns any more; create it again, or roll back and plan anew", k.name, idents(spec.Key))
	}
	return k, nil
}

func (c keyColumn) ref(alias string) string {
	s := ident(alias) + "." + ident(c.name)
	if c.collate != "" {
		s += " COLLATE " + c.collate
	}
	return s
}

func (c keyColumn) value(text string) string { return strings.TrimSpace(literal(text)) + "::" + c.typ }

func (c keyColumn) is(op, text string) string { return c.compare(rowAlias, op, text) }

func (c keyColumn) compare(alias, op, text string) string {
	return c.ref(alias) + " " + c.op[op] + " " + c.value(text)
}

// order sorts by the index's order, or backwards.
func (k *keyset) order(backwards bool) string {
	op := "<"
	if backwards {
		op = ">"
	}
	var by []string
	for _, c := range k.cols {
		by = append(by, c.ref(rowAlias)+" USING "+c.op[op])
	}
	return strings.Join(by, ", ")
}

// pieces cuts from < key <= to into conditions that are each one range of the
// index: equal leading columns, then bounds on one column. A row comparison says the
// same in one condition, but its bounds hold for the index by the first column only:
// in a table of few tenants every chunk would read half the index, and be estimated
// as half the table. The pieces are disjoint and in key order.
//
// from may be nil, and is not behind to. Columns are taken for alike by their text:
// nextSQL sees to it that equal values ('Bob' and 'bob' without case, 1.0 and
// 1.00) come with one text.
func (k *keyset) pieces(from, to []string) []string {
	last := len(k.cols) - 1
	p := 0 // columns that are alike in both
	for from != nil && p < last && from[p] == to[p] {
		p++
	}
	equal := func(key []string, n int) []string {
		var cond []string
		for i := range n {
			cond = append(cond, k.cols[i].is("=", key[i]))
		}
		return cond
	}
	var out []string
	add := func(cond ...string) { out = append(out, strings.Join(cond, " AND ")) }
	for i := last; from != nil && i > p; i-- {
		add(append(equal(from, i), k.cols[i].is(">", from[i]))...)
	}
	between := equal(to, p)
	if from != nil {
		between = append(between, k.cols[p].is(">", from[p]))
	}
	if p == last {
		add(append(between, k.cols[p].is("<=", to[p]))...)
		return out
	}
	add(append(between, k.cols[p].is("<", to[p]))...)
	for i := p + 1; i < last; i++ {
		add(append(equal(to, i), k.cols[i].is("<", to[i]))...)
	}
	add(append(equal(to, last), k.cols[last].is("<=", to[last]))...)
	return out
}

// equal is key = values.
func (k *keyset) equal(values []string) string {
	var cond []string
	for i, c := range k.cols {
		cond = append(cond, c.is("=", values[i]))
	}
	return strings.Join(cond, " AND ")
}

// texts reads the key by its types' own output functions, whose text their input
// functions take back; a cast to text may be something else. What is equal to one of
// the bounds comes with the bound's text, the first one's that is; the last column is
// the row's own.
func (k *keyset) texts(alias string, bounds ...[]string) string {
	var out []string
	for i, c := range k.cols {
		own := fmt.Sprintf("pg_catalog.format('%%s', %s.%s)", ident(alias), ident(c.name))
		when := ""
		for _, b := range bounds {
			if b != nil && i < len(k.cols)-1 {
				when += fmt.Sprintf(" WHEN %s THEN %s", c.compare(alias, "=", b[i]), literal(b[i]))
			}
		}
		if when != "" {
			own = "CASE" + when + " ELSE " + own + " END"
		}
		out = append(out, own)
	}
	return strings.Join(out, ", ")
}

func (k *keyset) names() string {
	var out []string
	for _, c := range k.cols {
		out = append(out, ident(rowAlias)+"."+ident(c.name))
	}
	return strings.Join(out, ", ")
}

// lastSQL reads the last key.
func (k *keyset) lastSQL() string {
	return fmt.Sprintf("SELECT /* phased */ %s FROM %s AS %s ORDER BY %s LIMIT 1", k.texts(rowAlias), k.name, ident(rowAlias), k.order(true))
}

// nextSQL reads the limit-th key of a piece, or its last one, and how many there are up to it.
func (k *keyset) nextSQL(piece string, from, upper []string, limit int64) string {
	return fmt.Sprintf(`SELECT /* phased */ %s, "phased cut"."phased n" FROM (
  SELECT %s, pg_catalog.row_number() OVER (ORDER BY %s) AS "phased n" FROM %s AS %s WHERE %s ORDER BY %[3]s LIMIT %[7]d) AS "phased cut"
ORDER BY "phased cut"."phased n" DESC LIMIT 1`,
		k.texts("phased cut", from, upper), k.names(), k.order(false), k.name, ident(rowAlias), piece, limit)
}

// estimate is the number of rows as the statistics have it, partitions summed;
// where there are none, small tables are counted.
func (k *keyset) estimate(ctx context.Context, tx *sql.Tx) (int64, error) {
	var n int64
	var unknown bool
	err := tx.QueryRowContext(ctx, `WITH RECURSIVE t(oid) AS (
  SELECT pg_catalog.to_regclass($1::text)::oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN t ON t.oid = i.inhparent)
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint, coalesce(bool_or(c.reltuples <= 0), true)
FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid WHERE c.relkind IN ('r', 'f')`, k.name).Scan(&n, &unknown)
	if err != nil || !unknown {
		return n, err
	}
	const enough = 100000
	var counted int64
	err = tx.QueryRowContext(ctx, fmt.Sprintf("SELECT /* phased */ pg_catalog.count(*) FROM (SELECT FROM %s LIMIT %d) AS phased", k.name, enough)).Scan(&counted)
	return max(n, counted), err
}
