package expand_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

func TestRegisterRunsNothing(t *testing.T) {
	t.Parallel()
	db := database(t)
	old := []string{"0001_users.sql", usersTable}
	all := append(old, "0002_rename.sql", renameEmail, "0003_line.sql", "-- phased:contract 0002_rename\n")

	m := migrator(t, db, config(), all...)
	if err := m.Register(t.Context()); !errors.Is(err, expand.ErrNoState) {
		t.Errorf("want ErrNoState in an unused database, got %v", err)
	}
	if err := migrator(t, db, config(), old...).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db, `SELECT count(*) FROM phased.migration`); n != 1 {
		t.Errorf("%d migrations are recorded, want the one that was there", n)
	}
	const live = `SELECT count(*) FROM phased.instance WHERE NOT stopped AND '0002_rename' = ANY (lines)`
	if n := one[int](t, db, live); n != 1 {
		t.Errorf("%d live instances embed the line, want 1", n)
	}
	var waits *expand.NotReadyError
	if err := m.Check(t.Context()); !errors.As(err, &waits) || !strings.Contains(err.Error(), "Up has not gone through") {
		t.Errorf("want a build that only registered not to be ready, got %v", err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db, live); n != 0 {
		t.Errorf("%d live instances embed the line after Close", n)
	}
}

func TestRegisterRefusesABuildWithoutTheLine(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 3)
	m := migrator(t, db, config(), "0001_rename.sql", renameEmail, "0002_line.sql", "-- phased:contract 0001_rename\n")
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := backfill.Run(t.Context(), db, backfill.Config{Direct: direct(db)}); err != nil {
		t.Fatal(err)
	}
	if _, err := contract.Run(t.Context(), db, contract.Config{AssumeGone: "a test", Half: contract.HalfHide}); err != nil {
		t.Fatal(err)
	}
	var gone *expand.ContractedError
	if err := migrator(t, db, config(), "0001_rename.sql", renameEmail).Register(t.Context()); !errors.As(err, &gone) || len(gone.Migrations) != 1 {
		t.Errorf("want the build refused because of 0001_rename, got %v", err)
	}
}
