package lifetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
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
	t       *testing.T
	f       family
	server  server
	s       scenario
	dsn     string
	db      *sql.DB
	writers []*writer
	oldGone atomic.Bool

	log       strings.Builder // of the rollback
	mu        sync.Mutex
	programs  []*child
	all       []*child
	kills     int
	rollbacks int
}

func (l *life) said() string {
	for _, c := range l.all {
		if c.running() { // what it is at
			c.signal(syscall.SIGQUIT)
			select {
			case <-c.ended:
			case <-time.After(2 * time.Second):
			}
		}
	}
	l.killAll()
	out := "--- rollback\n" + l.log.String()
	for i, c := range l.all {
		if i > 3 && i < len(l.all)-4 { // the first and the last say enough
			continue
		}
		out += fmt.Sprintf("--- program %d (%v)\n%s", i, c.err, c.out)
	}
	return out
}

func (l *life) run() (err error) {
	dsn, drop, err := l.server.database(context.Background())
	if err != nil {
		return err
	}
	l.dsn = dsn
	defer func() {
		l.killAll()
		err = errors.Join(err, drop(context.Background()))
	}()
	if l.db, err = open(l.f, l.dsn, "life"); err != nil {
		return err
	}
	defer l.db.Close()
	for _, stmt := range append(l.f.prepare(l.s.Shape), l.s.fill(l.f)) {
		if _, err := l.db.Exec(stmt); err != nil {
			return fmt.Errorf("%.80s: %w", stmt, err)
		}
	}
	m, err := migrator(l.db, "v0")
	if err != nil {
		return err
	}
	if err := m.Baseline(context.Background(), expand.BaselineNone); err != nil {
		return err
	}
	return l.live()
}

// live starts the writers, lets the change live beside them, and compares.
func (l *life) live() error {
	stop := make(chan struct{})
	errs := make(chan error, l.s.Writers)
	var running sync.WaitGroup
	for id := range l.s.Writers {
		w := newWriter(l.f, l.s, id, l.db, &l.oldGone)
		l.writers = append(l.writers, w)
		running.Go(func() {
			if err := w.run(stop); err != nil {
				errs <- err
			}
		})
	}
	err := l.change(errs)
	close(stop)
	running.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	if err != nil {
		return err
	}
	return l.compare()
}

// change is the life of the change: replicas come and go until the backfill is
// verified, perhaps with a rollback; then old code goes and the contract begins.
func (l *life) change(errs chan error) error {
	faults := make(chan error, 1)
	go func() { faults <- l.faults() }()
	if l.s.Rollback > 0 {
		if err := l.until(time.Duration(l.s.Rollback)*time.Millisecond, errs); err != nil {
			return err
		}
		if err := l.rollback(); err != nil {
			return err
		}
		if err := <-faults; err != nil {
			return err
		}
		if !l.s.Resume {
			return nil
		}
		if _, err := expand.Resume(context.Background(), l.db, migrationFile); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
	} else {
		if err := l.until(0, errs); err != nil {
			return err
		}
		if err := <-faults; err != nil {
			return err
		}
	}
	if err := l.verified(); err != nil {
		return err
	}
	l.oldGone.Store(true)
	for _, half := range []string{"hide", "drop"} {
		if err := l.contract(half); err != nil {
			return err
		}
	}
	return nil
}

// until keeps replicas running, restarting those that were killed, for a time; 0:
// until the faults are over.
func (l *life) until(d time.Duration, errs chan error) error {
	if d == 0 {
		for _, f := range l.s.Faults {
			d += time.Duration(f.After) * time.Millisecond
		}
		d += 50 * time.Millisecond
	}
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		select {
		case err := <-errs:
			return err
		default:
		}
		l.replicas()
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// replicas starts what is missing.
func (l *life) replicas() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.programs); i < l.s.Programs; i++ {
		l.programs = append(l.programs, nil)
	}
	for i, c := range l.programs {
		if c == nil || !c.running() {
			n := start(l.t, l.f, l.dsn, "replica")
			l.programs[i] = n
			l.all = append(l.all, n)
		}
	}
}

// rollback may meet a migration that has not begun: then there is nothing to take back yet.
func (l *life) rollback() error {
	for try, cut := 0, 0; ; try++ {
		report, err := expand.Rollback(context.Background(), l.db, migrationFile, expand.RollbackConfig{Force: "the test wants it", Logger: slog.New(slog.NewTextHandler(&l.log, nil))})
		switch {
		case err == nil:
			l.rollbacks++
			if report.Took > 45*time.Second {
				return fmt.Errorf("the rollback took %s", report.Took)
			}
			return nil
		case errors.Is(err, expand.ErrUnknown) && try < 2000:
			l.replicas()
			time.Sleep(5 * time.Millisecond)
		case cut < 20 && l.transient(err): // our own connection was cut
			cut++
		default:
			return fmt.Errorf("rollback: %w", err)
		}
	}
}

// verified lets the life finish undisturbed: running again is the way on (I7).
func (l *life) verified() error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		state, err := l.state()
		if err != nil && !errors.Is(err, sql.ErrNoRows) && !l.transient(err) {
			return err
		}
		if state == "verified" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after two minutes undisturbed it is %q, want verified", state)
		}
		l.replicas()
		time.Sleep(10 * time.Millisecond)
	}
}

// contract runs a half, killing its program in the middle once.
func (l *life) contract(half string) error {
	var err error
	for try := range 10 {
		c := start(l.t, l.f, l.dsn, "contract", doVar+"="+half)
		l.mu.Lock()
		l.all = append(l.all, c)
		l.mu.Unlock()
		if try == 0 && l.s.Seed%2 == 0 {
			time.Sleep(time.Duration(l.s.Seed%80) * time.Millisecond)
			c.kill()
			l.kills++
			continue
		}
		<-c.ended
		var state string
		if state, err = l.state(); err == nil && (state == "dropped" || state == "hidden" && half == "hide") {
			return nil
		}
		err = errors.Join(err, c.err, fmt.Errorf("state is %q", state))
	}
	return fmt.Errorf("contract, %s: %w", half, err)
}

// state is where the migration stands.
func (l *life) state() (state string, err error) {
	return state, l.db.QueryRow(fmt.Sprintf("SELECT state FROM %s WHERE name = %s", l.f.state("migration"), l.f.literal(migrationFile))).Scan(&state)
}

// transient errors are those that a client has to expect under faults.
func (l *life) transient(err error) bool { return err != nil && l.f.tolerated(err) != "" }

func (l *life) killAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.all {
		if c.running() {
			c.kill()
		}
	}
}
