package lifetest

import (
	"context"
	"fmt"
	"strings"
)

// compare looks at the end: every row is what its writer left, there is none too
// many, the schema is that of an undisturbed life, and no step ran twice.
func (l *life) compare() error {
	l.killAll()
	ctx := context.Background()
	rolledBack := l.s.Rollback > 0 && !l.s.Resume
	var rows int
	for _, w := range l.writers {
		for n, want := range w.model {
			if !want.exists {
				continue
			}
			rows++
			m, err := image(ctx, l.db, l.s.Shape, n)
			switch {
			case err != nil:
				return err
			case m == nil:
				return wrong("row %d of writer %d is lost", n, w.id)
			}
			for _, c := range []string{"a", "b", "a~hidden"} {
				if v, ok := m[c]; ok && text(v) != text(want.value) {
					return wrong("row %d of writer %d: %s is %s at the end, want %s", n, w.id, c, text(v), text(want.value))
				}
			}
		}
	}
	var have int
	if err := l.db.QueryRow("SELECT count(*) FROM items").Scan(&have); err != nil {
		return err
	}
	if have != rows {
		return wrong("%d rows at the end, want %d", have, rows)
	}
	column := "b"
	if rolledBack {
		column = "a"
	}
	if err := l.schema(column); err != nil {
		return err
	}
	return l.once()
}

const schemaSQL = `SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
  SELECT format('column %s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)) AS line
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = '%[1]s'::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT 'index ' || replace(pg_get_indexdef(indexrelid), '%[1]s', 'T') || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END FROM pg_index WHERE indrelid = '%[1]s'::regclass
  UNION ALL SELECT 'constraint ' || replace(conname, '%[1]s', 'T') || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '%[1]s'::regclass
  UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = '%[1]s'::regclass AND NOT tgisinternal) s`

// schema compares with the schema written directly.
func (l *life) schema(column string) error {
	for _, stmt := range l.s.Shape.ddl()[1:] {
		if _, err := l.db.Exec(strings.ReplaceAll(stmt, "items", "plain")); err != nil {
			return err
		}
	}
	if column == "b" {
		if _, err := l.db.Exec("ALTER TABLE plain RENAME COLUMN a TO b"); err != nil {
			return err
		}
	}
	var got, want string
	for table, to := range map[string]*string{"items": &got, "plain": &want} {
		if err := l.db.QueryRow(strings.ReplaceAll(schemaSQL, "%[1]s", table)).Scan(to); err != nil {
			return err
		}
	}
	if got != want {
		return wrong("the schema at the end is\n%s\nwant\n%s", got, want)
	}
	return nil
}

// once is I6: in each life of the migration, each step was recorded once.
func (l *life) once() error {
	rows, err := l.db.Query(`SELECT what, detail FROM phased.event WHERE migration = $1 ORDER BY id`, migrationFile)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := map[string]int{}
	for rows.Next() {
		var what, detail string
		if err := rows.Scan(&what, &detail); err != nil {
			return err
		}
		switch what {
		case "expanding":
			seen = map[string]int{}
		case "step":
			if seen[detail]++; seen[detail] > 1 {
				return wrong("step %q ran %d times", detail, seen[detail])
			}
		}
	}
	if len(seen) == 0 {
		return fmt.Errorf("no step is recorded")
	}
	return rows.Err()
}
