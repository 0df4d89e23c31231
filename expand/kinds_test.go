package expand_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

// baselined makes a database with tables that other means made.
func baselined(t *testing.T, tables string) *sql.DB {
	t.Helper()
	db := database(t)
	exec(t, db, tables)
	if err := migrator(t, db, config()).Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	return db
}

func up(t *testing.T, db *sql.DB, pairs ...string) *expand.Migrator {
	t.Helper()
	m := migrator(t, db, config(), pairs...)
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// contractAll hides and drops without waiting for anybody.
func contractAll(t *testing.T, db *sql.DB, name string) {
	t.Helper()
	for _, half := range []contract.Half{contract.HalfHide, contract.HalfDrop} {
		if _, err := contract.Run(t.Context(), db, contract.Config{Migration: name, Half: half, AssumeGone: "a test"}); err != nil {
			t.Fatalf("%s: %v", half, err)
		}
	}
}

func TestRenameTableShowsBothNamesUntilContract(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; INSERT INTO users VALUES (1, 'a', 1); GRANT SELECT ON users TO PUBLIC")
	const name = "0001_rename_table"
	m := up(t, db, name+".sql", "ALTER TABLE users RENAME TO members;")
	if got := state(t, db, name); got != "verified" {
		t.Errorf("state is %s, want verified: there is nothing to fill", got)
	}
	exec(t, db, "INSERT INTO members VALUES (2, 'b', 2) ON CONFLICT (id) DO NOTHING", "UPDATE members SET n = 5 WHERE id = 1", "DELETE FROM users WHERE id = 2")
	if got := one[int](t, db, "SELECT n FROM users WHERE id = 1"); got != 5 {
		t.Errorf("what new code wrote is %d under the old name", got)
	}
	if !one[bool](t, db, "SELECT has_table_privilege('public', 'members', 'SELECT')") {
		t.Error("the new name does not grant what the old one does")
	}
	if _, err := contract.Run(t.Context(), db, contract.Config{Migration: name, Half: contract.HalfHide, AssumeGone: "a test"}); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db, "SELECT relkind::text || coalesce(to_regclass('users')::text, '') FROM pg_class WHERE oid = 'members'::regclass"); got != "r" {
		t.Errorf("after the swap the relation is %q, want a table under the new name only", got)
	}
	if _, err := m.Rollback(t.Context(), name, expand.RollbackConfig{}); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db, "SELECT relkind::text || coalesce(to_regclass('members')::text, '') FROM pg_class WHERE oid = 'users'::regclass"); got != "r" {
		t.Errorf("after the rollback the relation is %q", got)
	}
	if err := m.Resume(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	contractAll(t, db, name)
	if got := one[int](t, db, "SELECT n FROM members WHERE id = 1"); got != 5 {
		t.Errorf("row is %d at the end", got)
	}
}

func TestDropColumnIsMadeOptionalFirst(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; INSERT INTO users VALUES (1, 'a', 1)")
	const name = "0001_drop"
	m := up(t, db, name+".sql", "ALTER TABLE users DROP COLUMN email;")
	exec(t, db, "INSERT INTO users (id, n) VALUES (2, 2)")               // new code
	exec(t, db, "INSERT INTO users (id, email, n) VALUES (3, 'old', 3)") // old code
	if _, err := contract.Run(t.Context(), db, contract.Config{Migration: name, Half: contract.HalfHide, AssumeGone: "a test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("SELECT email FROM users"); err == nil {
		t.Error("the column is still there under its name")
	}
	report, err := m.Rollback(t.Context(), name, expand.RollbackConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "stays nullable") {
		t.Errorf("notes are %q: what is not as before must be said", report.Notes)
	}
	if got := one[string](t, db, "SELECT string_agg(coalesce(email, 'null'), ' ' ORDER BY id) FROM users"); got != "a null old" {
		t.Errorf("rows are %s", got)
	}
	if err := m.Resume(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	contractAll(t, db, name)
	if got := one[string](t, db, "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped"); got != "id n" {
		t.Errorf("columns are %s", got)
	}
}

func TestAdditiveChangesAreCompleteAfterUpAndKeepTheirData(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; INSERT INTO users VALUES (1, 'a', 1)")
	m := up(t, db,
		"0001_columns.sql", "ALTER TABLE users ADD COLUMN plan text, ADD COLUMN seats int NOT NULL DEFAULT 1;",
		"0002_table.sql", "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users);\nCREATE INDEX orders_user ON orders (user_id) WHERE user_id > 0;",
		"0003_index.sql", "CREATE UNIQUE INDEX users_email ON users (lower(email));")
	for _, name := range []string{"0001_columns", "0002_table", "0003_index"} {
		if got := state(t, db, name); got != "complete" {
			t.Errorf("%s is %s, want complete", name, got)
		}
	}
	if got := one[string](t, db, "SELECT pg_get_indexdef('users_email'::regclass) || ' ' || pg_get_indexdef('orders_user'::regclass)"); got != "CREATE UNIQUE INDEX users_email ON public.users USING btree (lower(email)) CREATE INDEX orders_user ON public.orders USING btree (user_id) WHERE (user_id > 0)" {
		t.Errorf("indexes are %s", got)
	}
	if err := m.Check(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	exec(t, db, "UPDATE users SET seats = 7")
	_, err := m.Rollback(t.Context(), "0001_columns", expand.RollbackConfig{})
	var used *expand.InUseError
	if !errors.As(err, &used) || !strings.Contains(err.Error(), "seats") || strings.Contains(err.Error(), "plan,") {
		t.Fatalf("rollback of a column that holds data: %v", err)
	}
	if got := one[int](t, db, "SELECT seats FROM users"); got != 7 {
		t.Errorf("seats are %d", got)
	}
	if _, err := m.Rollback(t.Context(), "0001_columns", expand.RollbackConfig{Force: "it was a trial"}); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db, "SELECT reason FROM phased.migration WHERE name = '0001_columns'"); got != "it was a trial" {
		t.Errorf("recorded reason is %q", got)
	}
	for _, name := range []string{"0003_index", "0002_table"} {
		if _, err := m.Rollback(t.Context(), name, expand.RollbackConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := one[string](t, db, "SELECT coalesce(to_regclass('orders')::text, '') || coalesce(to_regclass('users_email')::text, '')"); got != "" {
		t.Errorf("%s is still there", got)
	}
}

func TestIndexBuildThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; INSERT INTO users SELECT i, 'same', i FROM generate_series(1, 10) i")
	err := migrator(t, db, config(), "0001_index.sql", "CREATE UNIQUE INDEX users_email ON users (email);").Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "users_email") {
		t.Fatalf("a unique index over duplicates: %v", err)
	}
	if got := one[int](t, db, "SELECT count(*) FROM pg_index WHERE indrelid = 'users'::regclass AND indisvalid AND NOT indisprimary"); got != 0 {
		t.Fatalf("%d valid indexes", got)
	}
	exec(t, db, "UPDATE users SET email = email || id")
	up(t, db, "0001_index.sql", "CREATE UNIQUE INDEX users_email ON users (email);")
	if !one[bool](t, db, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_email'::regclass") {
		t.Error("the index is not valid")
	}
}

// What was tried under the user's search_path runs under it.
func TestIndexOverAFunctionOfTheUsersPath(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; CREATE FUNCTION norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.lower($1)'")
	up(t, db, "0001_index.sql", "CREATE INDEX users_norm ON users (norm(email));")
	if got := one[string](t, db, "SELECT pg_get_indexdef('users_norm'::regclass)"); got != "CREATE INDEX users_norm ON public.users USING btree (norm(email))" {
		t.Errorf("index is %s", got)
	}
}

func TestAsWrittenRunsOnceUnderTheUsersPath(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)")
	const file = "-- phased:as-written reason=\"the planner does not know functions\"\nUPDATE counter SET n = n + 1;\n"
	m := up(t, db, "0001_once.sql", file)
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one[int](t, db, "SELECT n FROM counter"); got != 1 {
		t.Errorf("it ran %d times", got)
	}
	if _, err := m.Rollback(t.Context(), "0001_once", expand.RollbackConfig{}); err == nil || !strings.Contains(err.Error(), "ran as written") {
		t.Errorf("rollback: %v", err)
	}
}

// On an empty database a migration goes to its end where the build says that it can
// do without the old side, and stays dual where it does not.
func TestEmptyDatabaseGoesAsFarAsTheBuildsLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, line, states, columns string }{
		{"with the line", "-- phased:contract 0002_rename\n", "complete dropped", "id email_address n"},
		{"without", "", "complete verified", "id email n email_address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			db := database(t)
			m := up(t, db, "0001_users.sql", usersTable+";", "0002_rename.sql", tc.line+renameEmail)
			if got := state(t, db, "0001_users") + " " + state(t, db, "0002_rename"); got != tc.states {
				t.Errorf("states are %s, want %s", got, tc.states)
			}
			if got := one[string](t, db, "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped"); got != tc.columns {
				t.Errorf("columns are %s, want %s", got, tc.columns)
			}
			if err := m.Check(t.Context()); err != nil {
				t.Errorf("not ready: %v", err)
			}
			if err := m.Up(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBuildWithoutTheLineIsRefusedOnceTheOldSideIsHidden(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 10)
	up(t, db, "0001_rename.sql", renameEmail)
	if _, err := backfill.Run(t.Context(), db, backfill.Config{Direct: direct(db)}); err != nil {
		t.Fatal(err)
	}
	if _, err := contract.Run(t.Context(), db, contract.Config{Migration: "0001_rename", Half: contract.HalfHide, AssumeGone: "a test"}); err != nil {
		t.Fatal(err)
	}
	for name, pairs := range map[string][]string{
		"knows the migration": {"0001_rename.sql", renameEmail},
		"does not know it":    {"0000_other.sql", "-- phased:contract 0000_other\n"},
	} {
		err := migrator(t, db, config(), pairs...).Up(t.Context())
		var gone *expand.ContractedError
		if !errors.As(err, &gone) || !strings.Contains(err.Error(), "-- phased:contract 0001_rename") {
			t.Errorf("%s: got %v, want a ContractedError that says which build is needed", name, err)
		}
	}
	up(t, db, "0001_rename.sql", renameEmail, "0002_contract.sql", "-- phased:contract 0001_rename\n")
}

func TestStackedRenames(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; INSERT INTO users SELECT i, 'u' || i, i FROM generate_series(1, 50) i; CREATE UNIQUE INDEX users_email_key ON users (email)")
	first := []string{"0001_rename.sql", renameEmail}
	both := append(first, "0002_again.sql", "ALTER TABLE users RENAME COLUMN email_address TO mail;")
	up(t, db, first...)
	var order *expand.OrderError
	if err := migrator(t, db, config(), both...).Up(t.Context()); !errors.As(err, &order) || !strings.Contains(err.Error(), "must be verified first") {
		t.Fatalf("a second rename before the first is verified: %v", err)
	}
	fill := func() {
		t.Helper()
		if _, err := backfill.Run(t.Context(), db, backfill.Config{Direct: direct(db)}); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	m := up(t, db, both...)
	exec(t, db, "UPDATE users SET email = 'one' WHERE id = 1", "UPDATE users SET email_address = 'two' WHERE id = 2", "UPDATE users SET mail = 'three' WHERE id = 3",
		"INSERT INTO users (id, email) VALUES (101, 'x1')", "INSERT INTO users (id, mail) VALUES (103, 'x3')")
	fill()
	if got := one[int](t, db, "SELECT count(*) FROM users WHERE email IS DISTINCT FROM email_address OR email_address IS DISTINCT FROM mail"); got != 0 {
		t.Errorf("%d rows are out of step", got)
	}
	if got := one[string](t, db, "SELECT string_agg(mail, ' ' ORDER BY id) FROM users WHERE id IN (1, 2, 3, 101, 103)"); got != "one two three x1 x3" {
		t.Errorf("rows are %s", got)
	}
	if _, err := m.Rollback(t.Context(), "0001_rename", expand.RollbackConfig{}); !errors.As(err, &order) || !strings.Contains(err.Error(), "roll it back first") {
		t.Errorf("rollback of the first: %v", err)
	}
	contractAll(t, db, "0001_rename")
	exec(t, db, "UPDATE users SET email_address = 'four' WHERE id = 4", "UPDATE users SET mail = 'five' WHERE id = 5")
	contractAll(t, db, "0002_again")
	if got := one[string](t, db, "SELECT string_agg(mail, ' ' ORDER BY id) FROM users WHERE id <= 5"); got != "one two three four five" {
		t.Errorf("rows are %s", got)
	}
	if got := one[string](t, db, "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY 1) FROM pg_index WHERE indrelid = 'users'::regclass"); got != "users_email_key users_pkey" && got != "users_pkey users_email_key" {
		t.Errorf("indexes at the end are %s: they take their names back", got)
	}
}

func TestTableRenameWaitsForOtherChangesOfTheTable(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][2]string{
		"rename behind a drop": {"ALTER TABLE users DROP COLUMN n;", "ALTER TABLE users RENAME TO members;"},
		"drop behind a rename": {"ALTER TABLE users RENAME TO members;", "ALTER TABLE users DROP COLUMN n;"},
		"add behind a rename":  {"ALTER TABLE users RENAME TO members;", "ALTER TABLE users ADD COLUMN x int;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := baselined(t, usersTable)
			up(t, db, "0001_first.sql", files[0])
			var order *expand.OrderError
			m := migrator(t, db, config(), "0001_first.sql", files[0], "0002_second.sql", files[1])
			_, planning := m.Plan(t.Context(), "0002_second")
			for when, err := range map[string]error{"planning": planning, "running": m.Up(t.Context())} {
				if !errors.As(err, &order) || !strings.Contains(err.Error(), "0002_second needs 0001_first") {
					t.Errorf("%s: got %v, want an OrderError", when, err)
				}
			}
		})
	}
}

// The trial of the sync makes rows that the table's own constraints may refuse: that
// says nothing of the sync.
func TestRenameBesideColumnsThatRefuseNull(t *testing.T) {
	t.Parallel()
	db := baselined(t, "CREATE DOMAIN must AS int NOT NULL; CREATE TABLE items (id int PRIMARY KEY, a text, m must); INSERT INTO items VALUES (1, 'x', 1)")
	up(t, db, "0001_rename.sql", "ALTER TABLE items RENAME COLUMN a TO b;")
	exec(t, db, "UPDATE items SET b = 'y'")
	if got := one[string](t, db, "SELECT a FROM items"); got != "y" {
		t.Errorf("old side is %s", got)
	}
}

func TestTwoRenamesInOneFile(t *testing.T) {
	t.Parallel()
	db := baselined(t, usersTable+"; CREATE INDEX users_n ON users (n); INSERT INTO users VALUES (1, 'a', 1)")
	const name = "0001_two"
	up(t, db, name+".sql", "ALTER TABLE users RENAME COLUMN email TO mail;\nALTER TABLE users RENAME COLUMN n TO number;\nALTER TABLE users ADD COLUMN more int;\nCREATE INDEX users_more ON users (more);")
	exec(t, db, "INSERT INTO users (id, email, number) VALUES (2, 'b', 2)", "UPDATE users SET mail = 'c', n = 3 WHERE id = 1")
	if _, err := backfill.Run(t.Context(), db, backfill.Config{Direct: direct(db)}); err != nil {
		t.Fatal(err)
	}
	contractAll(t, db, name)
	if got := one[string](t, db, "SELECT string_agg(mail || number, ' ' ORDER BY id) FROM users"); got != "c3 b2" {
		t.Errorf("rows are %s", got)
	}
	if got := one[string](t, db, "SELECT pg_get_indexdef('users_n'::regclass)"); got != "CREATE INDEX users_n ON public.users USING btree (number)" {
		t.Errorf("index is %s", got)
	}
}

func TestCloseEndsTheHeartbeatAndSaysGoodbye(t *testing.T) {
	t.Parallel()
	db := database(t)
	m := up(t, db, "0001_users.sql", usersTable+";")
	if got := one[int](t, db, "SELECT count(*) FROM phased.instance WHERE NOT stopped"); got != 1 {
		t.Errorf("%d instances are registered", got)
	}
	if err := m.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := one[int](t, db, "SELECT count(*) FROM phased.instance WHERE NOT stopped"); got != 0 {
		t.Errorf("%d instances are registered after Close", got)
	}
	if err := m.Close(context.Background()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}
