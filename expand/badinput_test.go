package expand_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/expand/postgres"
)

// footprint is everything that a refused migration must not have touched.
func footprint(t *testing.T, db *sql.DB) string {
	t.Helper()
	return one[string](t, db, `SELECT coalesce(string_agg(x, E'\n' ORDER BY x), '') FROM (
		SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text || ' ' || coalesce((SELECT string_agg(attname || ' ' || atttypid || ' ' || attnotnull, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0), '') AS x
		  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'phased', 'pg_toast') AND n.nspname !~ '^pg_'
		UNION ALL SELECT tgrelid::regclass::text || ' ' || tgname FROM pg_trigger
		UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')) s`)
}

// noState asserts that no migration is recorded.
func noState(t *testing.T, db *sql.DB) {
	t.Helper()
	if one[bool](t, db, "SELECT to_regclass('phased.migration') IS NULL") {
		return
	}
	if n := one[int](t, db, "SELECT count(*) FROM phased.migration"); n != 0 {
		t.Errorf("%d migrations are recorded", n)
	}
}

// TestBadInputIsRefusedBeforeAnythingIsTouched has one row for each kind of bad input
// that the files and the live catalog can show. The error names the file, the line
// and the statement, and says the way out.
func TestBadInputIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	t.Parallel()
	const tables = usersTable + `; CREATE TABLE "Mixed" (id int PRIMARY KEY, "select" int, "Ümlaut" text);
		CREATE TABLE keyless (a int, b int);
		CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
		CREATE TABLE parts (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
		CREATE VIEW a_view AS SELECT id FROM users;
		CREATE TABLE refs (id int PRIMARY KEY, name text UNIQUE); CREATE TABLE refers (id int PRIMARY KEY, name text REFERENCES refs (name));
		CREATE TABLE odd (id int PRIMARY KEY, i int GENERATED ALWAYS AS IDENTITY, g int GENERATED ALWAYS AS (id + 1) STORED, r uuid DEFAULT gen_random_uuid(), seen text);
		CREATE VIEW sees AS SELECT seen FROM odd;
		CREATE TABLE nv (id int PRIMARY KEY, v int); ALTER TABLE nv ADD CONSTRAINT v_positive CHECK (v > 0) NOT VALID`
	for _, tc := range []struct {
		name, sql string
		want      []string
	}{
		{"unparsable", "ALTER TABLE users\n  RENAME COLUM email TO e;", []string{"0001_x.sql:", "statement 1", "unreadable"}},
		{"second statement unparsable", "ALTER TABLE users ADD COLUMN x int;\n\nALTER TABLE users DROP;\n", []string{"0001_x.sql:3", "statement 2"}},
		{"empty file", "", []string{"0001_x.sql", "says nothing"}},
		{"only a comment", "-- later\n", []string{"0001_x.sql", "says nothing"}},
		{"unknown table", "\nALTER TABLE user RENAME COLUMN email TO e;", []string{"0001_x.sql:2: statement 1"}},
		{"unknown table, near", "ALTER TABLE mixed RENAME COLUMN id TO e;", []string{"0001_x.sql:1: statement 1", "mixed does not exist", "did you mean", "Mixed"}},
		{"unknown schema", "ALTER TABLE nowhere.users RENAME COLUMN id TO e;", []string{"nowhere.users does not exist"}},
		{"unknown column", "ALTER TABLE users RENAME COLUMN mail TO e;", []string{"0001_x.sql:1: statement 1", "column mail does not exist in public.users", "email"}},
		{"column name is taken", "ALTER TABLE users RENAME COLUMN email TO n;", []string{"already has a column n", "choose another name"}},
		{"added column is taken", "ALTER TABLE users ADD COLUMN n int;", []string{"already has a column n"}},
		{"table name is taken", "ALTER TABLE users RENAME TO keyless;", []string{"relation public.keyless already exists"}},
		{"created table is there", "CREATE TABLE users (id int);", []string{"relation public.users already exists"}},
		{"index name is taken", "CREATE INDEX users_pkey ON users (n);", []string{"relation public.users_pkey already exists"}},
		{"index over nothing", "CREATE INDEX i ON users (nothing);", []string{"0001_x.sql:1: statement 1", "nothing"}},
		{"name of 64 bytes", "ALTER TABLE users RENAME COLUMN email TO " + strings.Repeat("x", 64) + ";", []string{"0001_x.sql:1", "64"}},
		{"no usable key", "ALTER TABLE keyless RENAME COLUMN a TO c;", []string{"no primary key", "CREATE UNIQUE INDEX CONCURRENTLY"}},
		{"inheritance", "ALTER TABLE parent RENAME COLUMN id TO c;", []string{"inheritance"}},
		{"a partition", "ALTER TABLE parts_1 RENAME COLUMN v TO c;", []string{"is a partition of public.parts", "change the partitioned table"}},
		{"partition key", "ALTER TABLE parts RENAME COLUMN k TO c;", []string{"partition key"}},
		{"a view", "ALTER TABLE a_view RENAME COLUMN id TO c;", []string{"is a view"}},
		{"referenced key", "ALTER TABLE refs RENAME COLUMN name TO c;", []string{"refers_name_fkey", "references refs.name"}},
		{"identity", "ALTER TABLE odd RENAME COLUMN i TO c;", []string{"IDENTITY"}},
		{"generated", "ALTER TABLE odd RENAME COLUMN g TO c;", []string{"generated column"}},
		{"volatile default, nullable", "ALTER TABLE odd RENAME COLUMN r TO c;", []string{"gen_random_uuid()", "NOT NULL"}},
		{"dependent view", "ALTER TABLE odd RENAME COLUMN seen TO c;", []string{"view", "sees", "-- phased:accept dependent-view"}},
		{"dropped with a view", "ALTER TABLE odd DROP COLUMN seen;", []string{"view", "sees"}},
		{"constraint not valid", "ALTER TABLE nv RENAME COLUMN v TO c;", []string{"v_positive is NOT VALID", "VALIDATE CONSTRAINT"}},
		{"volatile default added", "ALTER TABLE users ADD COLUMN x uuid DEFAULT gen_random_uuid();", []string{"rewrite all of users", "volatile"}},
		{"type that does not exist", "ALTER TABLE users ADD COLUMN x nonsense;", []string{"0001_x.sql:1: statement 1", "nonsense"}},
		{"table of a type that does not exist", "CREATE TABLE t (x nonsense);", []string{"0001_x.sql:1: statement 1", "nonsense"}},
		{"not planned", "ALTER TABLE users ALTER COLUMN n TYPE bigint;", []string{"0001_x.sql:1: statement 1", "TYPE"}},
		{"cascade", "ALTER TABLE users DROP COLUMN n CASCADE;", []string{"CASCADE"}},
		{"misspelt directive", "-- phased:contrct 0000_x\nALTER TABLE users ADD COLUMN x int;", []string{"0001_x.sql:1", "phased:contrct"}},
		{"up function that does not exist", "-- phased:up users.m = lowr(n)\n-- phased:down users.n = m\nALTER TABLE users RENAME COLUMN n TO m;", []string{"lowr", "written with their schema"}},
		{"volatile up", "-- phased:up users.m = n + (random() * 0)::int\n-- phased:down users.n = m\nALTER TABLE users RENAME COLUMN n TO m;", []string{"random()", "volatile"}},
		{"a later statement is bad", "ALTER TABLE users ADD COLUMN x int;\nALTER TABLE users RENAME COLUMN nope TO y;", []string{"0001_x.sql:2: statement 2", "nope"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			db := database(t)
			exec(t, db, tables)
			if err := migrator(t, db, config()).Baseline(t.Context(), expand.BaselineNone); err != nil {
				t.Fatal(err)
			}
			before := footprint(t, db)
			m, err := expand.New(db, files("0001_x.sql", tc.sql), config())
			if err == nil {
				err = m.Up(t.Context())
			}
			if err == nil {
				t.Fatal("it was not refused")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q:\n%v", w, err)
				}
			}
			if after := footprint(t, db); after != before {
				t.Errorf("something was touched:\n%s\nbefore:\n%s", after, before)
			}
			noState(t, db)
		})
	}
}

func TestALaterFileIsCheckedBeforeAnEarlierOneRuns(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	exec(t, db, "CREATE TABLE other (id int PRIMARY KEY)")
	before := footprint(t, db)
	err := migrator(t, db, config(), "0001_rename.sql", renameEmail, "0002_bad.sql", "ALTER TABLE other DROP COLUMN nope;").Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "0002_bad.sql:1: statement 1") {
		t.Fatalf("got %v", err)
	}
	if footprint(t, db) != before {
		t.Error("the earlier file ran")
	}
	noState(t, db)
}

func TestNamesSurviveTheWholeWay(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 63)
	for _, tc := range []struct{ name, table, from, to string }{
		{"reserved", "user", "select", "order"},
		{"mixed case", "Users", "eMail", "E-Mail"},
		{"quotes", `we"ird`, `co"l`, `'; DROP TABLE x; --`},
		{"non-ASCII", "größe", "änderung", "名前"},
		{"63 bytes", long, strings.Repeat("a", 63), strings.Repeat("b", 63)},
		{"dots and blanks", "a.b c", "d.e f", " g "},
		{"backslash and dollar", `b\s`, `$phased$`, `\`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			db := database(t)
			q := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
			exec(t, db, "CREATE TABLE "+q(tc.table)+" (id int PRIMARY KEY, "+q(tc.from)+" text NOT NULL DEFAULT 'x' UNIQUE)",
				"INSERT INTO "+q(tc.table)+" VALUES (1, 'one')")
			cfg := config()
			cfg.Migrations = []*expand.Migration{{Name: "0001 it's \"odd\" ü", Statements: []expand.Statement{{Change: expand.RenameColumn{Table: tc.table, From: tc.from, To: tc.to}}}}}
			m := migrator(t, db, cfg)
			if err := m.Baseline(t.Context(), expand.BaselineNone); err != nil {
				t.Fatal(err)
			}
			if err := m.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			exec(t, db, "INSERT INTO "+q(tc.table)+" (id, "+q(tc.to)+") VALUES (2, 'two')")
			if got := one[string](t, db, "SELECT "+q(tc.from)+" FROM "+q(tc.table)+" WHERE id = 2"); got != "two" {
				t.Errorf("old side is %q", got)
			}
			if _, err := m.Rollback(t.Context(), "0001 it's \"odd\" ü", expand.RollbackConfig{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAFileThatChangedAfterItWasAppliedIsRefused(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	if err := migrator(t, db, config(), "0001_rename.sql", renameEmail).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := migrator(t, db, config(), "0001_rename.sql", "ALTER TABLE users RENAME COLUMN email TO mail;").Up(t.Context())
	var changed *expand.ChecksumError
	if !errors.As(err, &changed) || changed.File == changed.Applied || !strings.Contains(err.Error(), changed.File) || !strings.Contains(err.Error(), changed.Applied) {
		t.Fatalf("got %v, want a ChecksumError that shows both", err)
	}
	// Line endings are not a change.
	if err := migrator(t, db, config(), "0001_rename.sql", strings.ReplaceAll(renameEmail, "\n", "\r\n")).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// planned compiles a directory against what setup makes, as `phased plan -write -dsn` does.
func planned(t *testing.T, db *sql.DB, name, text string) []byte {
	t.Helper()
	m, err := postgres.Parser().Parse(name+".sql", text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := expand.Render(t.Context(), db, m)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPlanWhoseFactsNoLongerHoldIsRefusedOrRenderedAnew(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	raw := planned(t, db, "0001_rename", renameEmail)
	exec(t, db, "ALTER TABLE users ALTER COLUMN email TYPE varchar(300)")
	cfg := config()
	cfg.Parser = nil
	before := footprint(t, db)
	m := migrator(t, db, cfg, "0001_rename.sql", renameEmail, "0001_rename.plan.json", string(raw))
	err := m.Up(t.Context())
	var facts *expand.FactsError
	if !errors.As(err, &facts) || !strings.Contains(err.Error(), `columns email type: the plan says "text", the database "character varying(300)"`) || !strings.Contains(err.Error(), "phased plan -write") {
		t.Fatalf("got %v, want a FactsError that shows the difference", err)
	}
	if footprint(t, db) != before {
		t.Error("something was touched")
	}
	noState(t, db)
	cfg.Replan = true
	if err := migrator(t, db, cfg, "0001_rename.sql", renameEmail, "0001_rename.plan.json", string(raw)).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'email_address'"); got != "character varying(300)" {
		t.Errorf("the new column is %s", got)
	}
}

func TestCommittedPlanRunsAsReviewedWithoutAParser(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	p, err := plan.Decode(planned(t, db, "0001_rename", renameEmail))
	if err != nil {
		t.Fatal(err)
	}
	p.Steps[0].Title = "as reviewed" // a reviewer's hand in it shows that nothing is rendered anew
	raw, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config()
	cfg.Parser = nil
	if err := migrator(t, db, cfg, "0001_rename.sql", renameEmail, "0001_rename.plan.json", string(raw)).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db, "SELECT title FROM phased.step WHERE n = 0"); got != "as reviewed" {
		t.Errorf("step is %q", got)
	}
}

func TestBadPlanFiles(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	good := string(planned(t, db, "0001_rename", renameEmail))
	cfg := config()
	cfg.Parser = nil
	for _, tc := range []struct {
		name  string
		files []string
		want  string
	}{
		{"no plan and no parser", []string{"0001_rename.sql", renameEmail}, "no plan file"},
		{"stale", []string{"0001_rename.sql", renameEmail + "\n-- more", "0001_rename.plan.json", good}, "changed after its plan was written"},
		{"of another file", []string{"0002_other.sql", renameEmail, "0002_other.plan.json", good}, "is the plan of 0001_rename"},
		{"without its file", []string{"0001_rename.plan.json", good}, "no 0001_rename.sql beside it"},
		{"no JSON", []string{"0001_rename.sql", renameEmail, "0001_rename.plan.json", "{"}, "0001_rename.plan.json"},
		{"later format", []string{"0001_rename.sql", renameEmail, "0001_rename.plan.json", strings.Replace(good, `"format": 1`, `"format": 99`, 1)}, "format 99"},
		{"unknown kind", []string{"0001_rename.sql", renameEmail, "0001_rename.plan.json", strings.Replace(good, "rename-column", "teleport", 1)}, `"teleport" is not known`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := expand.New(db, files(tc.files...), cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestPlanForAnotherServerIsRefused(t *testing.T) {
	t.Parallel()
	db := database(t)
	users(t, db, 1)
	good := string(planned(t, db, "0001_rename", renameEmail))
	cfg := config()
	cfg.Parser = nil
	before := footprint(t, db)
	for name, bad := range map[string]string{
		"dialect": strings.Replace(good, `"dialect": "postgres"`, `"dialect": "mysql"`, 1),
		"version": strings.Replace(good, `"facts": {`, `"require": {"min_version": 990000}, "facts": {`, 1),
	} {
		err := migrator(t, db, cfg, "0001_rename.sql", renameEmail, "0001_rename.plan.json", bad).Up(t.Context())
		var server *expand.ServerError
		if !errors.As(err, &server) || !strings.Contains(err.Error(), "plan again") {
			t.Errorf("%s: got %v, want a ServerError", name, err)
		}
	}
	if footprint(t, db) != before {
		t.Error("something was touched")
	}
}

func TestTablesWithoutABaselineAreRefused(t *testing.T) {
	t.Parallel()
	db := database(t)
	exec(t, db, usersTable)
	m := migrator(t, db, config(), "0001_init.sql", usersTable, "0002_rename.sql", renameEmail)
	err := m.Up(t.Context())
	var baseline *expand.BaselineError
	if !errors.As(err, &baseline) || baseline.Tables != 1 || !strings.Contains(err.Error(), "phased baseline") {
		t.Fatalf("got %v, want a BaselineError", err)
	}
	noState(t, db)
	if err := m.Baseline(t.Context(), "0001_nope"); err == nil || !strings.Contains(err.Error(), "no such migration") {
		t.Errorf("baseline of an unknown name: %v", err)
	}
	if err := m.Baseline(t.Context(), "0001_init"); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(t, db, "0001_init") + " " + state(t, db, "0002_rename"); got != "baseline expanded" {
		t.Errorf("states are %s", got)
	}
	if err := m.Baseline(t.Context(), "0002_rename"); err == nil || !strings.Contains(err.Error(), "has already run") {
		t.Errorf("baseline over a migration that ran: %v", err)
	}
}

func TestReadOnlyDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	s := scratch.Postgres(t)
	exec(t, s.DB, usersTable)
	db, err := sql.Open("pgx", s.Direct()+"&default_transaction_read_only=on") // no pooler passes it on
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	check := func(when string) {
		err := migrator(t, db, config(), "0001_rename.sql", renameEmail).Up(t.Context())
		var ro *expand.NoWritesError
		if !errors.As(err, &ro) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), "connect to the primary") {
			t.Errorf("%s: got %v, want a NoWritesError", when, err)
		}
	}
	check("before the state tables are there")
	if err := migrator(t, s.DB, config()).Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	check("with state tables")
	noState(t, s.DB)
}

func TestMissingPrivilegesAreNamedWithTheGrant(t *testing.T) {
	t.Parallel()
	s := scratch.Postgres(t)
	role := "weak_" + s.Name
	exec(t, s.DB, usersTable, "CREATE ROLE "+role+" LOGIN", "GRANT SELECT, INSERT ON users TO "+role)
	t.Cleanup(func() { _, _ = s.DB.ExecContext(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	db, err := sql.Open("pgx", strings.Replace(s.DSN, "postgres@", role+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	up := func() error { return migrator(t, db, config(), "0001_rename.sql", renameEmail).Up(t.Context()) }
	if err := up(); err == nil || !strings.Contains(err.Error(), "GRANT CREATE ON DATABASE") {
		t.Errorf("without CREATE on the database: %v", err)
	}
	if err := migrator(t, s.DB, config()).Baseline(t.Context(), expand.BaselineNone); err != nil {
		t.Fatal(err)
	}
	if err := up(); err == nil || !strings.Contains(err.Error(), "GRANT ALL ON SCHEMA phased") {
		t.Errorf("without privileges on the state: %v", err)
	}
	exec(t, s.DB, "GRANT ALL ON SCHEMA phased TO "+role, "GRANT ALL ON ALL TABLES IN SCHEMA phased TO "+role, "GRANT ALL ON ALL SEQUENCES IN SCHEMA phased TO "+role)
	before := footprint(t, s.DB)
	if err := up(); err == nil || !strings.Contains(err.Error(), "does not own public.users") || !strings.Contains(err.Error(), "GRANT") {
		t.Errorf("without owning the table: %v", err)
	}
	if footprint(t, s.DB) != before {
		t.Error("something was touched")
	}
	noState(t, s.DB)
}

func TestPreparedTransactionIsNamed(t *testing.T) {
	t.Parallel()
	s := scratch.Postgres(t)
	users(t, s.DB, 1)
	conn, err := s.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN; UPDATE users SET n = 2; PREPARE TRANSACTION 'left "+s.Name+"'"); err != nil {
		t.Fatal(err)
	}
	err = migrator(t, s.DB, config(), "0001_rename.sql", renameEmail).Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), `prepared transaction "left `+s.Name) || !strings.Contains(err.Error(), "ROLLBACK PREPARED") {
		t.Errorf("got %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK PREPARED 'left "+s.Name+"'"); err != nil {
		t.Fatal(err)
	}
	if err := migrator(t, s.DB, config(), "0001_rename.sql", renameEmail).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}
