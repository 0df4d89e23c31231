package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

const users = `CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, n int NOT NULL DEFAULT 0);
	INSERT INTO users SELECT i, 'user' || i FROM generate_series(1, 1000) i`

func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users+"; CREATE UNIQUE INDEX ON users (email)")
	f.expand("0001", rename("users", "email", "email_address"))
	cfg := f.config()
	var last backfill.Progress
	cfg.OnProgress = func(p backfill.Progress) { last = p }
	r := f.run(cfg)
	f.verified("0001")
	if r.Rows != 1000 || r.Filled != 1000 || r.Chunks < 20 || !slices.Equal(r.Verified, []string{"0001"}) {
		t.Errorf("report: %+v", r)
	}
	if last.State != backfill.StateComplete || last.Part() != 1 || last.Filled != 1000 {
		t.Errorf("last progress: %s", last)
	}
	if ask[bool](f, "SELECT bool_or(NOT done) FROM phased.step WHERE phase = 'finish'") {
		t.Error("the finish phase is not done")
	}
	if n := ask[int](f, "SELECT count(*) FROM pg_index WHERE indrelid = 'app.users'::regclass AND indisunique AND indisvalid"); n != 3 {
		t.Errorf("%d unique indexes, want that of the new column beside the key's and the old one's", n)
	}
	if r := f.run(cfg); r.Rows != 0 || r.Filled != 0 || r.Chunks != 0 || len(r.Verified) != 0 {
		t.Errorf("run again: %+v", r)
	}
}

func TestRunWithoutState(t *testing.T) {
	t.Parallel()
	d := scratch.Postgres(t)
	if r, err := backfill.Run(t.Context(), d.DB, backfill.Config{}); err != nil || r.Rows != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if p, err := backfill.Status(t.Context(), d.DB); err != nil || len(p) != 0 {
		t.Errorf("%v, %v", p, err)
	}
}

func TestOnlyOneMigration(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users+"; CREATE TABLE other (id int PRIMARY KEY, old text); INSERT INTO other VALUES (1, 'x')")
	f.expand("0001", rename("users", "email", "email_address"))
	f.expand("0002", rename("other", "old", "renamed"))
	cfg := f.config()
	cfg.Migration = "0002"
	if r := f.run(cfg); r.Rows != 1 {
		t.Errorf("report: %+v", r)
	}
	f.verified("0002")
	if s := ask[string](f, "SELECT state FROM phased.migration WHERE name = '0001'"); s != "expanded" {
		t.Errorf("0001 is %s", s)
	}
}

// Two fills of one migration, an empty table, a partitioned one, and several
// migrations on one table.
func TestManyFills(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users+`; CREATE TABLE empty (id int PRIMARY KEY, old text);
		CREATE TABLE parts (id int PRIMARY KEY, old text) PARTITION BY RANGE (id);
		CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (100); CREATE TABLE parts2 PARTITION OF parts DEFAULT;
		INSERT INTO parts SELECT i, 'p' || i FROM generate_series(1, 300) i`)
	f.expand("0001", rename("users", "email", "mail"), rename("parts", "old", "renamed"))
	f.expand("0002", rename("empty", "old", "renamed"))
	f.expand("0003", rename("users", "n", "count"))
	r := f.run(f.config())
	for _, m := range []string{"0001", "0002", "0003"} {
		f.verified(m)
	}
	if r.Rows != 2300 || len(r.Verified) != 3 {
		t.Errorf("report: %+v", r)
	}
}

// Workers race for the same fills: each row is filled once.
func TestWorkersRace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	var wg sync.WaitGroup
	var filled, rows, verified atomic.Int64
	for range 6 {
		wg.Go(func() {
			r, err := backfill.Run(t.Context(), f.db, f.config())
			if err != nil {
				t.Error(err)
			}
			filled.Add(r.Filled)
			rows.Add(r.Rows)
			verified.Add(int64(len(r.Verified)))
		})
	}
	wg.Wait()
	f.verified("0001")
	if filled.Load() != 1000 || rows.Load() != 1000 || verified.Load() != 1 {
		t.Errorf("together: %d rows visited, %d filled, verified %d times; want 1000, 1000, 1", rows.Load(), filled.Load(), verified.Load())
	}
}

// A worker that stops is replaced when its claim has run out, and does no harm
// when it comes back.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	stopped, cfg := newGate(3), f.config()
	cfg.Throttles = []backfill.Throttle{backfill.ThrottleFunc(func(context.Context) error { return stopped.Wait(context.Background()) })}
	var first backfill.Report
	done := make(chan error, 1)
	go func() {
		var err error
		first, err = backfill.Run(t.Context(), f.db, cfg)
		done <- err
	}()
	<-stopped.reached
	// As if the process had been stopped for longer than its claim lasts, its renewals with it.
	f.exec("UPDATE phased.fill SET worker = 'somebody', token = token + 1, lease_until = clock_timestamp() - interval '1 second'")
	second := f.run(f.config())
	f.verified("0001")
	close(stopped.open)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if first.Filled != 150 || second.Filled != 850 {
		t.Errorf("the first filled %d rows, the second %d; want 150 and 850", first.Filled, second.Filled)
	}
	if n := ask[int](f, "SELECT seen FROM phased.fill"); n != 1000 {
		t.Errorf("%d rows seen", n)
	}
}

// Connections end in the middle of the walk, again and again; the walk goes on
// where the cursor is.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	cfg := f.config()
	chunks := 0
	cfg.Throttles = []backfill.Throttle{backfill.ThrottleFunc(func(ctx context.Context) error {
		if chunks++; chunks%5 == 0 {
			_, err := f.db.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
			return err
		}
		return nil
	})}
	r := f.run(cfg)
	f.verified("0001")
	if r.Filled != 1000 {
		t.Errorf("report: %+v", r)
	}
}

// What is out of step at the end of a walk under writers that move rows to
// other keys, and change everything but the column that is renamed: nothing.
func TestWritersBesideTheWalk(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var writes atomic.Int64
	for i, statement := range []string{
		"UPDATE app.users SET id = -id WHERE id = %d", // behind the walk, or back in front of it
		"UPDATE app.users SET id = id + 100000 WHERE id = %d",
		"UPDATE app.users SET n = n + 1 WHERE id = %d",
		"UPDATE app.users SET email = email || '!' WHERE id = %d",
		"UPDATE app.users SET email_address = email_address || '?' WHERE id = %d AND email_address IS NOT NULL",
		"INSERT INTO app.users (id, email) VALUES (%d + 5000, 'new') ON CONFLICT DO NOTHING",
		"DELETE FROM app.users WHERE id = %d + 5000",
	} {
		wg.Go(func() {
			for k := i; ctx.Err() == nil; k = (k*31 + 17) % 1009 {
				if _, err := f.db.ExecContext(ctx, fmt.Sprintf(statement, k)); err != nil && ctx.Err() == nil {
					t.Errorf("a writer's statement failed: %v", err)
					return
				}
				writes.Add(1)
			}
		})
	}
	cfg := f.config()
	cfg.MaxRows = 7
	f.run(cfg)
	cancel()
	wg.Wait()
	f.verified("0001")
	if p := ask[int](f, "SELECT pass FROM phased.fill"); p != 1 {
		t.Errorf("pass %d: the walk alone did not reach every row", p)
	}
	if writes.Load() == 0 {
		t.Error("nobody wrote")
	}
}

func TestPoisonRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE items (id int PRIMARY KEY, price text);
		INSERT INTO items SELECT i, i::text FROM generate_series(1, 300) i; CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users VALUES (1, 'a')`)
	f.expand("0001", plan.RenameColumn{Schema: "app", Table: "items", From: "price", To: "cents", Up: "(100 / nullif(price, '')::int)::text", Down: "(100 / cents::int)::text"})
	f.expand("0002", rename("users", "email", "mail"))
	f.exec(`ALTER TABLE app.items DISABLE TRIGGER USER; UPDATE app.items SET price = 'x' WHERE id IN (123, 124, 300); ALTER TABLE app.items ENABLE ALWAYS TRIGGER "~phased_sync"`)

	var told backfill.Progress
	cfg := f.config()
	cfg.OnProgress = func(p backfill.Progress) {
		if p.Poison > 0 && p.PoisonKey != nil {
			told = p
		}
	}
	r, err := backfill.Run(t.Context(), f.db, cfg)
	var poison *backfill.PoisonError
	if !errors.As(err, &poison) {
		t.Fatalf("run: %v, want *PoisonError", err)
	}
	if poison.Rows != 3 || !slices.Equal(poison.Key, []string{"123"}) || !strings.Contains(poison.Cause, "invalid input syntax") || poison.Table != "app.items" || poison.Column != "cents" {
		t.Errorf("poison: %+v", poison)
	}
	if !slices.Equal(told.PoisonKey, []string{"300"}) {
		t.Errorf("told: %s", told)
	}
	if r.Rows != 301 || r.Filled != 298 {
		t.Errorf("report: %+v", r)
	}
	f.verified("0002") // it is not kept from others
	if got := ask[string](f, "SELECT string_agg(key::text, ' ' ORDER BY key[1]::int) FROM phased.poison"); got != "{123} {124} {300}" {
		t.Errorf("poison rows %s", got)
	}
	if n := ask[int](f, "SELECT count(*) FROM app.items WHERE cents IS NULL"); n != 3 {
		t.Errorf("%d rows are not filled, want the poison ones", n)
	}
	p, err := backfill.Status(t.Context(), f.db)
	if err != nil || len(p) != 2 {
		t.Fatalf("%v, %v", p, err)
	}
	if s := p[0].String(); p[0].State != backfill.StatePoisoned || !strings.Contains(s, "3 rows cannot be written, first (123): ") {
		t.Errorf("status: %s", s)
	}
	if s := ask[string](f, "SELECT state FROM phased.migration WHERE name = '0001'"); s != "backfilling" {
		t.Errorf("migration is %s", s)
	}

	f.exec("UPDATE app.items SET price = '7' WHERE id = 123; DELETE FROM app.items WHERE id = 124")
	if _, err := backfill.Run(t.Context(), f.db, f.config()); !errors.As(err, &poison) || poison.Rows != 1 || !slices.Equal(poison.Key, []string{"300"}) {
		t.Errorf("run with one of them left: %v", err)
	}
	f.exec("UPDATE app.items SET price = '8' WHERE id = 300")
	f.run(f.config())
	f.verified("0001")
	if p, _ := backfill.Status(t.Context(), f.db); len(p) != 2 || p[0].State != backfill.StateComplete || p[0].Reason != "" || p[0].Poison != 0 {
		t.Errorf("status: %s", p)
	}
}

// A constraint of the table that forbids what the backfill writes is the row's error too.
func TestPoisonByConstraint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	f.exec("ALTER TABLE app.users ADD CHECK (email_address <> 'user77') NOT VALID")
	var poison *backfill.PoisonError
	if _, err := backfill.Run(t.Context(), f.db, f.config()); !errors.As(err, &poison) || poison.Rows != 1 || poison.Key[0] != "77" {
		t.Fatalf("run: %v", err)
	}
	f.exec("DELETE FROM app.users WHERE id = 77")
	f.run(f.config())
	f.verified("0001")
}

// When the expression is at fault and not the rows, the walk does not go through the whole table.
func TestEveryRowPoison(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE items (id int PRIMARY KEY, price text); INSERT INTO items SELECT i, 'x' FROM generate_series(1, 3000) i`)
	f.expand("0001", rename("items", "price", "cents"))
	f.exec("ALTER TABLE app.items ADD CHECK (cents IS NULL) NOT VALID")
	cfg := f.config()
	cfg.Logger = nil
	var poison *backfill.PoisonError
	if _, err := backfill.Run(t.Context(), f.db, cfg); !errors.As(err, &poison) || poison.Rows != 1000 {
		t.Fatalf("run: %v", err)
	}
	f.exec("ALTER TABLE app.items DROP CONSTRAINT items_cents_check")
	if r := f.run(cfg); r.Rows != 2000 {
		t.Errorf("report: %+v", r)
	}
	f.verified("0001")
}

// What wrote past the sync is found by the verification, and repaired by another pass.
func TestVerificationRepairs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	cfg := f.config()
	var once sync.Once
	cfg.OnProgress = func(p backfill.Progress) {
		if p.Rows > 500 {
			once.Do(func() {
				f.exec(`ALTER TABLE app.users DISABLE TRIGGER USER; UPDATE app.users SET email = 'past' WHERE id < 4;
					ALTER TABLE app.users ENABLE ALWAYS TRIGGER "~phased_sync"`)
			})
		}
	}
	r := f.run(cfg)
	f.verified("0001")
	if p := ask[int](f, "SELECT pass FROM phased.fill"); p != 2 || r.Filled != 1003 || r.Rows != 2000 {
		t.Errorf("pass %d, report %+v", p, r)
	}
}

// A row that is locked, and a deadlock in which the chunk is the one that is
// ended, are waited out.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	// Ours is the one that finds the deadlock.
	f.exec("ALTER DATABASE " + ask[string](f, "SELECT quote_ident(current_database())") + " SET deadlock_timeout = '10ms'")
	f.db.SetMaxIdleConns(0)
	tx, err := f.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("SET LOCAL deadlock_timeout = '1h'; UPDATE app.users SET n = 1 WHERE id = 40"); err != nil {
		t.Fatal(err)
	}
	cfg := f.config()
	var report backfill.Report
	done := make(chan error, 1)
	go func() {
		var err error
		report, err = backfill.Run(t.Context(), f.db, cfg)
		done <- err
	}()
	f.until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%DO /* phased */%')")
	for id := 1; id < 40; id++ { // the chunk has locked some of these and waits for 40
		if _, err := tx.Exec(fmt.Sprintf("UPDATE app.users SET n = 1 WHERE id = %d", id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.verified("0001")
	if report.Retries == 0 {
		t.Error("nothing was tried again")
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	g, cfg := newGate(4), f.config()
	cfg.Throttles = []backfill.Throttle{g}
	done := make(chan error, 1)
	go func() {
		_, err := backfill.Run(t.Context(), f.db, cfg)
		done <- err
	}()
	<-g.reached
	if _, err := f.eng.Pause(t.Context(), "0001", true); err != nil {
		t.Fatal(err)
	}
	before := ask[int](f, "SELECT seen FROM phased.fill")
	close(g.open)
	f.until("SELECT worker = '' FROM phased.fill") // it has left
	p, err := backfill.Status(t.Context(), f.db)
	if err != nil || p[0].State != backfill.StatePaused || !strings.Contains(p[0].String(), "paused") {
		t.Errorf("status: %v, %v", p, err)
	}
	if now := ask[int](f, "SELECT seen FROM phased.fill"); now != before {
		t.Errorf("%d rows were seen after the pause, %d before", now, before)
	}
	if _, err := f.eng.Pause(t.Context(), "0001", false); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.verified("0001")
}

func TestRolledBackMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	g, cfg := newGate(4), f.config()
	cfg.Throttles = []backfill.Throttle{g}
	done := make(chan error, 1)
	go func() {
		_, err := backfill.Run(t.Context(), f.db, cfg)
		done <- err
	}()
	<-g.reached
	f.exec("UPDATE phased.fill SET state = 'cancelled', token = token + 1; UPDATE phased.migration SET state = 'rolling-back'")
	close(g.open)
	if err := <-done; err != nil {
		t.Errorf("run: %v, want a quiet end", err)
	}
	if p, err := backfill.Status(t.Context(), f.db); err != nil || p[0].State != backfill.StateCancelled {
		t.Errorf("status: %v, %v", p, err)
	}
}

func TestThrottleStops(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	cfg := f.config()
	broken := errors.New("no replica answers")
	chunks := 0
	cfg.Throttles = []backfill.Throttle{backfill.ThrottleFunc(func(context.Context) error {
		if chunks++; chunks > 3 {
			return broken
		}
		return nil
	})}
	r, err := backfill.Run(t.Context(), f.db, cfg)
	var stopped *backfill.ThrottleError
	if !errors.As(err, &stopped) || !errors.Is(err, broken) || r.Chunks != 3 {
		t.Errorf("run: %+v, %v", r, err)
	}
	p, err := backfill.Status(t.Context(), f.db)
	if err != nil || p[0].State != backfill.StateWaiting || !strings.Contains(p[0].Reason, "no replica answers") {
		t.Errorf("status: %v, %v", p, err)
	}
	cfg.Throttles = nil
	f.run(cfg)
	f.verified("0001")
	if p, _ := backfill.Status(t.Context(), f.db); p[0].Reason != "" {
		t.Errorf("the reason stays: %s", p[0])
	}
}

// A worker may die behind any of its steps; the next one goes on from there.
func TestDieAnywhere(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, `CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE); INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 120) i`)
			f.expand("0001", rename("users", "email", "email_address"))
			ctx, die := context.WithCancel(t.Context())
			defer die()
			cfg := f.config()
			events := 0
			cfg.OnProgress = func(backfill.Progress) {
				if events++; events > n {
					die()
				}
			}
			first, _ := backfill.Run(ctx, f.db, cfg)
			cfg.OnProgress = nil
			second := f.run(cfg)
			f.verified("0001")
			if first.Filled+second.Filled != 120 {
				t.Errorf("filled %d and %d rows, want 120 together", first.Filled, second.Filled)
			}
			if n := ask[int](f, "SELECT count(*) FROM phased.event WHERE what = 'verified'"); n != 1 {
				t.Errorf("verified %d times", n)
			}
		})
	}
}

// Work finds what comes later, and ends quietly with its context.
func TestWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- backfill.Work(ctx, f.db, f.config()) }()
	f.expand("0001", rename("users", "email", "email_address"))
	f.until("SELECT state = 'verified' FROM phased.migration")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("work: %v", err)
	}
	f.verified("0001")
	if err := backfill.Work(ctx, f.db, backfill.Config{Target: -1}); err == nil {
		t.Error("a bad config is taken")
	}
}

// One connection is enough, and none is left behind.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	f.db.SetMaxOpenConns(1)
	f.run(f.config())
	f.verified("0001")
	if s := f.db.Stats(); s.InUse != 0 {
		t.Errorf("%d connections in use", s.InUse)
	}
}

func TestProgressString(t *testing.T) {
	t.Parallel()
	p := backfill.Progress{Migration: "0007_rename_email", Schema: "public", Table: "users", Column: "email_address", State: backfill.StateRunning,
		Rows: 480000, Estimate: 1200000, Rate: 9000, Left: 80 * time.Second, Started: time.Now()}
	if got, want := p.String(), "0007_rename_email: public.users.email_address: running, 40 % of 1200000 rows, 9000 rows/s, 1m20s left"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p = backfill.Progress{Migration: "0007_rename_email", Table: "users", Column: "email_address", State: backfill.StateComplete, Filled: 7}
	if got, want := p.String(), "0007_rename_email: users.email_address: complete, 7 rows filled"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The claim is renewed while a throttle makes the worker wait.
func TestClaimIsRenewed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	g, cfg := newGate(2), f.config()
	cfg.Throttles = []backfill.Throttle{g}
	done := make(chan error, 1)
	go func() {
		_, err := backfill.Run(t.Context(), f.db, cfg)
		done <- err
	}()
	<-g.reached
	f.exec("CREATE TABLE app.seen AS SELECT lease_until FROM phased.fill")
	f.until("SELECT f.lease_until > s.lease_until + interval '1 second' FROM phased.fill f, app.seen s")
	close(g.open)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := ask[int](f, "SELECT token FROM phased.fill"); n != 1 {
		t.Errorf("claimed %d times", n)
	}
}
