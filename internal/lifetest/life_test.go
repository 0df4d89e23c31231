package lifetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/phasedb/phased/expand"
)

// life is one scenario at work.
type life struct {
	t       testing.TB
	f       family
	server  server
	s       scenario
	at      address
	db      *sql.DB // of the test's own questions
	clients *sql.DB
	writers []*writer
	reader  *reader
	oldGone atomic.Bool
	deploy  *deploy
	errs    chan error // of the writers
	refusal error      // of a replica: trying again is of no use

	mu       sync.Mutex
	replica  []*child // those that should be running
	all      []*child
	happened map[string]int // faults and other events, counted
	states   map[string]int // in which the migration was then
}

func (l *life) said() string {
	for _, c := range l.all {
		if c.running() { // what it is at
			c.resume()
			c.signal(syscall.SIGQUIT)
			select {
			case <-c.ended:
			case <-time.After(2 * time.Second):
			}
		}
	}
	l.killAll()
	var out strings.Builder
	for i, c := range l.all {
		if i > 3 && i < len(l.all)-4 { // the first and the last say enough
			continue
		}
		fmt.Fprintf(&out, "--- %s (%v)\n%s", c.name, c.err, c.out)
	}
	return out.String()
}

// run makes the table and its load, runs a script beside it, and compares what is
// there at the end with what must be there.
func (l *life) run(script func() error) (err error) {
	ctx := context.Background()
	l.happened, l.states = map[string]int{}, map[string]int{}
	l.deploy = newDeploy(l.f)
	at, drop, err := l.server.database(ctx)
	if err != nil {
		return err
	}
	l.at = at
	defer func() {
		l.killAll()
		err = errors.Join(err, drop(ctx))
	}()
	if l.db, err = open(l.f, at.direct, "life"); err != nil {
		return err
	}
	defer l.db.Close()
	if l.clients, err = open(l.f, at.dsn, "clients"); err != nil {
		return err
	}
	defer l.clients.Close()
	for _, stmt := range append(l.f.prepare(l.s.Shape), l.s.fill(l.f)) {
		if _, err := l.db.Exec(stmt); err != nil {
			return fmt.Errorf("%.80s: %w", stmt, err)
		}
	}
	m, err := migrator(l.db, nil, "v0", lease)
	if err != nil {
		return err
	}
	if err := m.Baseline(ctx, expand.BaselineNone); err != nil {
		return err
	}
	if err := l.f.watch(ctx, l.db); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	if err := l.live(script); err != nil {
		return err
	}
	return l.compare()
}

// live runs the script beside writers and a reader.
func (l *life) live(script func() error) error {
	stop := make(chan struct{})
	l.errs = make(chan error, l.s.Writers+1)
	l.reader = newReader(l.s, l.f, l.at.dsn)
	var running sync.WaitGroup
	work := func(run func(<-chan struct{}) error) {
		running.Go(func() {
			if err := run(stop); err != nil {
				l.errs <- err
			}
		})
	}
	work(l.reader.run)
	for id := range l.s.Writers {
		w := newWriter(l.f, l.s, id, l.clients, &l.oldGone, l.deploy)
		l.writers = append(l.writers, w)
		work(w.run)
	}
	err := script()
	close(stop)
	running.Wait()
	close(l.errs)
	for e := range l.errs {
		err = errors.Join(err, e)
	}
	if err != nil {
		return err
	}
	return l.reader.waited()
}

// change is the life of the change: replicas come and go until the backfill is
// verified, perhaps with a rollback; then old code goes and the contract begins.
func (l *life) change() error {
	over := l.disturb(l.s.Faults)
	if l.s.Rollback > 0 {
		if err := l.until(after(time.Duration(l.s.Rollback) * time.Millisecond)); err != nil {
			return err
		}
		undone := l.disturb(l.s.Undo)
		if err := l.drive("rollback", "rolled-back"); err != nil {
			return err
		}
		l.mu.Lock()
		l.happened["rollback"]++
		l.mu.Unlock()
		<-undone
		<-over
		if !l.s.Resume {
			return nil
		}
		if err := l.patiently(func() error {
			l.deploy.stop()
			_, err := expand.Resume(context.Background(), l.db, migrationFile)
			return err
		}); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
	} else if err := l.until(over); err != nil {
		return err
	}
	if err := l.verified(); err != nil {
		return err
	}
	return l.contract()
}

// contract is the end of the change, with its own faults.
func (l *life) contract() error {
	l.oldGone.Store(true)
	over := l.disturb(l.s.Contract)
	defer func() { <-over }()
	if err := l.drive("contract", "hidden", doVar+"=hide"); err != nil {
		return err
	}
	return l.drive("contract", "dropped", doVar+"=drop")
}

func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// until keeps replicas running, restarting those that were killed, until over is closed.
func (l *life) until(over <-chan struct{}) error {
	for {
		select {
		case err := <-l.errs:
			return err
		case <-over:
			return nil
		case <-time.After(5 * time.Millisecond):
			l.replicas()
			if !l.deploy.there() {
				_, _ = l.state() // whatever it says: new code begins when it can
			}
		}
	}
}

// replicas starts what is missing. One that is stopped is missing too: another
// process takes over what it was at.
func (l *life) replicas() {
	for i := len(l.replica); i < l.s.Programs; i++ {
		l.replica = append(l.replica, nil)
	}
	for i, c := range l.replica {
		if c == nil || !c.working() {
			l.replica[i] = l.start("replica")
		}
		if c != nil && !c.running() && c.err != nil && l.refusal == nil && strings.Contains(c.out.String(), "is refused, nothing was changed") {
			l.refusal = fmt.Errorf("%s: %s", c.name, c.out)
		}
	}
}

func (l *life) start(role string, env ...string) *child {
	c := start(l.t, l.f, l.at, role, env...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, c)
	return c
}

// drive runs a program, and another one when it has ended or is stopped, until the
// migration is in a state and the program at work has ended.
func (l *life) drive(role, want string, env ...string) error {
	var c *child
	var last error
	if want == "dropped" {
		l.deploy.drop()
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-l.errs:
			return err
		default:
		}
		state, err := l.state()
		if err != nil && !errors.Is(err, sql.ErrNoRows) && !l.transient(err) {
			return err
		}
		switch {
		case c != nil && !c.running() && strings.Contains(c.out.String(), tooLong):
			return fmt.Errorf("%s:\n%s", c.name, c.out)
		case state == want && (c == nil || !c.working()):
			return nil
		case c == nil || !c.working():
			if c != nil && !c.running() {
				last = fmt.Errorf("%s: %v\n%s", c.name, c.err, c.out)
			}
			if state == "" && role == "rollback" { // there is nothing to take back yet
				l.replicas()
			}
			c = l.start(role, env...)
		}
	}
	state, err := l.state()
	return fmt.Errorf("after a minute of %s the migration is %q (%v), want %q; the last one: %v", role, state, err, want, last)
}

// verified lets the life finish undisturbed: running again is the way on (I7).
func (l *life) verified() error {
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		state, err := l.state()
		if err != nil && !errors.Is(err, sql.ErrNoRows) && !l.transient(err) {
			return err
		}
		if state == "verified" {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("after two minutes undisturbed it is %q, want verified", state)
		}
		if l.refusal != nil {
			return l.refusal
		}
		l.replicas()
	}
}

// state is where the migration stands.
func (l *life) state() (state string, err error) {
	err = l.db.QueryRow(fmt.Sprintf("SELECT state FROM %s WHERE name = %s", l.f.state("migration"), l.f.literal(migrationFile))).Scan(&state)
	switch state {
	case "expanded", "backfilling", "verified", "hidden", "dropping", "dropped":
		l.deploy.begin()
	}
	return state, err
}

// transient errors are those that a client has to expect under faults.
func (l *life) transient(err error) bool { return err != nil && l.f.tolerated(err) != "" }

// patiently tries again what met a fault.
func (l *life) patiently(do func() error) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := do(); err == nil || time.Now().After(end) || !l.transient(err) {
			return err
		}
	}
}

func (l *life) killAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.all {
		if c.running() {
			c.kill()
		}
	}
}
