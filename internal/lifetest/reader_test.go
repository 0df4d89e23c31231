package lifetest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// reader is a client that reads rows by their key all the time. Beside it another
// one reads a table that nobody changes: what that one waits, the machine is slow.
type reader struct {
	s       scenario
	f       family
	dsn     string
	mu      sync.Mutex
	excused []span
	longest time.Duration // of a wait, without what is excused
	at      time.Time
	slow    time.Duration // the longest wait of the one beside
	reads   int
}

// span is a time in which the test itself kept readers waiting. It is open while its end is zero.
type span struct{ from, to time.Time }

func newReader(s scenario, f family, dsn string) *reader { return &reader{s: s, f: f, dsn: dsn} }

// excuse begins a time that does not count, until the function that it returns is called.
func (r *reader) excuse() (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.excused)
	r.excused = append(r.excused, span{from: time.Now()})
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.excused[n].to = time.Now()
	}
}

// counted is a wait without what is excused.
func (r *reader) counted(from, to time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := to.Sub(from)
	for _, s := range r.excused {
		a, b := s.from, s.to
		if b.IsZero() || b.After(to) {
			b = to
		}
		if a.Before(from) {
			a = from
		}
		if b.After(a) {
			d -= b.Sub(a)
		}
	}
	return d
}

func (r *reader) run(stop <-chan struct{}) error {
	db, err := open(r.f, r.dsn, "reader")
	if err != nil {
		return err
	}
	defer db.Close()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { r.beside(db, stop) })
	rnd := rand.New(rand.NewPCG(uint64(r.s.Seed), 77))
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(time.Millisecond):
		}
		var n int
		begin := time.Now()
		err := db.QueryRow(fmt.Sprintf("SELECT n FROM items WHERE %s", r.s.Shape.where(rnd.IntN(r.s.Rows)))).Scan(&n)
		d := r.counted(begin, time.Now())
		switch {
		case err != nil && err != sql.ErrNoRows && r.f.tolerated(err) == "":
			return wrong("a read failed: %v", err)
		case err != nil && err != sql.ErrNoRows:
			continue // its time says nothing
		}
		r.mu.Lock()
		r.reads++
		if d > r.longest {
			r.longest, r.at = d, begin
		}
		r.mu.Unlock()
	}
}

// beside measures how long a read takes that no change can keep waiting.
func (r *reader) beside(db *sql.DB, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		var n int
		begin := time.Now()
		if db.QueryRowContext(context.Background(), "SELECT 1").Scan(&n) != nil {
			continue
		}
		if d := r.counted(begin, time.Now()); d > r.slow {
			r.mu.Lock()
			r.slow = d
			r.mu.Unlock()
		}
	}
}

// relations is how many locks a step takes on the table, each of which it may wait for.
func (r *reader) relations() time.Duration {
	if r.s.Shape.Partitioned {
		return 3
	}
	return 1
}

// waited compares the longest wait with what the timeouts allow (I5): a step waits
// lockTimeout for each lock, with the readers behind it, and keeps it for a moment.
func (r *reader) waited() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	allowed := r.relations()*max(planLockTimeout, r.f.patience()) + 500*time.Millisecond + 3*r.slow
	if r.longest > allowed {
		return wrong("a reader waited %s (at %s), want %s at most; a read beside it waited %s", r.longest, r.at.Format("15:04:05.000"), allowed, r.slow)
	}
	if r.reads == 0 {
		return fmt.Errorf("nothing was read")
	}
	return nil
}

// planLockTimeout is the lock timeout of a plan's steps where the configuration does not say another.
const planLockTimeout = 500 * time.Millisecond
