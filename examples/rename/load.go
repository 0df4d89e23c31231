package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// load is the traffic: lanes that each own a range of keys and send one statement
// after the other, each as one of the versions that run at that moment. So what one
// version wrote is read and changed by the other a few milliseconds later, and the
// value to expect is still exact.
type load struct {
	lanes []*lane
	pause time.Duration // of a lane between two statements
	phase atomic.Pointer[string]
	still sync.RWMutex // held for reading while a statement and its entry in the journal are made

	mu     sync.Mutex
	writes []*version // that take writes
	reads  []*version // that take reads

	ended sync.WaitGroup
}

type lane struct {
	journal *journal
	rnd     *rand.Rand
	mine    []int64 // new rows that may still be there
}

func newLoad(lanes int, rows int64, rate int) *load {
	l := &load{pause: time.Second * time.Duration(lanes) / time.Duration(rate)}
	for i := range lanes {
		l.lanes = append(l.lanes, &lane{journal: newJournal(i, lanes, rows), rnd: rand.New(rand.NewPCG(uint64(i), 7))})
	}
	l.enter(phaseBefore)
	return l
}

// start runs the lanes until the returned function is called.
func (l *load) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	for _, lane := range l.lanes {
		l.ended.Go(func() {
			t := time.NewTicker(l.pause)
			defer t.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-t.C:
					l.once(context.WithoutCancel(ctx), lane)
				}
			}
		})
	}
	return func() {
		cancel()
		l.ended.Wait()
	}
}

// phaseBefore is the phase in which version 1 works alone on its own schema.
const phaseBefore = "before"

// enter names the phase that statements are counted under.
func (l *load) enter(phase string) { l.phase.Store(&phase) }

// serve says which versions take writes and which take reads from now on. When it
// returns, no statement of another one is on its way.
func (l *load) serve(writes, reads []*version) {
	l.still.Lock()
	defer l.still.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes, l.reads = writes, reads
}

func (l *load) pick(rnd *rand.Rand, read bool) *version {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.writes
	if read {
		from = l.reads
	}
	if len(from) == 0 {
		return nil
	}
	return from[rnd.IntN(len(from))]
}

func (l *load) drop(v *version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	without := func(list []*version) (out []*version) {
		for _, x := range list {
			if x != v {
				out = append(out, x)
			}
		}
		return out
	}
	l.writes, l.reads = without(l.writes), without(l.reads)
}

// once sends one statement and keeps the journal.
func (l *load) once(ctx context.Context, a *lane) {
	l.still.RLock()
	defer l.still.RUnlock()
	dice := a.rnd.IntN(100)
	v := l.pick(a.rnd, dice < 40)
	if v == nil {
		return
	}
	id := a.anyID()
	was, exists := a.journal.expect(id)
	switch {
	case dice < 40:
		l.read(ctx, v, a, id)
	case dice < 50:
		a.journal.next++
		id = a.journal.next
		r := row{email: fmt.Sprintf("new%d@%s.example.com", id, v.name), name: "New"}
		if l.write(ctx, v, a, id, v.texts.insert, id, r.email, r.name) {
			a.journal.wrote(id, r)
			a.mine = append(a.mine, id)
		}
	case dice < 55:
		if l.write(ctx, v, a, id, v.texts.remove, id) {
			a.journal.removed(id)
		}
	case dice < 65:
		r := row{email: fmt.Sprintf("upsert%d-%d@%s.example.com", id, a.rnd.IntN(1e6), v.name), name: "Upserted"}
		if exists {
			r.name, r.n = was.name, was.n+1
		}
		if l.write(ctx, v, a, id, v.texts.upsert, id, r.email, "Upserted") {
			a.journal.wrote(id, r)
		}
	case dice < 85:
		was.email = fmt.Sprintf("changed%d-%d@%s.example.com", id, a.rnd.IntN(1e6), v.name)
		if l.write(ctx, v, a, id, v.texts.updateEmail, was.email, id) && exists {
			a.journal.wrote(id, was)
		}
	default:
		was.name, was.n = fmt.Sprintf("Renamed by %s", v.name), was.n+1
		if l.write(ctx, v, a, id, v.texts.updateName, was.name, id) && exists {
			a.journal.wrote(id, was)
		}
	}
}

// anyID is one of the lane's own rows, deleted ones among them.
func (a *lane) anyID() int64 {
	for {
		var id int64
		if len(a.mine) > 0 && a.rnd.IntN(4) == 0 {
			id = a.mine[a.rnd.IntN(len(a.mine))]
		} else {
			id = a.journal.from + a.rnd.Int64N(a.journal.to-a.journal.from)
		}
		if !a.journal.unknown[id] {
			return id
		}
	}
}

func (l *load) read(ctx context.Context, v *version, a *lane, id int64) {
	begin := time.Now()
	got, err := v.get(ctx, id)
	took := time.Since(begin)
	want, exists := a.journal.expect(id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		v.stats.read(took, *l.phase.Load(), !exists)
	case err != nil:
		l.failed(v, err)
	default:
		v.stats.read(took, *l.phase.Load(), exists && got == want)
	}
}

// write reports whether the statement is known to be committed.
func (l *load) write(ctx context.Context, v *version, a *lane, id int64, query string, args ...any) bool {
	begin := time.Now()
	err := v.exec(ctx, query, args...)
	v.stats.took(time.Since(begin), *l.phase.Load())
	if err == nil {
		v.stats.wrote()
		return true
	}
	if !v.family.refused(err) { // the answer was lost: it may have been committed
		a.journal.unknown[id] = true
		v.stats.lostAnswer()
	}
	l.failed(v, err)
	return false
}

// failed counts an error. A version that is being rolled back ends with the first
// statement that names a column which is gone; nothing of that statement was written.
func (l *load) failed(v *version, err error) {
	if v.stats.goes.Load() && v.family.noColumn(err) {
		v.stats.turnedAway()
		l.drop(v)
		return
	}
	v.stats.error(err)
}
