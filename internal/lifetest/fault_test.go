package lifetest

import (
	"context"
	"math/rand/v2"
	"time"
)

// lease is how long the programs' claims outlive their last renewal; a stop is longer.
const (
	lease    = time.Second
	stopTime = 1300 * time.Millisecond
)

// lockTimeout is how long a step waits for a lock, and longer is how much longer a client holds one.
const (
	lockTimeout = 300 * time.Millisecond
	longer      = 200 * time.Millisecond
)

// fault is something that happens to programs, server or tables, so many
// milliseconds after the migration has come to a state; empty: after the fault before.
type fault struct {
	State string
	After int
	What  faultKind
	Which int
}

type faultKind string

const (
	faultKill   faultKind = "kill"   // SIGKILL of a program
	faultStop   faultKind = "stop"   // SIGSTOP for longer than its lease; it comes back late
	faultCut    faultKind = "cut"    // one connection is ended, whosever it is
	faultCrash  faultKind = "crash"  // the server is killed and started again
	faultRows   faultKind = "rows"   // a client locks rows in the opposite order of a chunk
	faultTables faultKind = "tables" // a client locks what a step locks in the opposite order
	faultLock   faultKind = "lock"   // a client holds the table, again and again, for longer than a step waits
)

// faultKinds as often as they are drawn.
var faultKinds = []faultKind{faultKill, faultKill, faultKill, faultStop, faultStop, faultCut, faultCut, faultCrash, faultCrash, faultRows, faultTables, faultLock}

// disturb lets faults happen, one after the other; it is over when the channel is closed.
func (l *life) disturb(faults []fault) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for _, f := range faults {
			l.await(f.State)
			time.Sleep(time.Duration(f.After) * time.Millisecond)
			l.fault(f)
		}
	}()
	return over
}

// past is the state that says that one to wait for will not come any more.
var past = map[string]string{"expanding": "verified", "backfilling": "verified", "rolling-back": "rolled-back", "hidden": "dropped", "dropping": "dropped"}

// await waits for a state, and gives up where the life does not come to it.
func (l *life) await(state string) {
	for end := time.Now().Add(time.Second); state != "" && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		now, err := l.state()
		if err == nil && (now == state || now == past[state]) {
			return
		}
	}
}

// fault errors are no concern: what a fault does to its own client does not matter.
func (l *life) fault(f fault) {
	ctx := context.Background()
	state, err := l.state()
	if err != nil {
		state = "planned" // or a fault is over that very moment
	}
	l.mu.Lock()
	l.happened[string(f.What)]++
	l.states[state]++
	l.mu.Unlock()
	switch f.What {
	case faultKill, faultStop:
		c := l.victim(f.Which)
		switch {
		case c == nil:
		case f.What == faultKill:
			c.kill()
		default:
			c.stop()
			time.Sleep(stopTime)
			c.resume()
		}
	case faultCut:
		_ = l.f.cut(ctx, l.db, f.Which) // it may have been ours
	case faultCrash:
		calm := l.reader.excuse()
		if err := l.server.crash(ctx); err != nil {
			l.t.Errorf("crash: %v", err)
		}
		calm()
	case faultRows:
		l.hostile(func(rnd *rand.Rand) []string {
			a, b := rnd.IntN(l.s.Rows), rnd.IntN(l.s.Rows)
			return []string{l.f.lockRow(l.s.Shape, max(a, b)), l.f.lockRow(l.s.Shape, min(a, b))}
		})
	case faultTables:
		l.hostile(func(rnd *rand.Rand) []string { return l.f.crossing(l.s.Shape, rnd.IntN(l.s.Rows)) })
	case faultLock:
		for range 3 {
			calm := l.reader.excuse()
			release, err := l.f.hold(ctx, l.db, lock{kind: lockTable, table: "items"})
			if err == nil {
				time.Sleep(l.f.patience() + longer)
				_ = release() // the connection may have been cut
			}
			calm()
			time.Sleep(100 * time.Millisecond)
		}
	default:
		l.f.happen(l, f)
	}
}

// victim is one of the programs that run.
func (l *life) victim(which int) *child {
	l.mu.Lock()
	defer l.mu.Unlock()
	var running []*child
	for _, c := range l.all {
		if c.working() {
			running = append(running, c)
		}
	}
	if len(running) == 0 {
		return nil
	}
	return running[which%len(running)]
}

// hostile runs transactions of a client that takes locks one after the other.
func (l *life) hostile(statements func(*rand.Rand) []string) {
	rnd := rand.New(rand.NewPCG(uint64(l.s.Seed), 99))
	for end := time.Now().Add(600 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		tx, err := l.clients.BeginTx(context.Background(), nil)
		if err != nil {
			continue
		}
		for _, stmt := range statements(rnd) {
			if _, err := tx.Exec(stmt); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		_ = tx.Rollback()
	}
}
