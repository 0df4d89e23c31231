package lifetest

import (
	"context"
	"database/sql"
	"fmt"
)

// operation runs one statement of old or new code on row n and gives what must be
// there afterwards.
func (w *writer) operation(ctx context.Context, tx *sql.Tx, n int, was row, healed bool) (row, error) {
	s := w.s.Shape
	col := "a"
	if w.oldGone.Load() || w.rnd.IntN(2) == 0 && w.newThere {
		col = "b"
	}
	value := w.value(col == "b" && !healed)
	now := row{exists: true, value: value}
	part := ""
	if s.Partitioned {
		part = fmt.Sprintf(", part = %d", w.rnd.IntN(2))
	}
	if !was.exists {
		return now, w.insert(ctx, tx, n, col, &now)
	}
	var stmt string
	most := int64(1)
	switch w.rnd.IntN(8) {
	case 0, 1, 2: // the column
		stmt = fmt.Sprintf("UPDATE items SET %s = %s, n = n + 1 WHERE %s", col, w.sql(value), s.where(n))
	case 3: // another column; a row may move to another partition
		now.value = was.value
		stmt = fmt.Sprintf("UPDATE items SET n = n + 1%s WHERE %s", part, s.where(n))
	case 4: // both the column and the partition
		stmt = fmt.Sprintf("UPDATE items SET %s = %s%s WHERE %s", col, w.sql(value), part, s.where(n))
	case 5: // both sides at once: new wins where it was written, which is: changed
		if w.oldGone.Load() || !w.newThere {
			stmt = fmt.Sprintf("UPDATE items SET %s = %s WHERE %s", col, w.sql(value), s.where(n))
			break
		}
		other := w.value(true)
		for !healed && text(other) == text(was.value) {
			// Whether the backfill has been there decides whether b changes: not to be known here.
			other = w.value(true)
		}
		now.value = other
		if text(other) == text(was.value) {
			now.value = value // b does not change, so only a was written
		}
		stmt = fmt.Sprintf("UPDATE items SET a = %s, b = %s WHERE %s", w.sql(value), w.sql(other), s.where(n))
	case 6: // delete
		now = row{}
		stmt = fmt.Sprintf("DELETE FROM items WHERE %s", s.where(n))
	default: // upsert
		if s.Partitioned {
			// The partition is part of the key: the upsert would insert a second row there.
			stmt = fmt.Sprintf("UPDATE items SET %s = %s WHERE %s", col, w.sql(value), s.where(n))
			break
		}
		stmt = w.f.upsert(s, n, col, w.sql(value))
		most = 2 // MySQL counts an upsert that updates as two
	}
	res, err := tx.ExecContext(ctx, stmt)
	if err != nil {
		return row{}, err
	}
	if k, err := res.RowsAffected(); err == nil && k != 1 && k != most {
		return row{}, wrong("%s: %d rows, want 1", stmt, k)
	}
	return now, nil
}

// insert names the column, leaves it to its default, or names both sides.
func (w *writer) insert(ctx context.Context, tx *sql.Tx, n int, col string, now *row) error {
	s := w.s.Shape
	cols, vals := s.keyColumns()+", n", s.keyOf(n)+", 1"
	switch k := w.rnd.IntN(6); {
	case k == 0 && (s.Default != "" || !s.NotNull): // left out
		now.value = nil
		if s.Default != "" {
			d := s.Default
			now.value = &d
		}
	case k == 1 && !w.oldGone.Load() && w.newThere: // both; the one that differs from its default wrote, new first
		other := w.value(false)
		def := "null"
		if s.Default != "" {
			def = text(&s.Default)
		} else if f, ok := w.f.(own); ok && s.NotNull {
			zero := f.zero(s)
			def = text(&zero)
		}
		cols, vals = cols+", a, b", vals+", "+w.sql(now.value)+", "+w.sql(other)
		if text(other) != def {
			now.value = other
		}
	default:
		cols, vals = cols+", "+col, vals+", "+w.sql(now.value)
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO items (%s) VALUES (%s)", cols, vals))
	return err
}

// value draws a value; never null where the column forbids it, nor where new code
// writes to a row that may not be filled yet: null for null is no change there.
func (w *writer) value(never bool) *string {
	if !w.s.Shape.NotNull && !never && w.rnd.IntN(6) == 0 {
		return nil
	}
	v := w.s.Shape.Values[w.rnd.IntN(len(w.s.Shape.Values))]
	if w.s.Shape.Unique {
		w.drawn++
		v = fmt.Sprintf("of %d: %d", w.id, w.drawn)
	}
	return &v
}

func (w *writer) sql(v *string) string { return w.f.value(w.s.Shape, v) }
