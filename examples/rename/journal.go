package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
)

// row is what a user of the service would expect to read.
type row struct {
	email, name string
	n           int
}

// initial is the row with which the table was filled.
func initial(id int64) row {
	return row{email: fmt.Sprintf("user%d@example.com", id), name: fmt.Sprintf("User %d", id)}
}

// journal keeps, outside of the database, what the database has acknowledged: a
// range of the initial rows and new ones, which one lane alone writes, so that the
// expected value of every row is exact.
type journal struct {
	from, to int64 // initial rows, the end excluded
	next     int64 // the next new id
	changed  map[int64]row
	deleted  map[int64]bool
	unknown  map[int64]bool // the answer to a commit was lost: either value is right
}

func newJournal(lane, lanes int, rows int64) *journal {
	return &journal{
		from: 1 + rows*int64(lane)/int64(lanes), to: 1 + rows*int64(lane+1)/int64(lanes),
		next:    1_000_000_000 * int64(lane+1),
		changed: map[int64]row{}, deleted: map[int64]bool{}, unknown: map[int64]bool{},
	}
}

func (j *journal) expect(id int64) (row, bool) {
	if r, ok := j.changed[id]; ok {
		return r, true
	}
	if j.deleted[id] || id < j.from || id >= j.to {
		return row{}, false
	}
	return initial(id), true
}

func (j *journal) wrote(id int64, r row) {
	j.changed[id] = r
	delete(j.deleted, id)
}

func (j *journal) removed(id int64) {
	delete(j.changed, id)
	if id >= j.from && id < j.to {
		j.deleted[id] = true
	}
}

// rows is how many rows the database must hold, those of unknown outcome apart.
func (j *journal) rows() int64 {
	n := j.to - j.from - int64(len(j.deleted))
	for id := range j.changed {
		if id < j.from || id >= j.to {
			n++
		}
	}
	for id := range j.unknown {
		if _, ok := j.expect(id); ok {
			n--
		}
	}
	return n
}

func (j *journal) clone() *journal {
	c := *j
	c.changed, c.deleted, c.unknown = maps.Clone(j.changed), maps.Clone(j.deleted), maps.Clone(j.unknown)
	return &c
}

// comparison is every row of the table against the journals.
type comparison struct{ rows, differing int64 }

// compare reads the whole table in one snapshot and holds each of the columns
// against the journals. The load stands still only until the snapshot is taken.
func (l *load) compare(ctx context.Context, db *sql.DB, columns ...string) (comparison, error) {
	var c comparison
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return c, err
	}
	defer tx.Rollback()
	l.still.Lock()
	var any int64
	err = tx.QueryRowContext(ctx, `SELECT id FROM users LIMIT 1`).Scan(&any) // takes the snapshot
	owner := map[int64]*journal{}
	var journals []*journal
	for _, lane := range l.lanes {
		journals = append(journals, lane.journal.clone())
	}
	l.still.Unlock()
	if err != nil {
		return c, err
	}
	var want, found int64
	for _, j := range journals {
		want += j.rows()
		for id := range j.changed {
			owner[id] = j
		}
		for id := range j.unknown {
			owner[id] = j
		}
	}
	query := `SELECT id, name, n, ` + columns[0] + `, ` + columns[len(columns)-1] + ` FROM users`
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var got row
		var a, b sql.NullString
		if err := rows.Scan(&id, &got.name, &got.n, &a, &b); err != nil {
			return c, err
		}
		j := owner[id]
		for i := 0; j == nil && i < len(journals); i++ {
			if journals[i].from <= id && id < journals[i].to {
				j = journals[i]
			}
		}
		if j != nil && j.unknown[id] {
			continue
		}
		c.rows++
		got.email = a.String
		expected, exists := row{}, false
		if j != nil {
			expected, exists = j.expect(id)
		}
		if exists {
			found++
		}
		if !exists || got != expected || !a.Valid || !b.Valid || a.String != b.String {
			c.differing++
		}
	}
	c.differing += want - found // rows that are not there
	return c, rows.Err()
}
