package lifetest

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
)

// seeds is how many lives are tried: few in every run of the tests, many in `make soak`.
func seeds(t *testing.T, few int) int {
	n, err := strconv.Atoi(os.Getenv("PHASED_SOAK_SEEDS"))
	if err != nil {
		return few
	}
	t.Logf("%d seeds", n)
	return n
}

// TestRandomLife draws scenarios and lives through them: I1, I2, I6 and I7 hold.
// A failure prints the shrunk scenario; -rapid.seed repeats the draw.
func TestRandomLife(t *testing.T) {
	for name, value := range map[string]string{"rapid.checks": strconv.Itoa(seeds(t, 8)), "rapid.shrinktime": "20s"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	var lives, kills, rollbacks int
	total := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		l := &life{t: t, s: s}
		lives++
		begin := time.Now()
		err := l.run()
		if os.Getenv("PHASED_SOAK_SEEDS") != "" {
			fmt.Fprintf(os.Stderr, "life %d: %s, %d faults, rollback %t: %v\n", lives, time.Since(begin).Round(time.Millisecond), len(s.Faults), s.Rollback > 0, err)
		}
		if err != nil {
			if os.Getenv("PHASED_SOAK_SEEDS") != "" {
				fmt.Fprintf(os.Stderr, "%+v\n%s\n", s, l.said())
			}
			rt.Fatalf("%v\nscenario: %+v\nprograms said:\n%s", err, s, l.said())
		}
		kills += l.kills
		rollbacks += l.rollbacks
		for _, w := range l.writers {
			for k, n := range w.counts {
				total[k] += n
			}
		}
	})
	t.Logf("%d lives, %d programs killed or stopped, %d rollbacks; transactions: %v", lives, kills, rollbacks, total)
}

// life is one scenario at work.
type life struct {
	t       *testing.T
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

// textsFunction shows the columns under test as text, under whatever names they have.
const textsFunction = `CREATE FUNCTION texts(i items, names text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE c text; v text; out jsonb := '{}';
BEGIN
  FOREACH c IN ARRAY names LOOP
    IF to_jsonb(i) ? c THEN
      EXECUTE format('SELECT ($1).%I::text', c) INTO v USING i;
      out := out || jsonb_build_object(c, v);
    END IF;
  END LOOP;
  RETURN out;
END $$`

func (l *life) run() (err error) {
	server, err := scratch.Shared(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	base, err := server.CreateDatabase(context.Background())
	if err != nil {
		return err
	}
	defer func() {
		l.killAll()
		err = errors.Join(err, base.Drop(context.Background()))
	}()
	l.dsn = base.DSN
	if l.db, err = open(l.dsn + "&timezone=UTC"); err != nil {
		return err
	}
	defer l.db.Close()
	for _, stmt := range append(l.s.Shape.ddl(), l.s.fill(), textsFunction) {
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
		w := newWriter(l.s, id, l.db, &l.oldGone)
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
			n := start(l.t, l.dsn, "replica")
			l.programs[i] = n
			l.all = append(l.all, n)
		}
	}
}

// faults happen one after the other.
func (l *life) faults() error {
	for _, f := range l.s.Faults {
		time.Sleep(time.Duration(f.After) * time.Millisecond)
		l.mu.Lock()
		var c *child
		if len(l.programs) > 0 {
			c = l.programs[f.Which%len(l.programs)]
		}
		l.mu.Unlock()
		switch {
		case c == nil:
		case f.What == "kill":
			c.kill()
			l.kills++
		case f.What == "stop": // paused for longer than its lease, then it comes back late
			c.signal(syscall.SIGSTOP)
			l.kills++
			time.Sleep(1300 * time.Millisecond)
			c.signal(syscall.SIGCONT)
		}
		if f.What == "cut" {
			// One connection, whosever it is.
			if _, err := l.db.Exec(`SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY md5(pid::text || $1) LIMIT 1) p`, fmt.Sprint(f.Which)); err != nil {
				continue // it may have been ours
			}
		}
	}
	return nil
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
		case cut < 20 && transient(err): // our own connection was cut
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
		var state string
		if err := l.db.QueryRow("SELECT state FROM phased.migration WHERE name = $1", migrationFile).Scan(&state); err != nil && !errors.Is(err, sql.ErrNoRows) && !transient(err) {
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
		c := start(l.t, l.dsn, "contract", doVar+"="+half)
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
		if err = l.db.QueryRow("SELECT state FROM phased.migration WHERE name = $1", migrationFile).Scan(&state); err == nil && (state == "dropped" || state == "hidden" && half == "hide") {
			return nil
		}
		err = errors.Join(err, c.err, fmt.Errorf("state is %q", state))
	}
	return fmt.Errorf("contract, %s: %w", half, err)
}

func transient(err error) bool {
	var w writer
	w.counts = map[string]int{}
	return err != nil && w.tolerate(err) == nil
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
