package lifetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
)

// mysqlSettings are what services set in their sessions. Results stay in utf8mb4, by
// which the model compares.
var mysqlSettings = []string{
	"SET SESSION sql_mode = ''",
	"SET SESSION sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,NO_ZERO_DATE,NO_ZERO_IN_DATE'",
	"SET SESSION sql_mode = 'TRADITIONAL,PIPES_AS_CONCAT,ONLY_FULL_GROUP_BY'",
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
	"SET SESSION character_set_client = latin1, SESSION collation_connection = latin1_swedish_ci",
	"SET SESSION collation_connection = utf8mb4_bin",
	"SET SESSION autocommit = 0",
	"SET SESSION foreign_key_checks = 0, SESSION unique_checks = 0",
	"SET SESSION time_zone = '+05:30'",
}

// mysqlTransaction is a transaction of a writer's, on a session of its own settings.
type mysqlTransaction struct {
	*writer
	c        *sql.Conn
	ctx      context.Context
	prepared bool // values are sent apart from the statement
	args     []any
	before   map[int]row
	after    map[int]row
}

func (t *mysqlTransaction) Commit() error   { return t.plain("COMMIT") }
func (t *mysqlTransaction) Rollback() error { return t.plain("ROLLBACK") }

func (t *mysqlTransaction) plain(statement string) error {
	_, err := t.c.ExecContext(t.ctx, statement)
	return err
}

// transaction is one in forms that only these servers know, or that touch several
// rows at once.
func (f mysql) transaction(w *writer) error {
	ctx := context.Background()
	c, err := w.db.Conn(ctx)
	if err != nil {
		return w.tolerate(err)
	}
	defer c.Close()
	t := &mysqlTransaction{writer: w, c: c, ctx: ctx, prepared: w.rnd.IntN(2) == 0, before: map[int]row{}, after: map[int]row{}}
	if w.rnd.IntN(2) == 0 {
		defer func() { _ = c.Raw(func(any) error { return driver.ErrBadConn }) }() // the settings go with the session
		setting := mysqlSettings[w.rnd.IntN(len(mysqlSettings))]
		if w.s.Shape.base() != "timestamp" || !strings.Contains(setting, "time_zone") {
			if err := t.plain(setting); err != nil {
				return w.tolerate(err)
			}
			if strings.Contains(setting, "latin1") { // what is sent apart would be latin1
				t.prepared = false
			}
		}
	}
	if err := t.plain("START TRANSACTION"); err != nil {
		return w.tolerate(err)
	}
	if err := t.work(); err != nil {
		_ = t.Rollback() // nothing of it counts
		return w.tolerate(err)
	}
	return w.end(t, t.before, t.after)
}

func (t *mysqlTransaction) work() error {
	for range 1 + t.rnd.IntN(2) {
		undo := t.rnd.IntN(6) == 0
		saved := map[int]row{}
		for n, r := range t.after {
			saved[n] = r
		}
		if undo {
			if err := t.plain("SAVEPOINT here"); err != nil {
				return err
			}
		}
		if err := t.one(); err != nil {
			return err
		}
		if undo {
			if err := t.plain("ROLLBACK TO SAVEPOINT here"); err != nil {
				return err
			}
			t.after = saved
		}
		for n, want := range t.after {
			if err := t.visible(t.ctx, t.c, n, want); err != nil {
				return err
			}
		}
	}
	return nil
}

// now is what a row is in this transaction.
func (t *mysqlTransaction) now(n int) row {
	if r, ok := t.after[n]; ok {
		return r
	}
	return t.model[n]
}

func (t *mysqlTransaction) set(n int, r row) {
	if _, ok := t.before[n]; !ok {
		t.before[n] = t.model[n]
	}
	t.after[n] = r
}

// rows picks some rows; there says whether they have to be there.
func (t *mysqlTransaction) rows(most int, there bool) []int {
	var out []int
	seen := map[int]bool{}
	for range most {
		n := t.pick()
		if t.now(n).exists == there && !seen[n] {
			out, seen[n] = append(out, n), true
		}
	}
	return out
}

// arg is a value in a statement.
func (t *mysqlTransaction) arg(v *string) string {
	if !t.prepared {
		return t.sql(v)
	}
	if v == nil {
		t.args = append(t.args, nil)
	} else {
		t.args = append(t.args, *v)
	}
	return "?"
}

func (t *mysqlTransaction) exec(format string, parts ...any) error {
	args := t.args
	t.args = nil
	_, err := t.c.ExecContext(t.ctx, fmt.Sprintf(format, parts...), args...)
	return err
}

// keys is a condition for rows.
func (t *mysqlTransaction) keys(rows []int) string {
	var out []string
	for _, n := range rows {
		out = append(out, "("+t.s.Shape.keyOf(n)+")")
	}
	return fmt.Sprintf("(%s) IN (%s)", t.s.Shape.keyColumns(), strings.Join(out, ", "))
}

// one is a statement of old or new code.
func (t *mysqlTransaction) one() error {
	col := "a"
	if t.oldGone.Load() || t.rnd.IntN(2) == 0 && t.newThere {
		col = "b"
	}
	s := t.s.Shape
	insert := fmt.Sprintf("INTO items (%s, n, %s)", s.keyColumns(), col)
	switch k := t.rnd.IntN(10); {
	case k == 0:
		return t.several("INSERT "+insert, t.rows(4, false), nil)
	case k == 1:
		return t.copied(insert, col)
	case k == 2 && !s.Partitioned: // where the row is in another partition it would be another row
		return t.several("REPLACE "+insert, append(t.rows(2, true), t.rows(2, false)...), nil)
	case k == 3 && !s.Partitioned:
		return t.several("INSERT IGNORE "+insert, t.rows(2, false), t.rows(2, true))
	case k == 4 && !s.Partitioned:
		return t.upserted(insert, col)
	case k == 5:
		return t.ranged(col)
	case k == 6:
		return t.joined(col)
	case k == 7:
		return t.deleted()
	case k == 8:
		return t.moved()
	default:
		return t.updated(col, t.rows(4, true))
	}
}

// several writes rows by one statement of VALUES; those of kept are there and stay as they are.
func (t *mysqlTransaction) several(head string, rows, kept []int) error {
	var values []string
	for i, n := range append(rows, kept...) {
		v := t.value(false)
		values = append(values, fmt.Sprintf("(%s, 1, %s)", t.s.Shape.keyOf(n), t.arg(v)))
		if i < len(rows) {
			t.set(n, row{exists: true, value: v})
		}
	}
	if len(values) == 0 {
		return nil
	}
	return t.exec("%s VALUES %s", head, strings.Join(values, ", "))
}

// copied inserts a row that is read from another one, or from nowhere. New code does not
// read the column before it is filled.
func (t *mysqlTransaction) copied(insert, col string) error {
	to, from := t.rows(1, false), t.rows(1, true)
	if len(to) == 0 {
		return nil
	}
	key := t.s.Shape.keyOf(to[0])
	if col == "a" && len(from) > 0 && !t.s.Shape.Unique {
		t.set(to[0], t.now(from[0]))
		return t.exec("INSERT %s SELECT %s, n, a FROM items WHERE %s", insert, key, t.s.Shape.where(from[0]))
	}
	v := t.value(false)
	t.set(to[0], row{exists: true, value: v})
	return t.exec("INSERT %s SELECT %s, 1, %s", insert, key, t.sql(v))
}

// upserted inserts rows or updates them: the column, or another one.
func (t *mysqlTransaction) upserted(insert, col string) error {
	there, not := t.rows(2, true), t.rows(2, false)
	set := fmt.Sprintf("%s = VALUES(%[1]s), n = items.n + 1", col)
	if t.rnd.IntN(4) == 0 {
		return t.several(fmt.Sprintf("INSERT %s", insert), not, nil)
	}
	if t.rnd.IntN(4) == 0 {
		set = "n = items.n + 1"
	}
	var values []string
	for _, n := range append(there, not...) {
		now := t.now(n)
		v := t.value(now.exists)
		values = append(values, fmt.Sprintf("(%s, 1, %s)", t.s.Shape.keyOf(n), t.arg(v)))
		if !now.exists || strings.HasPrefix(set, col) {
			now = row{exists: true, value: v}
		}
		t.set(n, now)
	}
	if len(values) == 0 {
		return nil
	}
	return t.exec("INSERT %s VALUES %s ON DUPLICATE KEY UPDATE %s", insert, strings.Join(values, ", "), set)
}

// updated sets rows of a list: to one value, or where each needs its own, another column.
func (t *mysqlTransaction) updated(col string, rows []int) error {
	if len(rows) == 0 {
		return nil
	}
	if t.s.Shape.Unique {
		for _, n := range rows {
			t.set(n, t.now(n))
		}
		return t.exec("UPDATE items SET n = n + 1 WHERE %s", t.keys(rows))
	}
	v := t.value(true)
	for _, n := range rows {
		t.set(n, row{exists: true, value: v})
	}
	return t.exec("UPDATE items SET %s = %s WHERE %s", col, t.arg(v), t.keys(rows))
}

// ranged updates the writer's own rows of a range of keys.
func (t *mysqlTransaction) ranged(col string) error {
	rows := t.rows(1, true)
	if len(rows) == 0 || t.s.Shape.Key != "bigint" || t.s.Shape.Unique {
		return t.updated(col, rows)
	}
	from, to := rows[0], rows[0]+10
	v := t.value(true)
	for n := from; n <= to; n++ {
		if n%t.s.Writers == t.id && t.now(n).exists {
			t.set(n, row{exists: true, value: v})
		}
	}
	return t.exec("UPDATE items SET %s = %s, n = n + 1 WHERE k1 BETWEEN %d AND %d AND k1 MOD %d = %d ORDER BY k1", col, t.arg(v), from, to, t.s.Writers, t.id)
}

// joined updates rows from a table of values.
func (t *mysqlTransaction) joined(col string) error {
	rows := t.rows(3, true)
	if len(rows) == 0 {
		return nil
	}
	var values []string
	for _, n := range rows {
		v := t.value(true)
		values = append(values, fmt.Sprintf("SELECT %d AS n, CONVERT(%s USING utf8mb4) COLLATE utf8mb4_bin AS v", n, t.sql(v)))
		t.set(n, row{exists: true, value: v})
	}
	var on []string
	for _, n := range rows {
		on = append(on, fmt.Sprintf("(d.n = %d AND %s)", n, t.s.Shape.where(n)))
	}
	return t.exec("UPDATE items JOIN (%s) d ON %s SET items.%s = d.v, items.n = items.n + 1", strings.Join(values, " UNION ALL "), strings.Join(on, " OR "), col)
}

func (t *mysqlTransaction) deleted() error {
	rows := t.rows(2, true)
	if len(rows) == 0 {
		return nil
	}
	for _, n := range rows {
		t.set(n, row{})
	}
	if t.rnd.IntN(2) == 0 {
		return t.exec("DELETE i FROM items i JOIN (SELECT 1) d WHERE %s", t.keys(rows))
	}
	return t.exec("DELETE FROM items WHERE %s", t.keys(rows))
}

// moved gives a row another key.
func (t *mysqlTransaction) moved() error {
	from, to := t.rows(1, true), t.rows(1, false)
	if len(from) == 0 || len(to) == 0 {
		return nil
	}
	was := t.now(from[0])
	t.set(from[0], row{})
	t.set(to[0], was)
	set := "k1 = " + t.s.Shape.keyOf(to[0])
	if k1, k2, two := strings.Cut(t.s.Shape.keyOf(to[0]), ", "); two {
		set = "k1 = " + k1 + ", k2 = " + k2
	}
	return t.exec("UPDATE items SET %s WHERE %s", set, t.s.Shape.where(from[0]))
}
