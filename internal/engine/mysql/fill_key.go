package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/phasedb/phased/expand/plan"
)

// rowAlias is the table's alias in the statements of a backfill.
const rowAlias = "phased row"

// keyset is a table's key as the walk uses it: in the order of the index that carries
// it, part by part ascending or descending, and in its columns' own collations. A walk
// whose comparison and order disagree misses rows.
type keyset struct {
	table, index string
	cols         []keyColumn
	stamps       []string // columns that change with the row by themselves (ON UPDATE)
}

type keyColumn struct {
	name               string
	keyType            // how its values travel as text
	charset, collation string
	desc               bool
}

// keyType says how a column's value is read as text, and how the text becomes a
// constant that means the same value and bounds a range of the index: a constant of
// another type or collation would be compared row by row.
type keyType struct {
	read  string // a format over the column
	write func(c keyColumn, text string) string
}

var (
	numberKey  = keyType{"CAST(%s AS CHAR)", bareNumber}
	ordinalKey = keyType{"CAST(CAST(%s AS UNSIGNED) AS CHAR)", bareNumber} // ordered by number
	// A float is shown with six digits, and what is declared with decimals with these; a
	// double is shown exactly, but not when it is cast to text.
	realKey = keyType{"%s + 0e0", func(c keyColumn, text string) string {
		if !strings.ContainsAny(text, "eE") {
			text += "e0"
		}
		return bareNumber(c, text)
	}}
	quotedKey = keyType{"CAST(%s AS CHAR)", func(_ keyColumn, text string) string { return literal(text) }}
	bytesKey  = keyType{"HEX(%s)", func(_ keyColumn, text string) string { return "X" + literal(strings.TrimPrefix(text, hexMark)) }}
	textKey   = keyType{"", textConstant}
)

var keyTypes = map[string]keyType{
	"tinyint": numberKey, "smallint": numberKey, "mediumint": numberKey, "int": numberKey, "bigint": numberKey, "decimal": numberKey,
	"bit": ordinalKey, "year": ordinalKey, "enum": ordinalKey, "set": ordinalKey,
	"float": realKey, "double": realKey,
	"char": textKey, "varchar": textKey,
	"binary": bytesKey, "varbinary": bytesKey,
	"date": quotedKey, "datetime": quotedKey, "timestamp": quotedKey, "time": quotedKey,
	"uuid": quotedKey, "inet4": quotedKey, "inet6": quotedKey,
}

// hexMark begins the text of a value that is not text, or not exactly so in Unicode: its bytes follow.
const hexMark = "0x"

var plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func bareNumber(_ keyColumn, text string) string {
	if !plainNumber.MatchString(text) {
		return literal(text)
	}
	return text
}

// textConstant has the column's character set, and its collation explicitly.
func textConstant(c keyColumn, text string) string {
	constant := fmt.Sprintf("CONVERT(_utf8mb4 %s USING %s)", literal(text), c.charset)
	if bytes, ok := strings.CutPrefix(text, hexMark); ok {
		constant = fmt.Sprintf("_%s X%s", c.charset, literal(bytes))
	}
	return constant + " COLLATE " + c.collation
}

// sql reads the value; decode makes its text of what was read.
func (c keyColumn) sql(alias string) string {
	x := ident(alias) + "." + ident(c.name)
	if c.read != "" {
		return fmt.Sprintf(c.read, x)
	}
	// The bytes, and the same in Unicode where that leads back to them.
	unicode := fmt.Sprintf("CONVERT(%s USING utf8mb4)", x)
	return fmt.Sprintf("CONCAT(HEX(%s), ' ', IF(HEX(CONVERT(%s USING %s)) = HEX(%[1]s), HEX(%[2]s), '-'))", x, unicode, c.charset)
}

func (c keyColumn) decode(read string) string {
	switch {
	case c.charset != "":
		own, unicode, _ := strings.Cut(read, " ")
		text, err := hex.DecodeString(unicode)
		if err != nil || !utf8.Valid(text) || strings.HasPrefix(string(text), hexMark) {
			return hexMark + own
		}
		return string(text)
	case c.read == bytesKey.read:
		return hexMark + read
	case c.read == realKey.read:
		if x, err := strconv.ParseFloat(read, 64); err == nil {
			return strconv.FormatFloat(x, 'g', -1, 64) // whatever the driver made of it
		}
	}
	return read
}

// is compares the column; op is as if the index was ascending.
func (c keyColumn) is(alias, op, text string) string {
	if c.desc {
		op = map[string]string{"<": ">", "<=": ">=", "=": "=", ">=": "<=", ">": "<"}[op]
	}
	return ident(alias) + "." + ident(c.name) + " " + op + " " + c.write(c, text)
}

// order sorts by the index's order, or backwards.
func (k *keyset) order(alias string, backwards bool) string {
	var by []string
	for _, c := range k.cols {
		x := ident(alias) + "." + ident(c.name)
		if c.desc != backwards {
			x += " DESC"
		}
		by = append(by, x)
	}
	return strings.Join(by, ", ")
}

// pieces cuts from < key <= to into conditions that are each one range of the
// index: equal leading columns, then bounds on one column. A row comparison says the
// same in one condition, but no server reads a range by it. The pieces are disjoint
// and in key order.
//
// from may be nil, and is not behind to. Columns are taken for alike by their text:
// scan sees to it that equal values ('Bob' and 'bob' without case) come with one text.
func (k *keyset) pieces(from, to []string) []string {
	last := len(k.cols) - 1
	p := 0 // columns that are alike in both
	for from != nil && p < last && from[p] == to[p] {
		p++
	}
	is := func(i int, op string, key []string) string { return k.cols[i].is(rowAlias, op, key[i]) }
	equal := func(key []string, n int) []string {
		var cond []string
		for i := range n {
			cond = append(cond, is(i, "=", key))
		}
		return cond
	}
	var out []string
	add := func(cond ...string) { out = append(out, strings.Join(cond, " AND ")) }
	for i := last; from != nil && i > p; i-- {
		add(append(equal(from, i), is(i, ">", from))...)
	}
	between := equal(to, p)
	if from != nil {
		between = append(between, is(p, ">", from))
	}
	if p == last {
		add(append(between, is(p, "<=", to))...)
		return out
	}
	add(append(between, is(p, "<", to))...)
	for i := p + 1; i < last; i++ {
		add(append(equal(to, i), is(i, "<", to))...)
	}
	add(append(equal(to, last), is(last, "<=", to))...)
	return out
}

// equal is key = values.
func (k *keyset) equal(values []string) string {
	var cond []string
	for i, c := range k.cols {
		cond = append(cond, c.is(rowAlias, "=", values[i]))
	}
	return strings.Join(cond, " AND ")
}

// from names the table, its alias, and the index that is to be used: a statement
// that reads a range of the key must not read the table instead because statistics
// say so.
func (k *keyset) from() string {
	return fmt.Sprintf("%s AS %s FORCE INDEX (%s)", ident(k.table), ident(rowAlias), ident(k.index))
}

// keyset reads the key's columns and the unique index that carries it.
func (e *Engine) keyset(ctx context.Context, q querier, spec plan.Fill) (*keyset, error) {
	k := &keyset{table: spec.Table}
	if len(spec.Key) == 0 {
		return nil, fmt.Errorf("%s has no key to walk along", ident(k.table))
	}
	fault, err := e.keyIndex(ctx, q, k, spec.Key)
	if err == nil && fault == "" {
		fault, err = k.keyColumns(ctx, q)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", ident(k.table), err)
	}
	if fault != "" {
		return nil, fmt.Errorf("%s cannot be walked along %s: %s; create a unique index on NOT NULL columns (numbers, text, bytes or times, each as a whole), roll back and plan anew",
			ident(k.table), idents(spec.Key), fault)
	}
	return k, nil
}

// keyIndex finds the index: unique, its columns exactly the key's, as a whole, and the
// optimizer may use it. fault says why there is none.
func (e *Engine) keyIndex(ctx context.Context, q querier, k *keyset, key []string) (fault string, err error) {
	visible := "IS_VISIBLE = 'YES'"
	if e.mariadb() {
		visible = "IGNORED = 'NO'"
	}
	rows, err := q.QueryContext(ctx, `SELECT CAST(INDEX_NAME AS BINARY), CAST(COALESCE(COLUMN_NAME, '') AS BINARY), COALESCE(COLLATION, '') = 'D',
  CASE WHEN NULLABLE = 'YES' THEN 'may be null' WHEN SUB_PART IS NOT NULL THEN 'is in the index with a prefix only' WHEN INDEX_TYPE <> 'BTREE' THEN 'is in an index without order'
    WHEN NOT (`+visible+`) THEN 'is in an index that the optimizer ignores' ELSE '' END
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND NON_UNIQUE = 0
ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`, k.table)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	type index struct {
		name, fault string
		cols        []keyColumn
	}
	var found []index
	for rows.Next() {
		var name, why string
		var c keyColumn
		if err := rows.Scan(&name, &c.name, &c.desc, &why); err != nil {
			return "", err
		}
		if len(found) == 0 || found[len(found)-1].name != name {
			found = append(found, index{name: name})
		}
		x := &found[len(found)-1]
		x.cols = append(x.cols, c)
		if why != "" && x.fault == "" {
			x.fault = fmt.Sprintf("column %s %s (%s)", ident(c.name), why, name)
		}
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	fault = "no unique index has these columns"
	for _, x := range found {
		if !slices.EqualFunc(x.cols, key, func(c keyColumn, name string) bool { return strings.EqualFold(c.name, name) }) {
			continue
		}
		if x.fault == "" {
			k.index, k.cols = x.name, x.cols
			return "", nil
		}
		fault = x.fault
	}
	return fault, nil
}

// keyColumns reads what the columns are.
func (k *keyset) keyColumns(ctx context.Context, q querier) (fault string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT CAST(COLUMN_NAME AS BINARY), LOWER(DATA_TYPE), CAST(COLUMN_TYPE AS BINARY), COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, ''),
  LOWER(EXTRA) LIKE '%on update %' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`, k.table)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var name, typ, full, charset, collation string
		var stamp bool
		if err := rows.Scan(&name, &typ, &full, &charset, &collation, &stamp); err != nil {
			return "", err
		}
		if stamp {
			k.stamps = append(k.stamps, name)
		}
		i := slices.IndexFunc(k.cols, func(c keyColumn) bool { return c.name == name })
		if i < 0 {
			continue
		}
		c := &k.cols[i]
		var known bool
		if c.keyType, known = keyTypes[typ]; !known {
			return fmt.Sprintf("column %s is of type %s", ident(name), full), nil
		}
		// A set is compared with a number as a double, which tells 53 bits apart.
		if typ == "set" && strings.Count(full, "','") >= 53 {
			return fmt.Sprintf("column %s is a set of more than 53 members", ident(name)), nil
		}
		if typ == "char" || typ == "varchar" {
			c.charset, c.collation = charset, collation
		}
	}
	return "", rows.Err()
}
