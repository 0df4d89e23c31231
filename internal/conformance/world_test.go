package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
)

// world is a database of one family of servers.
type world struct {
	*testing.T
	dialect   plan.Dialect
	db        *sql.DB
	direct    *sql.DB // past the pooler that the tests may run behind; nil: there is none
	directDSN string
	dsn       string
	level     slog.Level
}

// each runs fn on an empty database of every family at hand. MySQL is left out where
// there is none.
func each(t *testing.T, fn func(w *world)) {
	t.Helper()
	t.Parallel()
	for _, d := range []plan.Dialect{plan.DialectPostgres, plan.DialectMariaDB, plan.DialectMySQL} {
		if d == plan.DialectMySQL && !scratch.Available(d) {
			t.Log("no MySQL at hand: left out")
			continue
		}
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			s := scratch.On(t, d)
			fn(&world{T: t, dialect: d, db: s.DB, direct: s.PastPooler(), directDSN: s.Direct(), dsn: s.DSN, level: slog.LevelWarn})
		})
	}
}

// other is another empty database of the same family.
func (w *world) other() *world {
	w.Helper()
	s := scratch.On(w.T, w.dialect)
	return &world{T: w.T, dialect: w.dialect, db: s.DB, direct: s.PastPooler(), directDSN: s.Direct(), dsn: s.DSN, level: w.level}
}

func (w *world) postgres() bool { return w.dialect == plan.DialectPostgres }

// state is the name of one of phased's own tables.
func (w *world) state(table string) string {
	if w.postgres() {
		return "phased." + table
	}
	return "phased_" + table
}

// q quotes an identifier.
func (w *world) q(name string) string {
	if w.postgres() {
		return `"` + name + `"`
	}
	return "`" + name + "`"
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) exec(statements ...string) {
	w.Helper()
	for _, s := range statements {
		if _, err := w.db.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
}

// rows gives a query's rows, columns joined by a bar and rows by a semicolon.
func (w *world) rows(query string) string {
	w.Helper()
	rows, err := w.db.QueryContext(w.Context(), query)
	if err != nil {
		w.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	w.must(err)
	var out []string
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		w.must(rows.Scan(into...))
		var text []string
		for _, c := range cells {
			if !c.Valid {
				c.String = "null"
			}
			text = append(text, c.String)
		}
		out = append(out, strings.Join(text, "|"))
	}
	w.must(rows.Err())
	return strings.Join(out, "; ")
}

func (w *world) is(what, got, want string) {
	w.Helper()
	if got != want {
		w.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

// shape describes everything that is not phased's: columns, indexes, keys, triggers, views.
func (w *world) shape() string {
	w.Helper()
	if w.postgres() {
		return strings.ReplaceAll(w.rows(`SELECT * FROM (
			SELECT c.relname || ' ' || c.relkind::text || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '-') AS x
			  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
			 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
			UNION ALL SELECT pg_get_indexdef(indexrelid) || indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace
			UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
			UNION ALL SELECT tgname || ' on ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal) s ORDER BY x`), "; ", "\n")
	}
	return strings.ReplaceAll(w.rows(`SELECT x FROM (
		SELECT CONCAT_WS(' ', t.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.COLUMN_TYPE, c.COLLATION_NAME, c.IS_NULLABLE, COALESCE(c.COLUMN_DEFAULT, '-'), c.EXTRA, c.COLUMN_COMMENT) AS x FROM information_schema.COLUMNS c
		  JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME WHERE c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME NOT LIKE 'phased\\_%'
		UNION ALL SELECT CONCAT_WS(' ', TABLE_NAME, INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, COALESCE(SUB_PART, '-'), COLLATION) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE 'phased\\_%'
		UNION ALL SELECT CONCAT_WS(' ', TABLE_NAME, COLUMN_NAME, 'references', REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME) FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL
		UNION ALL SELECT CONCAT_WS(' ', TRIGGER_NAME, 'on', EVENT_OBJECT_TABLE) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()) s ORDER BY x`), "; ", "\n")
}

func (w *world) logger() *slog.Logger {
	if os.Getenv("PHASED_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(w.Output(), &slog.HandlerOptions{Level: w.level}))
}

// file is a migration as a Go value.
func file(name string, changes ...expand.Change) *expand.Migration {
	m := &expand.Migration{Name: name, Checksum: plan.Checksum(fmt.Sprintf("%s %+v", name, changes))}
	for i, c := range changes {
		m.Statements = append(m.Statements, plan.Statement{Change: c, File: name + ".sql", Line: i + 1, Index: i + 1})
	}
	return m
}

func (w *world) config(files ...*expand.Migration) expand.Config {
	return expand.Config{App: "test", Version: "v1", Migrations: files, Direct: w.direct, LockRetry: 30 * time.Second, LockPause: 50 * time.Millisecond, Logger: w.logger()}
}

func (w *world) migrator(cfg expand.Config) *expand.Migrator {
	w.Helper()
	m, err := expand.New(w.db, fstest.MapFS{}, cfg)
	w.must(err)
	w.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			w.Error(err)
		}
	})
	return m
}

// found makes tables as other means left them, with a baseline.
func (w *world) found(statements ...string) {
	w.Helper()
	w.exec(statements...)
	w.must(w.migrator(w.config()).Baseline(w.Context(), expand.BaselineNone))
}

func (w *world) up(files ...*expand.Migration) *expand.Migrator {
	w.Helper()
	m := w.migrator(w.config(files...))
	w.must(m.Up(w.Context()))
	return m
}

func (w *world) fill(cfg backfill.Config) {
	w.Helper()
	if cfg.Logger == nil {
		cfg.Logger = w.logger()
	}
	cfg.Direct = w.direct
	if _, err := backfill.Run(w.Context(), w.db, cfg); err != nil {
		w.Fatal(err)
	}
}

// half runs one half of contract without waiting for anybody.
func (w *world) half(name string, half contract.Half) {
	w.Helper()
	if _, err := contract.Run(w.Context(), w.db, contract.Config{Migration: name, Half: half, AssumeGone: "a test", Direct: w.direct, Logger: w.logger()}); err != nil {
		w.Fatalf("%s %s: %v", half, name, err)
	}
}

func (w *world) status(name string) expand.MigrationStatus {
	w.Helper()
	r, err := expand.Status(w.Context(), w.db)
	w.must(err)
	for _, m := range r.Migrations {
		if m.Name == name {
			return m
		}
	}
	w.Fatalf("%s is not in the status", name)
	panic("unreachable")
}

func (w *world) stands(name, want string) {
	w.Helper()
	w.is("state of "+name, string(w.status(name).State), want)
}

func (w *world) rollback(name string, cfg expand.RollbackConfig) {
	w.Helper()
	cfg.Logger, cfg.Direct = w.logger(), w.direct
	if _, err := expand.Rollback(w.Context(), w.db, name, cfg); err != nil {
		w.Fatalf("roll back %s: %v", name, err)
	}
}

// fillSome stops the backfill behind n chunks of one row.
func (w *world) fillSome(n int) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	defer stop()
	_, err := backfill.Run(ctx, w.db, backfill.Config{MinRows: 1, MaxRows: 1, Direct: w.direct, Logger: w.logger(), Throttles: []backfill.Throttle{after{n: &n, stop: stop}}})
	if err == nil || ctx.Err() == nil {
		w.Fatalf("the backfill was not stopped: %v", err)
	}
}

// after ends a backfill behind some chunks.
type after struct {
	n    *int
	stop context.CancelFunc
}

func (a after) Wait(ctx context.Context) error {
	if *a.n--; *a.n < 0 {
		a.stop()
	}
	return ctx.Err()
}
