package expand_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
)

// Behind a pooler that hands out sessions by the transaction, what cannot be in a
// transaction is refused before anything is touched, and runs where Config.Direct leads
// past it; what can be in one needs nothing.
func TestBehindAPoolerInTransactionMode(t *testing.T) {
	t.Parallel()
	d, err := scratch.PostgresServer(t, scratch.Config{Pooler: scratch.PoolerPgBouncer}).CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, d.DB, usersTable, "CREATE INDEX users_email ON users (email)", "INSERT INTO users SELECT i, 'u' || i, i FROM generate_series(1, 100) i")
	if err := migrator(t, d.DB, config()).Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	before := footprint(t, d.DB)
	refused := func(err error) {
		t.Helper()
		var pooler *expand.PoolerError
		if !errors.As(err, &pooler) || !strings.Contains(err.Error(), "build index") || !strings.Contains(err.Error(), "Config.Direct") {
			t.Errorf("got %v, want a PoolerError", err)
		}
	}
	refused(migrator(t, d.DB, config(), "0001_rename.sql", renameEmail).Up(t.Context()))
	if footprint(t, d.DB) != before {
		t.Error("something was touched")
	}
	noState(t, d.DB)

	exec(t, d.DB, "DROP INDEX users_email") // what is left to build can be in a transaction
	life(t, d.DB, nil)
	m := migrator(t, d.DB, config())
	if _, err := m.Rollback(t.Context(), "0001_rename", expand.RollbackConfig{Force: "a test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := expand.Resume(t.Context(), d.DB, "0001_rename"); err != nil {
		t.Fatal(err)
	}

	exec(t, d.DB, "CREATE INDEX users_email ON users (email)")
	life(t, d.DB, d.DirectDB())
	contractAll(t, d.DB, "0001_rename")
	if n := one[int](t, d.DB, "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%(email_address)'"); n != 1 {
		t.Errorf("%d indexes on the new column, want 1", n)
	}
	if leaked := one[string](t, d.DB, "SELECT current_setting('search_path') || current_setting('lock_timeout')"); leaked != `"$user", public0` {
		t.Errorf("a pooled session has the settings %s", leaked)
	}
}

// life takes the rename to verified.
func life(t *testing.T, db, direct *sql.DB) {
	t.Helper()
	cfg := config()
	cfg.Direct = direct
	if err := migrator(t, db, cfg, "0001_rename.sql", renameEmail).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := backfill.Run(t.Context(), db, backfill.Config{Direct: direct}); err != nil {
		t.Fatal(err)
	}
	if got := state(t, db, "0001_rename"); got != "verified" {
		t.Fatalf("it is %s, want verified", got)
	}
}
