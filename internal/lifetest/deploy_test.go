package lifetest

import "sync"

// deploy is whether new code runs. Where a family's new code waits, it begins when
// the expand phase is over; elsewhere it runs from the beginning, and its statements fail.
type deploy struct {
	mu       sync.RWMutex
	is       bool
	from     bool
	dropping bool // the old side's drop has begun, and is not one statement
}

func newDeploy(f family) *deploy {
	o, ok := f.(own)
	from := !ok || !o.newWaits()
	return &deploy{is: from, from: from}
}

// enter begins a transaction of code that is new, or is not; stop waits for its end.
func (d *deploy) enter(w *writer) (leave func()) {
	d.mu.RLock()
	w.newThere, w.dropping = d.is, d.dropping
	return d.mu.RUnlock
}

// drop begins with the drop of the old side.
func (d *deploy) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropping = !d.from
}

func (d *deploy) there() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.is
}

func (d *deploy) begin() {
	if d.there() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.is = true
}

// stop goes back to what was there at the beginning.
func (d *deploy) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.is = d.from
}
