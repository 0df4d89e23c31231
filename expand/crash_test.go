package expand_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/expand"
)

// stopper is a log handler that ends a context behind the n-th step.
type stopper struct {
	slog.Handler
	n      int32
	seen   *atomic.Int32
	cancel context.CancelFunc
}

func (s *stopper) Enabled(context.Context, slog.Level) bool { return true }
func (s *stopper) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *stopper) WithGroup(string) slog.Handler            { return s }
func (s *stopper) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "step done" && s.seen.Add(1) == s.n {
		s.cancel()
	}
	return nil
}

const richTable = `CREATE TABLE domains (name text PRIMARY KEY);
	CREATE TABLE %[1]s (id bigint PRIMARY KEY, email text NOT NULL DEFAULT 'nobody', n int,
		CONSTRAINT %[1]s_at CHECK (email <> ''), CONSTRAINT %[1]s_email_key UNIQUE (email, id), CONSTRAINT %[1]s_domain FOREIGN KEY (email) REFERENCES domains);
	CREATE INDEX %[1]s_lower ON %[1]s (lower(email)) WHERE n > 0`

// shapeOf describes a table's columns, indexes and constraints.
func shapeOf(t *testing.T, db *sql.DB, table string) string {
	t.Helper()
	return strings.ReplaceAll(one[string](t, db, `SELECT string_agg(x, E'\n' ORDER BY x) FROM (
		SELECT format('%s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)) AS x FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
		UNION ALL SELECT pg_get_indexdef(indexrelid) || indisvalid FROM pg_index WHERE indrelid = $1::text::regclass
		UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) || convalidated FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype <> 'n'
		UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal) s`, table), table, "T")
}

// A run that ends behind any step, and whose memory of the steps is lost besides, is
// finished by the next one: every step can ask the catalog whether it is already true
// (I7). The end is the schema of a plain RENAME.
func TestRunThatEndsBehindAnyStepIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	const steps = 11 // one of expand, ten of finish
	for n := 1; n <= steps; n++ {
		t.Run(fmt.Sprint("behind step ", n), func(t *testing.T) {
			t.Parallel()
			db := baselined(t, fmt.Sprintf(richTable, "users"))
			exec(t, db, "INSERT INTO domains VALUES ('a'), ('nobody')", "INSERT INTO users (id, email, n) SELECT i, 'a', i FROM generate_series(1, 100) i")
			const name = "0001_rename"
			run := func(ctx context.Context, log *slog.Logger) error {
				cfg := config()
				cfg.Logger, cfg.Direct = log, direct(db)
				m, err := expand.New(db, files(name+".sql", renameEmail), cfg)
				if err != nil {
					return err
				}
				defer m.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the register is not what this is about
				if err := m.Up(ctx); err != nil {
					return err
				}
				_, err = backfill.Run(ctx, db, backfill.Config{Direct: direct(db), Logger: log})
				return err
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var seen atomic.Int32
			err := run(ctx, slog.New(&stopper{n: int32(n), seen: &seen, cancel: cancel}))
			if seen.Load() < int32(n) {
				t.Fatalf("%d steps were seen: the plan is shorter than this test thinks (%v)", seen.Load(), err)
			}
			exec(t, db, "UPDATE phased.step SET done = false")
			if err := run(t.Context(), nil); err != nil {
				t.Fatalf("the next run: %v", err)
			}
			if got := state(t, db, name); got != "verified" {
				t.Fatalf("state is %s, want verified", got)
			}
			contractAll(t, db, name)
			_, plain, _ := strings.Cut(fmt.Sprintf(richTable, "plain"), ";") // domains is there
			exec(t, db, plain, "ALTER TABLE plain RENAME COLUMN email TO email_address")
			if got, want := shapeOf(t, db, "users"), shapeOf(t, db, "plain"); got != want {
				t.Errorf("the table at the end is\n%s\nwant\n%s", got, want)
			}
		})
	}
}
