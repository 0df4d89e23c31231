package postgres

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/schema"
)

// stage plans a migration and brings the database to where its backfill is done.
func stage(t *testing.T, db *sql.DB, m *plan.Migration) (*Engine, *plan.Plan) {
	t.Helper()
	e := New(db, nil, nil)
	if !exists(t, db, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'phased')`) {
		run(t, db, stateTables)
	}
	links, err := e.Links(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Resolve(t.Context(), m, links)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, fmt.Sprintf(`INSERT INTO phased.migration (name, checksum, state, plan, contracts) VALUES (%s, 'x', 'verified', %s, true)`, literal(m.Name), literal(string(b))))
	for _, l := range p.Links() {
		j, _ := json.Marshal(l)
		run(t, db, fmt.Sprintf(`INSERT INTO phased.link (id, migration, schema_name, table_name, link) VALUES (%s, %s, %s, %s, %s)`,
			literal(l.ID), literal(l.Migration), literal(l.Schema), literal(l.Table), literal(string(j))))
	}
	for _, s := range p.Of(plan.PhaseExpand) {
		runStep(t, db, s)
	}
	for _, f := range p.Fills {
		run(t, db, fmt.Sprintf("UPDATE %s SET %s = %s", qualified(f.Schema, f.Table), ident(f.Link.New), fillValue(f.Link, f.Table)))
	}
	for _, s := range p.Of(plan.PhaseFinish) {
		runStep(t, db, s)
	}
	return e, p
}

func runStep(t *testing.T, db *sql.DB, s plan.Step) {
	t.Helper()
	if s.InTx {
		run(t, db, strings.Join(s.All(), ";\n"))
		return
	}
	for _, stmt := range s.All() {
		run(t, db, stmt)
	}
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
	}
}

func exists(t *testing.T, db *sql.DB, query string) (ok bool) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&ok); err != nil {
		t.Fatal(err)
	}
	return ok
}

const usersTable = `CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, n int);
	CREATE UNIQUE INDEX users_email ON users (email);
	CREATE TABLE notes (id int PRIMARY KEY, email text, users int);
	INSERT INTO users SELECT i, 'u' || i, i FROM generate_series(1, 20) i`

func renameEmail(name string) *plan.Migration {
	return migration(name, plan.RenameColumn{Schema: "public", Table: "users", From: "email", To: "email_address"})
}

func TestDependents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, setup string
		min         int
		want        []string // kind name, with ! where it blocks
	}{
		{"nothing", ``, 0, nil},
		{"its own index, check, foreign key and default", `CREATE INDEX ON users (lower(email)); ALTER TABLE users ADD CHECK (email <> ''), ALTER email SET DEFAULT 'x', ADD FOREIGN KEY (email) REFERENCES users (email)`, 0, nil},
		{"view", `CREATE VIEW mails AS SELECT id, email FROM users; CREATE VIEW others AS SELECT id FROM users`, 0, []string{"view public.mails!"}},
		{"view on a view is told by the first", `CREATE VIEW mails AS SELECT email FROM users; CREATE VIEW more AS SELECT * FROM mails`, 0, []string{"view public.mails!"}},
		{"materialized view", `CREATE MATERIALIZED VIEW mails AS SELECT email FROM users`, 0, []string{"materialized view public.mails!"}},
		{"rule", `CREATE RULE r AS ON UPDATE TO users WHERE OLD.email = 'x' DO INSTEAD NOTHING`, 0, []string{"rule r on public.users!"}},
		{"policy", `CREATE POLICY mine ON users USING (email = current_user)`, 0, []string{"policy mine on public.users!"}},
		{"policy of another table", `CREATE POLICY mine ON notes USING (email IN (SELECT u.email FROM users u))`, 0, []string{"policy mine on public.notes!"}},
		{"generated column", `ALTER TABLE users ADD low text GENERATED ALWAYS AS (lower(email)) STORED`, 0, []string{"generated column public.users.low!"}},
		{"publication with columns", `CREATE PUBLICATION pub FOR TABLE users (id, email)`, 150000, []string{"publication pub of public.users!"}},
		{"publication without", `CREATE PUBLICATION pub FOR TABLE users`, 0, nil},
		{"trigger of the column", `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t AFTER UPDATE OF email ON users EXECUTE FUNCTION f(); CREATE TRIGGER w AFTER UPDATE ON users FOR EACH ROW WHEN (NEW.email <> OLD.email) EXECUTE FUNCTION f()`, 0,
			[]string{"trigger t on public.users!", "trigger w on public.users!"}},
		{"foreign key", `CREATE TABLE o (e text, CONSTRAINT fk FOREIGN KEY (e) REFERENCES users (email))`, 0, []string{"foreign key fk of public.o!"}},
		{"foreign key of a partitioned table once", `CREATE TABLE o (e text, CONSTRAINT fk FOREIGN KEY (e) REFERENCES users (email)) PARTITION BY LIST (e); CREATE TABLE o1 PARTITION OF o DEFAULT`, 0, []string{"foreign key fk of public.o!"}},
		{"statistics go silently", `CREATE STATISTICS st ON email, n FROM users`, 0, []string{"statistics public.st"}},
		{"function that names both", `CREATE FUNCTION f(int) RETURNS text LANGUAGE sql AS 'SELECT EMAIL FROM public.Users WHERE id = $1'`, 0, []string{"function public.f(integer)!"}},
		{"function that names both in quotes", `CREATE FUNCTION f(int) RETURNS text LANGUAGE sql AS 'SELECT "email" FROM "users" WHERE id = $1'`, 0, []string{"function public.f(integer)!"}},
		{"function that names longer words", `CREATE FUNCTION f(int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT email_address FROM users); END'; CREATE FUNCTION g(int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT email FROM users2); END'`, 0, nil},
		{"function that says it means something else", `CREATE FUNCTION f(int) RETURNS text LANGUAGE sql AS 'SELECT n.email /* phased:ignore */ FROM notes n JOIN users u USING (id)'`, 0, nil},
		{"function over a row", `CREATE FUNCTION f(u users) RETURNS text LANGUAGE sql AS 'SELECT u.email'`, 0, []string{"function public.f(u users)!"}},
		{"function with a parsed body", `CREATE FUNCTION f() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT email FROM users; END`, 140000, []string{"function public.f()!"}},
		{"procedure", `CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN UPDATE users SET email = NULL; END'`, 0, []string{"function public.p()!"}},
		{"trigger function by NEW", `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW . email := lower(new."email"); RETURN NEW; END'; CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f()`, 0, []string{"function public.f()!"}},
		{"trigger function of another table", `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.email := 1; RETURN NEW; END'; CREATE TRIGGER t BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION f()`, 0, nil},
		{"our own function", `CREATE SCHEMA phased; CREATE FUNCTION phased.f() RETURNS text LANGUAGE sql AS 'SELECT email FROM users'`, 0, nil},
		{"owned sequence", `CREATE SEQUENCE s OWNED BY users.email`, 0, []string{"sequence public.s"}},
		{"owned sequence that others need", `CREATE SEQUENCE s OWNED BY users.email; ALTER TABLE notes ALTER id SET DEFAULT nextval('s')`, 0, []string{"sequence public.s!"}},
		{"partition's own view and the key", `DROP TABLE users; CREATE TABLE users (id int, email text) PARTITION BY LIST (email); CREATE TABLE users_1 PARTITION OF users DEFAULT; CREATE VIEW v AS SELECT email FROM users_1`, 0,
			[]string{"partition key public.users!", "view public.v!"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := scratch.Postgres(t)
			if db.Version < tt.min {
				return // the server has no such thing
			}
			run(t, db.DB, usersTable, tt.setup)
			found, err := New(db.DB, nil, nil).dependents(t.Context(), db.DB, "public", "users", "email")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range found {
				s := d.Kind + " " + d.Name
				if d.Blocks {
					s += "!"
				}
				got = append(got, s)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			// The oracle: what blocks, and is not only a text, the server refuses to drop.
			if slices.ContainsFunc(found, func(d schema.Dependent) bool {
				return d.Blocks && d.Kind != "function" && d.Kind != "generated column"
			}) {
				if _, err := db.DB.Exec(`ALTER TABLE users DROP COLUMN email RESTRICT`); err == nil {
					t.Error("the server drops the column without a word")
				}
			}
		})
	}
}

func TestMentionsTellsNamesApart(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t).DB
	tests := []struct {
		name, text string
		want       bool
	}{
		{"email", "SELECT email FROM t", true},
		{"email", "select EMAIL", true},
		{"email", "u.email=1", true},
		{"email", `"email"`, true},
		{"email", `"Email"`, false},
		{"email", "email_address", false},
		{"email", "my_email", false},
		{"email", "email$", false},
		{"Email", `"Email"`, true},
		{"Email", `email "email" Email`, false},
		{`a"b`, `SELECT "a""b"`, true},
		{`a.b*`, `SELECT "a.b*"`, true},
		{`a.b*`, `SELECT "aXbb"`, false},
		{`größe`, `SELECT größe FROM t`, true},
		{`größe`, `SELECT größer FROM t`, false},
		{`it's \d`, `SELECT "it's \d"`, true},
		{"a$b", "SELECT a$b", true},
		{"a$b", "SELECT aab", false},
	}
	for _, tt := range tests {
		if got := exists(t, db, "SELECT "+mentions("v", tt.name)+" FROM (VALUES ("+literal(tt.text)+")) AS t(v)"); got != tt.want {
			t.Errorf("%s in %s: %v", tt.name, tt.text, got)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, harm, want string }{
		{"well", ``, ""},
		{"trigger dropped", `DROP TRIGGER "~phased_sync" ON users`, "is missing"},
		{"trigger disabled", `ALTER TABLE users DISABLE TRIGGER "~phased_sync"`, "tgenabled is D"},
		{"trigger enabled for origin only", `ALTER TABLE users ENABLE TRIGGER "~phased_sync"`, "tgenabled is O"},
		{"disabled on one partition", `ALTER TABLE users_2 DISABLE TRIGGER "~phased_sync"`, "public.users_2"},
		{"another fires behind it", `CREATE TRIGGER "~z" BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`, `"~z" fires behind`},
		{"another behind it on a partition", `CREATE TRIGGER "~z" BEFORE UPDATE ON users_1 FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`, `public.users_1: the trigger "~z"`},
		{"another after it is harmless", `CREATE TRIGGER "~z" AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`, ""},
		{"function altered", `CREATE OR REPLACE FUNCTION phased."sync public.users"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`, "was altered"},
		{"when altered", `DROP TRIGGER "~phased_sync" ON users; CREATE TRIGGER "~phased_sync" BEFORE INSERT OR UPDATE ON users FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION phased."sync public.users"(); ALTER TABLE users ENABLE ALWAYS TRIGGER "~phased_sync"`, "WHEN clause"},
		{"no insert", `DROP TRIGGER "~phased_sync" ON users; CREATE TRIGGER "~phased_sync" BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION phased."sync public.users"(); ALTER TABLE users ENABLE ALWAYS TRIGGER "~phased_sync"`, "replaced"},
		{"sequence dropped", `DROP SEQUENCE phased."old writes 0001/1"`, "is missing"},
		{"link forgotten", `DELETE FROM phased.link`, "0 of the 1 pairs"},
		{"new partition", `CREATE TABLE users_3 PARTITION OF users FOR VALUES FROM (200) TO (300)`, ""},
		{"table gone", `DROP TABLE users`, "the table is gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := scratch.Postgres(t).DB
			run(t, db, `CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL) PARTITION BY RANGE (id);
				CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (0) TO (100); CREATE TABLE users_2 PARTITION OF users FOR VALUES FROM (100) TO (200)`)
			e, p := stage(t, db, renameEmail("0001"))
			if tt.harm != "" {
				run(t, db, tt.harm)
			}
			h, err := e.Health(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if h.OK != (tt.want == "") || !strings.Contains(h.Problem, tt.want) || !h.OK && h.Way == "" {
				t.Errorf("want %q, got %+v", tt.want, h)
			}
		})
	}
}

func TestHealthNamesInheritanceChildren(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t).DB
	run(t, db, usersTable)
	e, p := stage(t, db, renameEmail("0001"))
	run(t, db, `CREATE TABLE guests () INHERITS (users)`)
	h, err := e.Health(t.Context(), p)
	if err != nil || h.OK || !strings.Contains(h.Problem, "public.guests: is an inheritance child of public.users") {
		t.Errorf("%+v, %v", h, err)
	}
}

// Every sync that the planner composes is found to be well, hidden or not, alone
// or stacked, with expressions or without.
func TestHealthOfWhatWasComposed(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t).DB
	run(t, db, `CREATE TABLE users (id bigint PRIMARY KEY, "E ""mail" text, price numeric)`)
	well := func(p *plan.Plan) {
		t.Helper()
		if h, err := New(db, nil, nil).Health(t.Context(), p); err != nil || !h.OK {
			t.Errorf("%+v, %v", h, err)
		}
	}
	_, p := stage(t, db, migration("0001", plan.RenameColumn{Table: "users", From: `E "mail`, To: "Größe"}))
	well(p)
	_, q := stage(t, db, migration("0002", plan.RenameColumn{Table: "users", From: "Größe", To: "c"}))
	well(p)
	well(q)
	_, r := stage(t, db, migration("0003", plan.RenameColumn{Table: "users", From: "price", To: "cents", Up: "price * 100", Down: "cents / 100"}))
	well(p)
	well(q)
	well(r)
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, harm, want string }{
		{"all there", ``, ""},
		{"finishing step undone", `DROP INDEX "users_email~new"`, "not done: build index users_email~new"},
		{"invalid index", `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"users_email~new"'::regclass`, `index public."users_email~new" is not valid`},
		{"invalid index on an expression", `CREATE INDEX x ON users (lower(email_address)); UPDATE pg_index SET indisready = false WHERE indexrelid = 'x'::regclass`, `index public.x is not valid`},
		{"constraint not validated", `ALTER TABLE users ADD CONSTRAINT c CHECK (email_address <> '') NOT VALID`, "constraint c of public.users is not valid"},
		{"index on the old side only", `CREATE INDEX later ON users (n, email)`, "later has no counterpart on column email_address"},
		{"unique on the old side, plain on the new", `CREATE UNIQUE INDEX later ON users (n, email); CREATE INDEX later2 ON users (n, email_address)`, "later has no counterpart"},
		{"index on both sides", `CREATE INDEX later ON users (n, email); CREATE INDEX later2 ON users (n, email_address)`, ""},
		{"foreign key on the old side only", `ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (email) REFERENCES users (email)`, "foreign key fk has no counterpart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := scratch.Postgres(t).DB
			run(t, db, usersTable)
			e, p := stage(t, db, renameEmail("0001"))
			if tt.harm != "" {
				run(t, db, tt.harm)
			}
			got, err := e.Invalid(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(got, "; "); (all == "") != (tt.want == "") || !strings.Contains(all, tt.want) {
				t.Errorf("want %q, got %q", tt.want, got)
			}
			for _, s := range p.Of(plan.PhaseHide) {
				runStep(t, db, s)
			}
			links, _ := e.Links(t.Context(), "", "")
			j, _ := json.Marshal(links[0].Hide())
			run(t, db, `UPDATE phased.link SET link = `+literal(string(j)))
			if again, err := e.Invalid(t.Context(), p); err != nil || !slices.Equal(got, again) {
				t.Errorf("hidden it is %q, %v; before it was %q", again, err, got)
			}
		})
	}
}

func TestPrepared(t *testing.T) {
	t.Parallel()
	server := scratch.Postgres(t)
	db, mine := server.DB, "it's me "+server.Name // a server has each name once
	run(t, db, `CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL) PARTITION BY RANGE (id); CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (0) TO (100); CREATE TABLE other (i int)`)
	e, p := stage(t, db, renameEmail("0001"))
	for _, s := range []string{"INSERT INTO other VALUES (1); PREPARE TRANSACTION 'harmless " + server.Name + "'", "SELECT FROM users_1; INSERT INTO other VALUES (1); PREPARE TRANSACTION " + literal(mine)} {
		run(t, db, "BEGIN; "+s)
	}
	got, err := e.Prepared(t.Context(), p)
	if err != nil || !slices.Equal(got, []string{mine}) {
		t.Errorf("%q, %v", got, err)
	}
	held, err := e.Holders(t.Context(), `"public"."users_1"`)
	if err != nil || len(held) != 1 || held[0].Prepared != mine || held[0].Mode != "AccessShare" {
		t.Errorf("holders of the partition: %+v, %v", held, err)
	}
}

func look(t *testing.T, e *Engine, p *plan.Plan, kind string) engine.Evidence {
	t.Helper()
	all, err := e.Evidence(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Kind == kind {
			return v
		}
	}
	return engine.Evidence{}
}

// remember looks and remembers, as if that had been an hour ago.
func remember(t *testing.T, e *Engine, p *plan.Plan) {
	t.Helper()
	all, err := e.Evidence(t.Context(), p)
	if err == nil {
		err = e.Remember(t.Context(), p, all)
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, e.db, `UPDATE phased.evidence SET changed_at = changed_at - interval '1 hour'`)
}

func TestEvidenceOfWrites(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, write string
		used        bool
	}{
		{"nothing", ``, false},
		{"old insert", `INSERT INTO users (id, email) VALUES (100, 'x')`, true},
		{"old update", `UPDATE users SET email = 'x' WHERE id = 1`, true},
		{"old update, rolled back", `BEGIN; UPDATE users SET email = 'x' WHERE id = 1; ROLLBACK`, true},
		{"old update as replica", `BEGIN; SET LOCAL session_replication_role = replica; UPDATE users SET email = 'x' WHERE id = 1; COMMIT`, true},
		{"new insert", `INSERT INTO users (id, email_address) VALUES (100, 'x')`, false},
		{"new update", `UPDATE users SET email_address = 'x' WHERE id = 1`, false},
		{"another column", `UPDATE users SET n = 7`, false},
		{"delete", `DELETE FROM users WHERE id = 1`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := scratch.Postgres(t).DB
			run(t, db, usersTable, `CREATE ROLE "`+roleName(t)+`"; GRANT ALL ON users TO "`+roleName(t)+`"`)
			t.Cleanup(func() { _, _ = db.Exec(`DROP OWNED BY "` + roleName(t) + `"; DROP ROLE "` + roleName(t) + `"`) })
			e, p := stage(t, db, renameEmail("0001"))
			if v := look(t, e, p, "writes"); !v.Available || v.ChangedAgo != 0 {
				t.Fatalf("never remembered, and yet still for a while: %+v", v)
			}
			remember(t, e, p)
			if v := look(t, e, p, "writes"); v.ChangedAgo < time.Hour {
				t.Fatalf("still for %s only", v.ChangedAgo)
			}
			if tt.write != "" {
				role := `SET ROLE "` + roleName(t) + `"; `
				if strings.Contains(tt.write, "replica") {
					role = ""
				}
				run(t, db, role+tt.write+"; RESET ROLE")
			}
			if v := look(t, e, p, "writes"); (v.ChangedAgo == 0) != tt.used {
				t.Errorf("used %v, and still for %s", tt.used, v.ChangedAgo)
			}
			remember(t, e, p)
			if v := look(t, e, p, "writes"); (v.ChangedAgo < 2*time.Hour) != tt.used {
				t.Errorf("used %v, and after another hour still for %s", tt.used, v.ChangedAgo)
			}
		})
	}
}

func roleName(t *testing.T) string { return strings.ReplaceAll("phased_"+t.Name(), "/", "_") }

func TestEvidenceOfWritesWithoutItsSequence(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t).DB
	run(t, db, usersTable)
	e, p := stage(t, db, renameEmail("0001"))
	run(t, db, `DROP SEQUENCE phased."old writes 0001/1"`)
	if v := look(t, e, p, "writes"); v.Available || !strings.Contains(v.Why, "is missing") {
		t.Errorf("%+v", v)
	}
}

func TestEvidenceOfReads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		used        bool
	}{
		{"select", `SELECT email FROM users WHERE id = 1`, true},
		{"behind comments", "-- name: GetUser :one\n/* trace * id */ (SELECT id FROM users WHERE email = 'u1')", true},
		{"in capitals", `Select EMAIL From Users`, true},
		{"in quotes", `SELECT u."email" FROM "public"."users" u`, true},
		{"with", `WITH x AS (SELECT email FROM users) SELECT * FROM x`, true},
		{"copy", `COPY (SELECT email FROM users) TO '/dev/null'`, true},
		{"new column", `SELECT email_address FROM users`, false},
		{"other table", `SELECT email FROM notes`, false},
		{"a constant", `SELECT id FROM users WHERE email_address = 'email'`, false},
		{"ours", `SELECT /* phased */ email FROM users`, false},
		{"ddl", `COMMENT ON COLUMN users.email IS 'x'`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := scratch.Postgres(t).DB
			run(t, db, usersTable)
			e, p := stage(t, db, renameEmail("0001"))
			if v := look(t, e, p, "reads"); v.Available || !strings.Contains(v.Why, "CREATE EXTENSION") {
				t.Fatalf("without the extension: %+v", v)
			}
			run(t, db, `CREATE SCHEMA "My stats"; CREATE EXTENSION pg_stat_statements SCHEMA "My stats"`)
			remember(t, e, p)
			if v := look(t, e, p, "reads"); !v.Available || v.ChangedAgo < time.Hour {
				t.Fatalf("unused: %+v", v)
			}
			run(t, db, tt.query)
			v := look(t, e, p, "reads")
			if (v.ChangedAgo == 0) != tt.used {
				t.Errorf("used %v: %+v", tt.used, v)
			}
			if tt.used && !strings.Contains(strings.ToLower(v.Sample), "email") {
				t.Errorf("the sample is %q", v.Sample)
			}
		})
	}
}

func TestEvidenceOfReadsAfterAReset(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t).DB
	run(t, db, usersTable)
	e, p := stage(t, db, renameEmail("0001"))
	run(t, db, `CREATE EXTENSION pg_stat_statements`, `SELECT email FROM users`)
	remember(t, e, p)
	run(t, db, `SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	if v := look(t, e, p, "reads"); v.Value != "0" || v.ChangedAgo != 0 {
		t.Errorf("%+v", v)
	}
}

func TestEvidenceOfReadsThatOthersHide(t *testing.T) {
	t.Parallel()
	s := scratch.Postgres(t)
	db, role := s.DB, "phased_blind_"+s.Name
	run(t, db, usersTable)
	_, p := stage(t, db, renameEmail("0001"))
	run(t, db, `CREATE EXTENSION pg_stat_statements`, `SELECT email FROM users`,
		fmt.Sprintf(`CREATE ROLE %[1]q; GRANT USAGE ON SCHEMA phased TO %[1]q; GRANT SELECT ON ALL TABLES IN SCHEMA phased TO %[1]q`, role))
	t.Cleanup(func() { _, _ = db.Exec(fmt.Sprintf(`DROP OWNED BY %[1]q; DROP ROLE %[1]q`, role)) })
	db.SetMaxOpenConns(1)
	run(t, db, fmt.Sprintf(`SET ROLE %q`, role))
	e := New(db, nil, nil)
	if v := look(t, e, p, "reads"); v.Available || !strings.Contains(v.Why, "pg_read_all_stats") {
		t.Errorf("%+v", v)
	}
	if v := look(t, e, p, "writes"); v.Available || !strings.Contains(v.Why, "GRANT SELECT") {
		t.Errorf("%+v", v)
	}
	run(t, db, `RESET ROLE`)
}

func TestGuard(t *testing.T) {
	t.Parallel()
	type in struct {
		id, app, lines, seen, lifetime string
		stopped                        bool
	}
	with := in{"w", "billing", "{0001}", "0", "30s", false}
	tests := []struct {
		name      string
		instances []in
		want      string
	}{
		{"nobody", nil, "no live instance"},
		{"one with the line", []in{with}, ""},
		{"one with the line, dead", []in{{"w", "billing", "{0001}", "1 min", "30s", false}}, "no live instance"},
		{"one with the line, stopped", []in{{"w", "billing", "{0001}", "0", "30s", true}}, "no live instance"},
		{"one without", []in{with, {"o", "mail", "{}", "0", "30s", false}}, "mail v1 on h, seen"},
		{"one with another line", []in{with, {"o", "mail", "{0002}", "0", "30s", false}}, "mail v1 on h, seen"},
		{"one without, silent but within the soak", []in{with, {"o", "mail", "{}", "9 min", "30s", false}}, "mail v1 on h, seen 00:09:00 ago"},
		{"one without, stopped within the soak", []in{with, {"o", "mail", "{}", "9 min", "30s", true}}, "mail v1 on h, stopped 00:09:00 ago"},
		{"one without, longer ago", []in{with, {"o", "mail", "{}", "11 min", "30s", false}}, ""},
		{"one without, longer ago but within three lifetimes", []in{with, {"o", "mail", "{}", "11 min", "5 min", false}}, "mail v1"},
		{"one without, from the future of another clock", []in{with, {"o", "mail", "{}", "-1 day", "30s", false}}, "mail v1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := scratch.Postgres(t).DB
			run(t, db, stateTables)
			for _, i := range tt.instances {
				run(t, db, fmt.Sprintf(`INSERT INTO phased.instance (id, app, version, host, pid, lines, lifetime, seen_at, stopped) VALUES ('%s', '%s', 'v1', 'h', 1, '%s', '%s', clock_timestamp() - interval '%s', %v)`,
					i.id, i.app, i.lines, i.lifetime, i.seen, i.stopped))
			}
			e := New(db, nil, nil)
			_, err := db.Exec(strings.Join(e.RegisterGuard("0001", 10*time.Minute), ";\n"))
			said, refused := e.GuardRefused(err)
			if err != nil && !refused {
				t.Fatal(err)
			}
			if refused != (tt.want != "") || !strings.Contains(said, tt.want) {
				t.Errorf("want %q, got %q", tt.want, said)
			}
			_, err = db.Exec("BEGIN ISOLATION LEVEL REPEATABLE READ; " + strings.Join(e.RegisterGuard("0001", time.Minute), ";\n") + "; ROLLBACK")
			if said, refused := e.GuardRefused(err); !refused || !strings.Contains(said, "read committed") {
				t.Errorf("an old snapshot is not refused: %v", err)
			}
			_, _ = db.Exec("ROLLBACK")
		})
	}
}

func TestDependentsOfPlans(t *testing.T) {
	t.Parallel()
	names := func(e *Engine, p *plan.Plan) (out []string) {
		t.Helper()
		found, err := e.Dependents(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			out = append(out, fmt.Sprintf("%s %s %v", d.Kind, d.Name, d.Blocks))
		}
		return out
	}
	hide := func(db *sql.DB, e *Engine, p *plan.Plan) {
		t.Helper()
		for _, s := range p.Of(plan.PhaseHide) {
			runStep(t, db, s)
		}
		for _, l := range p.Links() {
			j, _ := json.Marshal(l.Hide())
			run(t, db, `UPDATE phased.link SET link = `+literal(string(j))+` WHERE id = `+literal(l.ID))
		}
	}
	expect := func(when string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}

	db := scratch.Postgres(t).DB
	run(t, db, usersTable)
	e, p := stage(t, db, renameEmail("0001"))
	expect("rename column", names(e, p))
	run(t, db, `CREATE VIEW v AS SELECT email FROM users`)
	expect("rename column with a view", names(e, p), "view public.v true")
	hide(db, e, p)
	expect("hidden column with a view", names(e, p), "view public.v true")

	db = scratch.Postgres(t).DB
	run(t, db, usersTable)
	e, p = stage(t, db, migration("0001", plan.DropColumn{Table: "users", Column: "email"}))
	expect("drop column", names(e, p))
	run(t, db, `CREATE VIEW v AS SELECT email FROM users`)
	expect("drop column with a view", names(e, p), "view public.v true")
	hide(db, e, p)
	expect("hidden column without a pair", names(e, p), "view public.v true")

	db = scratch.Postgres(t).DB
	run(t, db, usersTable, `CREATE VIEW v AS SELECT email FROM users`)
	e, p = stage(t, db, migration("0001", plan.RenameTable{From: "users", To: "people"}))
	expect("rename table: what hangs on the table follows", names(e, p))
	run(t, db, `CREATE VIEW w AS SELECT email FROM people; CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users'; CREATE FUNCTION g() RETURNS SETOF people LANGUAGE sql AS 'SELECT * FROM people'`)
	expect("rename table: what hangs on the view does not", names(e, p), "function public.g() true", "view public.w true", "function public.f() true")
	if _, err := db.Exec(`DROP VIEW people`); err == nil {
		t.Error("the server drops the view all the same")
	}

	db = scratch.Postgres(t).DB
	run(t, db, `CREATE TABLE users (id serial PRIMARY KEY, email text)`)
	e, p = stage(t, db, migration("0001", plan.RenameColumn{Table: "users", From: "id", To: "user_id"}))
	expect("a sequence that the drop hands over", names(e, p))
}
