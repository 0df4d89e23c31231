package lifetest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// row is what the model knows of a row.
type row struct {
	exists bool
	value  *string
}

// writer owns the keys n with n % writers == id and alternates between old code
// (knows a) and new code (knows b). Being the only one who writes its keys, it knows
// exactly what has to be there.
type writer struct {
	f       family
	s       scenario
	id      int
	db      *sql.DB
	rnd     *rand.Rand
	model   map[int]row
	next    int
	oldGone *atomic.Bool // old code is not running any more
	deploy  *deploy      // of new code
	drawn   int          // values, where each is another
	// newThere: new code runs, in this transaction. dropping: the old side is being dropped.
	newThere, dropping bool
	counts             map[string]int
}

func newWriter(f family, s scenario, id int, db *sql.DB, oldGone *atomic.Bool, deploy *deploy) *writer {
	w := &writer{f: f, s: s, id: id, db: db, rnd: rand.New(rand.NewPCG(uint64(s.Seed), uint64(id))), model: map[int]row{}, oldGone: oldGone, deploy: deploy, counts: map[string]int{}}
	for n := range s.Rows {
		if n%s.Writers == id {
			v := s.firstValue(n)
			w.model[n] = row{exists: true, value: &v}
		}
	}
	w.next = s.Rows + (s.Writers-s.Rows%s.Writers)%s.Writers + id
	return w
}

// run works until stop is closed; its error is a lost or wrong write.
func (w *writer) run(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := w.transaction(); err != nil {
			return fmt.Errorf("writer %d: %w", w.id, err)
		}
	}
}

// transaction does one to three operations on different rows, and ends them with
// COMMIT or ROLLBACK. An answer that was lost leaves it unknown which: the database
// must then show all of them or none.
func (w *writer) transaction() error {
	defer w.deploy.enter(w)()
	if f, ok := w.f.(own); ok && w.rnd.IntN(3) == 0 {
		return f.transaction(w)
	}
	ctx := context.Background()
	before := map[int]row{}
	after := map[int]row{}
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return w.tolerate(err)
	}
	for range 1 + w.rnd.IntN(3) {
		n := w.pick()
		if _, dup := after[n]; dup {
			continue
		}
		was := w.model[n]
		healed, err := w.healed(ctx, tx, n, was)
		var now row
		if err == nil {
			now, err = w.operation(ctx, tx, n, was, healed)
		}
		if err == nil {
			err = w.visible(ctx, tx, n, now)
		}
		if err != nil {
			_ = tx.Rollback() // nothing of it counts
			return w.tolerate(err)
		}
		before[n], after[n] = was, now
	}
	return w.end(tx, before, after)
}

// end commits or rolls back.
func (w *writer) end(tx transaction, before, after map[int]row) error {
	if w.rnd.IntN(8) == 0 {
		w.counts["rolled back"]++
		return w.tolerate(tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		w.counts["unknown"]++
		return w.settle(before, after)
	}
	w.counts["committed"]++
	for n, r := range after {
		w.model[n] = r
	}
	return nil
}

type transaction interface {
	Commit() error
	Rollback() error
}

// wrongError is a violation of an invariant; everything else may happen to a client.
type wrongError struct{ text string }

func (e *wrongError) Error() string { return e.text }

func wrong(format string, args ...any) error { return &wrongError{fmt.Sprintf(format, args...)} }

// tolerate passes on what must not happen: a wrong value, and an error of a kind that
// the change must never cause.
func (w *writer) tolerate(err error) error {
	if err == nil {
		return nil
	}
	var bad *wrongError
	if errors.As(err, &bad) {
		return bad
	}
	kind := w.f.tolerated(err)
	if kind == "" {
		return wrong("a statement failed: %v", err)
	}
	w.counts[kind]++
	if kind == "cut" { // the server may be down
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// pick chooses an existing row mostly, else a new key.
func (w *writer) pick() int {
	if w.rnd.IntN(4) > 0 && len(w.model) > 0 {
		span := w.next / w.s.Writers
		for range 8 {
			n := w.rnd.IntN(span+1)*w.s.Writers + w.id
			if _, ok := w.model[n]; ok {
				return n
			}
		}
	}
	n := w.next
	w.next += w.s.Writers
	return n
}

// settle finds out what a commit without an answer did.
func (w *writer) settle(before, after map[int]row) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		applied, kept := true, true
		var err error
		for n := range after {
			var got row
			if got, err = w.read(n); err != nil {
				break
			}
			applied = applied && same(got, after[n])
			kept = kept && same(got, before[n])
		}
		switch {
		case err != nil && time.Now().Before(end):
			continue
		case err != nil:
			return fmt.Errorf("read after a lost answer: %w", err)
		case !applied && !kept:
			return wrong("a transaction whose answer was lost was done in part: %v to %v", before, after)
		case applied:
			for n, r := range after {
				w.model[n] = r
			}
		}
		return nil
	}
}

func same(a, b row) bool {
	if a.exists != b.exists || !a.exists {
		return a.exists == b.exists
	}
	return text(a.value) == text(b.value)
}

func text(v *string) string {
	if v == nil {
		return "null"
	}
	return "'" + *v + "'"
}

// read finds a row's value on whichever side is there.
func (w *writer) read(n int) (row, error) {
	m, err := w.f.image(context.Background(), w.db, w.s.Shape, n)
	if err != nil || m == nil {
		return row{}, err
	}
	r := row{exists: true}
	for _, c := range []string{"a", "a~hidden", "b"} { // the old side is never behind
		if v, ok := m[c]; ok && (c != "a~hidden" || !w.dropping) {
			r.value = v
			break
		}
	}
	return r, nil
}

// healed reports whether the row is in step already. Reading it keeps the columns as
// they are until the transaction ends; the backfill may still heal it meanwhile.
func (w *writer) healed(ctx context.Context, tx *sql.Tx, n int, was row) (bool, error) {
	if !was.exists {
		return false, nil
	}
	m, err := w.f.image(ctx, tx, w.s.Shape, n)
	if err != nil {
		return false, err
	}
	v, ok := m["b"]
	return ok && text(v) == text(was.value), nil
}

// visible is I1: what was written shows on both sides in the same transaction.
func (w *writer) visible(ctx context.Context, tx querier, n int, want row) error {
	if want.exists { // the transaction has locked it
		tx = current{tx}
	}
	m, err := w.f.image(ctx, tx, w.s.Shape, n)
	if err != nil {
		return err
	}
	if (m != nil) != want.exists {
		return wrong("row %d exists: %t, want %t", n, m != nil, want.exists)
	}
	for _, c := range []string{"a", "a~hidden", "b"} {
		if c == "b" && !w.newThere || c == "a~hidden" && w.dropping {
			continue // where it is not one statement that makes the column and its sync, or ends them
		}
		if v, ok := m[c]; ok && text(v) != text(want.value) {
			return wrong("row %d: column %s is %s after a write, want %s (all: %s)", n, c, text(v), text(want.value), dump(m))
		}
	}
	return nil
}

func dump(m map[string]*string) string {
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
