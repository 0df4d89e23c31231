package contract

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/runner"
)

func renameTo(from, to string) plan.Change {
	return plan.RenameColumn{Schema: "public", Table: "users", From: from, To: to}
}

func drop(column string) plan.Change { return plan.DropColumn{Table: "users", Column: column} }

// When everything is met it says yes: it hides, and after a second soak drops.
func TestHideThenDrop(t *testing.T) {
	t.Parallel()
	l := verified(t)
	reports := l.run(Config{Migration: name}, "hidden")
	if len(reports) != 1 || len(reports[0].Done) != 1 || !strings.Contains(reports[0].Done[0], "hide column email") || reports[0].Next != "drop" {
		t.Errorf("%+v", reports)
	}
	l.refused(Config{}, name, "soak")
	l.exec(`INSERT INTO users (id, email_address) VALUES (100, 'while hidden')`)
	if got := l.text(`SELECT "email~hidden" FROM users WHERE id = 100`); got != "while hidden" {
		t.Errorf("hidden, the old side holds %q: the way back would lose it", got)
	}
	l.pass(2 * soak)
	reports = l.run(Config{Migration: name}, "dropped")
	if !strings.Contains(strings.Join(reports[0].Done, " "), "drop email~hidden") {
		t.Errorf("%+v", reports)
	}
	const want = "id|n|email_address users_email:CREATE UNIQUE INDEX users_email ON public.users USING btree (email_address)|users_pkey:CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)"
	if got := l.text(`SELECT (SELECT string_agg(attname, '|' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped) || ' ' ||
		(SELECT string_agg(indexname || ':' || indexdef, '|' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'users')`); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := l.text(`SELECT count(*) FROM users WHERE email_address IS NOT NULL`); got != "51" {
		t.Errorf("%s rows", got)
	}
	if got := l.text(`SELECT count(*) FROM pg_trigger WHERE tgname = '~phased_sync'`); got != "0" {
		t.Errorf("%s triggers are left", got)
	}
	if reports, err := Run(t.Context(), l.db, Config{Migration: name}); err != nil || reports[0].State != "dropped" || reports[0].Next != "" {
		t.Errorf("once more: %+v, %v", reports, err)
	}
	if reports, err := Check(t.Context(), l.db, Config{}); err != nil || len(reports) != 0 {
		t.Errorf("nothing is left, and yet: %+v, %v", reports, err)
	}
}

// Changes without pairs: their gates are the same, without sync and backfill.
func TestHideThenDropWithoutPairs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change plan.Change
		gate   string
		harm   string
		undo   string
		after  string // a query that gives true
	}{
		{drop("n"), "dependents", `CREATE VIEW w AS SELECT n FROM users`, `DROP VIEW w`,
			`SELECT NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname LIKE 'n%')`},
		{plan.RenameTable{From: "users", To: "people"}, "dependents", `CREATE VIEW w AS SELECT n FROM people`, `DROP VIEW w`,
			`SELECT relkind = 'r' AND to_regclass('users') IS NULL FROM pg_class WHERE oid = 'people'::regclass`},
	} {
		t.Run(string(tt.change.Kind()), func(t *testing.T) {
			t.Parallel()
			l := begin(t)
			l.verify(name, tt.change)
			l.register("new", "billing", name)
			l.exec(`CREATE EXTENSION pg_stat_statements`)
			l.watch()
			l.exec(tt.harm)
			l.refused(Config{}, name, tt.gate)
			l.exec(tt.undo)
			l.exec(`SELECT n FROM users`)
			l.refused(Config{}, name, "reads")
			l.pass(2 * soak)
			l.run(Config{}, "hidden")
			l.refused(Config{}, name, "soak")
			l.pass(2 * soak)
			l.run(Config{}, "dropped")
			if l.text(tt.after) != "true" {
				t.Error("the end is not what was meant")
			}
		})
	}
}

// A table's name does not go while another migration in flight goes by it.
func TestRenamedTableWaitsForOthers(t *testing.T) {
	t.Parallel()
	l := begin(t)
	l.verify("0001_drop_n", drop("n"))
	l.verify("0002_rename_users", plan.RenameTable{From: "users", To: "people"})
	l.register("new", "billing", "0001_drop_n", "0002_rename_users")
	l.watch()
	l.refused(Config{}, "0002_rename_users", "order")
}

func TestAssumeGone(t *testing.T) {
	t.Parallel()
	l := begin(t)
	l.verify(name, renameEmail())
	l.register("old", "billing")
	l.exec(`CREATE VIEW v AS SELECT email FROM users`)
	cfg := Config{AssumeGone: "the billing job was switched off by hand", Half: HalfHide, Apps: []string{}}
	r := l.refused(cfg, name, "dependents")
	skipped := 0
	for _, g := range r.Gates {
		if g.Skipped {
			skipped++
			if !strings.Contains(g.Sentence, "switched off by hand") {
				t.Errorf("%+v", g)
			}
		}
	}
	if skipped != 5 {
		t.Errorf("%d gates are skipped to hide: %s", skipped, r)
	}
	l.exec(`DROP VIEW v`)
	for _, harm := range []struct{ gate, do, undo string }{
		{"sync", `ALTER TABLE users DISABLE TRIGGER "~phased_sync"`, `ALTER TABLE users ENABLE ALWAYS TRIGGER "~phased_sync"`},
		{"valid", `ALTER TABLE users ADD CONSTRAINT c CHECK (email_address <> '') NOT VALID`, `ALTER TABLE users DROP CONSTRAINT c`},
		{"backfill", `UPDATE phased.fill SET state = 'walked'`, `UPDATE phased.fill SET state = 'complete'`},
		{"verification", `ALTER TABLE users DISABLE TRIGGER "~phased_sync"; UPDATE users SET email = 'x' WHERE id = 1; ALTER TABLE users ENABLE ALWAYS TRIGGER "~phased_sync"`, `UPDATE users SET n = 0`},
		{"prepared", `BEGIN; SELECT FROM users; PREPARE TRANSACTION '` + l.scratch.Name + `'`, `ROLLBACK PREPARED '` + l.scratch.Name + `'`},
		{"paused", `UPDATE phased.migration SET paused = true`, `UPDATE phased.migration SET paused = false`},
	} {
		l.exec(harm.do)
		l.refused(cfg, name, harm.gate)
		l.exec(harm.undo)
	}
	l.run(cfg, "hidden")
	cfg.Half = HalfBoth
	l.run(cfg, "dropped")
	if got := l.text(`SELECT string_agg(what, ' ' ORDER BY id) FROM phased.event WHERE detail LIKE '%assumed gone: the billing job was switched off by hand%'`); got != "hidden dropping dropped" {
		t.Errorf("recorded is %q", got)
	}
}

// With both halves asked for, what is assumed gone is dropped in one pass.
func TestAssumeGoneBothHalves(t *testing.T) {
	t.Parallel()
	l := begin(t)
	l.verify(name, renameEmail())
	reports := l.run(Config{AssumeGone: "never deployed", Migration: name}, "dropped")
	if len(reports[0].Done) != 2 {
		t.Errorf("%+v", reports)
	}
}

func TestHalves(t *testing.T) {
	t.Parallel()
	l := verified(t)
	l.refused(Config{Half: HalfDrop}, name, "state")
	l.run(Config{Half: HalfHide}, "hidden")
	l.pass(2 * soak)
	l.run(Config{Half: HalfHide, Migration: name}, "hidden")
	l.run(Config{Half: HalfDrop, Migration: name}, "dropped")
}

// The dry run changes nothing, and can be done by a session that may not write.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	l := verified(t)
	l.exec(`CREATE EXTENSION pg_stat_statements`, `UPDATE users SET email = 'x' WHERE id = 1`, `SELECT email FROM users`)
	before := l.dump()
	dsn := l.scratch.Direct() // no pooler passes the parameter on
	ro, err := sql.Open("pgx", dsn+map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")]+"default_transaction_read_only=on")
	l.must(err)
	defer ro.Close()
	for range 2 {
		reports, err := Check(t.Context(), ro, config(Config{}))
		l.must(err)
		if got := names(reports[0].Shut()); strings.Join(got, " ") != "writes reads" {
			t.Errorf("shut: %q", got)
		}
	}
	if after := l.dump(); after != before {
		t.Errorf("the dry run changed something:\n%s\n%s", before, after)
	}
}

// dump is everything that phased keeps, and the catalog of everything else.
func (l *life) dump() string {
	l.Helper()
	var b strings.Builder
	for _, table := range strings.Fields(l.text(`SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'phased'::regnamespace AND relkind = 'r'`)) {
		fmt.Fprintf(&b, "%s: %s\n", table, l.text(`SELECT string_agg(t::text, E'\n' ORDER BY t::text) FROM phased.`+table+` t`))
	}
	for _, catalog := range []string{"pg_class", "pg_attribute", "pg_trigger", "pg_proc", "pg_constraint", "pg_index", "pg_rewrite"} {
		volatile := ""
		if catalog == "pg_class" { // what ANALYZE writes
			volatile = "WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)"
		}
		columns := "t.xmin::text || t.oid"
		switch catalog {
		case "pg_attribute":
			columns = "t.xmin::text || t.attrelid || '.' || t.attnum"
		case "pg_index":
			columns = "t.xmin::text || t.indexrelid"
		case "pg_class":
			columns = "t.relname || t.relkind::text || t.relfilenode || t.relnatts || t.relhasindex || t.relhastriggers"
		}
		fmt.Fprintf(&b, "%s: %s\n", catalog, l.text(`SELECT md5(string_agg(`+columns+`, ',' ORDER BY `+columns+`)) FROM `+catalog+` t `+volatile))
	}
	return b.String()
}

// An old build that starts at the same instant: either it is refused or hiding is.
// Never do both go through, also where the role's default is an older snapshot.
func TestRegisterRacesWithHide(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"read committed", "repeatable read"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			l := verified(t)
			l.exec(`ALTER DATABASE ` + l.scratch.Name + ` SET default_transaction_isolation = '` + isolation + `'`)
			l.db.SetMaxIdleConns(0) // sessions with the new default
			_, err := l.db.Exec(`SELECT 1`)
			l.must(err)
			l.db.SetMaxIdleConns(4)
			p, err := l.eng.Plan(t.Context(), name)
			l.must(err)
			registered, hid := 0, 0
			for range 60 {
				var wg sync.WaitGroup
				var started, refused error
				wg.Add(2)
				go func() {
					defer wg.Done()
					time.Sleep(rand.N(60 * time.Millisecond))
					started = l.eng.Register(t.Context(), engine.Instance{ID: "old", App: "billing", Version: "v1", Host: "h", PID: 1, Lifetime: time.Minute})
				}()
				go func() {
					defer wg.Done()
					_, refused = Run(t.Context(), l.db, config(Config{Migration: name, Half: HalfHide}))
				}()
				wg.Wait()
				state := l.state(name)
				var contracted *engine.Contracted
				if started != nil && !errors.As(started, &contracted) {
					t.Fatal(started)
				}
				if refused != nil && !errors.Is(refused, ErrNotMet) {
					t.Fatal(refused)
				}
				switch {
				case started == nil && state == "hidden":
					t.Fatal("an old build runs and its column is hidden")
				case started != nil && state != "hidden", (refused == nil) != (state == "hidden"):
					t.Fatalf("state %s, register: %v, run: %v", state, started, refused)
				case started == nil:
					registered++
				default:
					hid++
				}
				l.exec(`DELETE FROM phased.instance WHERE id = 'old'`)
				if state == "hidden" {
					l.show(p)
				}
			}
			t.Logf("registered %d times, hid %d times", registered, hid)
		})
	}
}

// Whoever holds the register's row makes the other one wait, and look afterwards.
func TestRegisterAndHideWaitForEachOther(t *testing.T) {
	t.Parallel()
	l := verified(t)
	guard := strings.Join(l.eng.RegisterGuard(name, soak), ";\n")
	old := engine.Instance{ID: "old", App: "billing", Version: "v1", Host: "h", PID: 1, Lifetime: time.Minute}
	// between runs what waits while a transaction is open, and gives its error.
	between := func(open string, what func() error) error {
		t.Helper()
		tx, err := l.db.Begin()
		l.must(err)
		defer tx.Rollback()
		_, err = tx.Exec(open)
		l.must(err)
		ended := make(chan error, 1)
		go func() { ended <- what() }()
		for l.text(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == "0" {
			select {
			case err := <-ended:
				t.Fatalf("it did not wait: %v", err)
			default:
			}
		}
		l.must(tx.Commit())
		return <-ended
	}
	err := between("SELECT FROM phased.register FOR SHARE; INSERT INTO phased.instance (id, app, version, host, pid, lines, lifetime) VALUES ('late', 'billing', 'v1', 'h', 1, '{}', '1 min')", func() error {
		_, err := l.db.Exec(guard)
		return err
	})
	if said, refused := l.eng.GuardRefused(err); !refused || !strings.Contains(said, "billing v1 on h") {
		t.Errorf("hiding beside an old instance: %v", err)
	}
	l.exec(`DELETE FROM phased.instance WHERE id = 'late'`)
	err = between(guard+"; UPDATE phased.migration SET state = 'hidden'", func() error { return l.eng.Register(t.Context(), old) })
	var contracted *engine.Contracted
	if !errors.As(err, &contracted) {
		t.Errorf("an old instance beside hiding: %v", err)
	}
}

// show takes the hiding back.
func (l *life) show(p *plan.Plan) {
	l.Helper()
	l.hold(func(ctx context.Context, lease *runner.Lease) error {
		for n, s := range p.Steps {
			if s.Phase == plan.PhaseUndo && s.Sync != nil && s.Sync.Show != "" {
				return l.eng.Run(ctx, engine.StepRun{Token: lease.Token(), Migration: p.Migration.Name, N: n, Step: s, State: engine.StateVerified})
			}
		}
		return errors.New("no step that shows")
	})
	l.exec(`UPDATE phased.step SET done = false WHERE phase IN ('hide', 'undo')`)
}

// The guard has the last word, also where an instance comes after every gate was asked.
func TestGuardIsAskedInTheTransaction(t *testing.T) {
	t.Parallel()
	l := verified(t)
	c, err := open(t.Context(), l.db, config(Config{}))
	l.must(err)
	c.eng = late{c.eng, l}
	reports, err := c.run(t.Context())
	l.must(err)
	if got := names(reports[0].Shut()); len(got) != 1 || got[0] != "register" || !strings.Contains(reports[0].String(), "at the last moment: ") {
		t.Errorf("%s", reports[0])
	}
	if s := l.state(name); s != "verified" {
		t.Errorf("state %s", s)
	}
}

// late registers an old instance after the gates were asked for the last time.
type late struct {
	engine.Engine
	l *life
}

func (e late) RegisterGuard(migration string, soak time.Duration) []string {
	e.l.register("old", "billing")
	return e.Engine.RegisterGuard(migration, soak)
}

// Ages come from the database: a client whose clock is wrong by a day in either
// direction, so that every absolute time looks shifted, gets the same answers.
func TestClientClockDoesNotMatter(t *testing.T) {
	t.Parallel()
	l := hidden(t)
	l.exec(`UPDATE phased.migration SET hidden_at = clock_timestamp() - interval '30 min'`)
	for _, wrong := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		c, err := open(t.Context(), l.db, config(Config{}))
		l.must(err)
		c.eng = shifted{c.eng, wrong}
		reports, err := c.run(t.Context())
		l.must(err)
		if got := names(reports[0].Shut()); strings.Join(got, " ") != "soak verification" {
			t.Errorf("wrong by %s: shut are %q", wrong, got)
		}
	}
}

type shifted struct {
	engine.Engine
	by time.Duration
}

func (e shifted) Overview(ctx context.Context) (*engine.Overview, error) {
	ov, err := e.Engine.Overview(ctx)
	if err == nil {
		for i := range ov.Migrations {
			ov.Migrations[i].HiddenAt = ov.Migrations[i].HiddenAt.Add(e.by)
			ov.Migrations[i].StateAt = ov.Migrations[i].StateAt.Add(e.by)
		}
	}
	return ov, err
}

func (e shifted) Instances(ctx context.Context) ([]engine.Instance, error) {
	list, err := e.Engine.Instances(ctx)
	for i := range list {
		list[i].Started = list[i].Started.Add(e.by)
	}
	return list, err
}

// A drop that was interrupted is finished by the next run, whatever the gates say by then.
func TestInterruptedDropIsFinished(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"marked", "dropped but not recorded"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			l := hidden(t)
			p, err := l.eng.Plan(t.Context(), name)
			l.must(err)
			l.hold(func(ctx context.Context, lease *runner.Lease) error {
				if err := l.eng.Mark(ctx, lease.Token(), name, engine.StateDropping, ""); err != nil {
					return err
				}
				if at == "marked" {
					return nil
				}
				return lease.Phase(ctx, p, plan.PhaseDrop, runner.PhaseOptions{})
			})
			l.exec(`UPDATE phased.instance SET seen_at = '-infinity'`)
			l.exec(`UPDATE phased.migration SET paused = true`)
			l.refused(Config{}, name, "paused")
			l.exec(`UPDATE phased.migration SET paused = false`)
			l.run(Config{}, "dropped")
		})
	}
}

// An interrupted hide is finished too: its gates are asked again.
func TestInterruptedHideIsFinished(t *testing.T) {
	t.Parallel()
	l := begin(t)
	l.exec(`CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 1)`)
	p := l.verify(name, renameEmail(), plan.RenameColumn{Table: "orders", From: "total", To: "sum"})
	l.register("new", "billing", name)
	l.watch()
	l.hold(func(ctx context.Context, lease *runner.Lease) error {
		for n, s := range p.Steps {
			if s.Phase == plan.PhaseHide {
				return l.eng.Run(ctx, engine.StepRun{Token: lease.Token(), Migration: name, N: n, Step: s})
			}
		}
		return nil
	})
	if s := l.state(name); s != "verified" {
		t.Fatal(s)
	}
	reports := l.run(Config{}, "hidden")
	if len(reports[0].Done) != 2 {
		t.Errorf("%+v", reports)
	}
	l.pass(2 * soak)
	l.run(Config{}, "dropped")
}

// Many contractors at once: one does it, the others find it done.
func TestManyRunAtOnce(t *testing.T) {
	t.Parallel()
	l := verified(t)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		wg.Go(func() {
			_, err := Run(t.Context(), l.db, config(Config{}))
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if got := l.text(`SELECT count(*) FROM phased.event WHERE what = 'hidden'`); got != "1" || l.state(name) != "hidden" {
		t.Errorf("hidden %s times", got)
	}
}

func TestWorkUntilDone(t *testing.T) {
	t.Parallel()
	l := verified(t)
	ctx, cancel := context.WithCancel(t.Context())
	contracted, ended := make(signal, 8), make(chan error, 1)
	go func() {
		ended <- Work(ctx, l.db, config(Config{Poll: 5 * time.Millisecond, Logger: slog.New(contracted)}))
	}()
	for _, want := range []string{"hidden", "dropped"} {
		if got := <-contracted; got != want || l.state(name) != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		l.pass(2 * soak)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("%v", err)
	}
}

// signal is a log handler that passes on the state of what was contracted, and warnings.
type signal chan string

func (s signal) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (s signal) WithAttrs([]slog.Attr) slog.Handler               { return s }
func (s signal) WithGroup(string) slog.Handler                    { return s }
func (s signal) Handle(_ context.Context, r slog.Record) error {
	switch {
	case r.Message == "contracted":
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "state" {
				s <- a.Value.String()
			}
			return true
		})
	case r.Level >= slog.LevelWarn:
		s <- r.Message
	}
	return nil
}

func TestConfig(t *testing.T) {
	t.Parallel()
	l := begin(t)
	for want, cfg := range map[string]Config{
		"must not be negative": {Soak: -1}, "keeps instances": {Soak: 31 * 24 * time.Hour}, "Config.Half": {Half: "x"},
		"Config.Lease": {Lease: time.Millisecond}, "Config.LockTimeout": {LockRetry: -1}, "Config.Poll": {Poll: -1},
	} {
		for _, err := range []error{second(Check(t.Context(), l.db, cfg)), second(Run(t.Context(), l.db, cfg)), Work(t.Context(), l.db, cfg)} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v", cfg, err)
			}
		}
	}
	if _, err := Run(t.Context(), l.db, Config{Migration: "0009"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	l.exec(`DROP SCHEMA phased CASCADE`)
	if reports, err := Check(t.Context(), l.db, Config{}); err != nil || len(reports) != 0 {
		t.Errorf("without state: %v, %v", reports, err)
	}
}

func second[T any](_ T, err error) error { return err }
