package lifetest

import (
	"context"
	"fmt"
)

// compare looks at the end: every row is what its writer left, there is none too
// many, the schema is that of an undisturbed life, no step ran twice, and nobody worked
// without the lease.
func (l *life) compare() error {
	l.killAll()
	l.db.SetMaxIdleConns(0) // connections from before the last crash
	l.db.SetMaxIdleConns(6)
	ctx := context.Background()
	entries, err := l.f.journal(ctx, l.db)
	if err == nil {
		err = orderly(entries)
	}
	if err != nil {
		return err
	}
	rolledBack := l.s.Rollback > 0 && !l.s.Resume
	var rows int
	for _, w := range l.writers {
		for n, want := range w.model {
			if !want.exists {
				continue
			}
			rows++
			m, err := l.f.image(ctx, l.db, l.s.Shape, n)
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

// schema compares with the schema written directly.
func (l *life) schema(column string) error {
	direct := l.f.ddl(l.s.Shape, "plain")
	if column == "b" {
		direct = append(direct, "ALTER TABLE plain RENAME COLUMN a TO b")
	}
	for _, stmt := range direct {
		if _, err := l.db.Exec(stmt); err != nil {
			return err
		}
	}
	got, err := l.f.schema(context.Background(), l.db, "items")
	if err != nil {
		return err
	}
	want, err := l.f.schema(context.Background(), l.db, "plain")
	if err != nil {
		return err
	}
	if got != want {
		return wrong("the schema at the end is\n%s\nwant\n%s", got, want)
	}
	return nil
}

// once is I6: in each life of the migration, each step was recorded once.
func (l *life) once() error {
	rows, err := l.db.Query(fmt.Sprintf("SELECT what, detail FROM %s WHERE migration = %s ORDER BY id", l.f.state("event"), l.f.literal(migrationFile)))
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
