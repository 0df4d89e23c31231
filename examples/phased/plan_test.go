package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

func TestPlanPrintsEachPhaseAsSQL(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.write("0001_users.sql", createUsers)
	e.write("0002_rename.sql", renameEmail)
	r := e.ok(args("plan", e.dir), "-- migration 0001_users\n", "-- migration 0002_rename\n", "== expand", "== backfill", "== hide", "== drop", "== undo")
	if strings.Index(r.out, "0001_users") > strings.Index(r.out, "0002_rename") {
		t.Errorf("not in name order\n%s", r)
	}
	if r := e.ok(args("plan", e.dir+"/0002_rename.sql"), "-- migration 0002_rename\n"); strings.Contains(r.out, "migration 0001_users") {
		t.Errorf("want the named file alone\n%s", r)
	}
}

func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.write("0001_users.sql", createUsers)
	e.write("0002_rename.sql", renameEmail)
	r := e.ok(args("plan", "-format", "json", e.dir))
	var plans []plan.Plan
	if err := json.Unmarshal([]byte(r.out), &plans); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if len(plans) != 2 || plans[1].Migration.Name != "0002_rename" || !plans[1].Rendered() || len(plans[1].Fills) != 1 {
		t.Errorf("want two plans, the second with a backfill\n%s", r)
	}
}

func TestPlanWriteLeavesWhatIsUnchanged(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.write("0001_users.sql", createUsers)
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("plan", "-write", e.dir), "wrote      "+e.dir+"/0001_users.plan.json", "wrote      "+e.dir+"/0002_rename.plan.json")

	// A directory's plans in front of the first change stay as they were reviewed.
	rendered := e.read("0001_users.plan.json")
	e.write("0001_users.plan.json", strings.Replace(rendered, `"title": "`, `"title": "as reviewed: `, 1))
	e.write("0002_rename.sql", "-- now with a comment\n"+renameEmail)
	e.write("0003_more.sql", "ALTER TABLE users ADD COLUMN note text;\n")
	e.ok(args("plan", "-write", e.dir), "unchanged  "+e.dir+"/0001_users.plan.json", "wrote      "+e.dir+"/0002_rename.plan.json", "wrote      "+e.dir+"/0003_more.plan.json")
	if !strings.Contains(e.read("0001_users.plan.json"), "as reviewed") {
		t.Error("0001_users.plan.json was written although its migration did not change")
	}
	// A file that is named is planned anew; another patch release alone is no change.
	e.ok(args("plan", "-write", e.dir+"/0001_users.sql"), "wrote      "+e.dir+"/0001_users.plan.json")
	elsewhere := strings.Replace(rendered, `"server": "PostgreSQL`, `"server": "Another PostgreSQL`, 1)
	e.write("0001_users.plan.json", elsewhere)
	e.ok(args("plan", "-write", e.dir+"/0001_users.sql"), "unchanged  "+e.dir+"/0001_users.plan.json")
	if e.read("0001_users.plan.json") != elsewhere {
		t.Error("0001_users.plan.json was written although nothing but the server's name differs")
	}
}

func TestPlanWithoutAServerHoldsChangesOnly(t *testing.T) {
	t.Parallel()
	e := &env{t: t, dir: t.TempDir(), add: []string{scratch.EnvSource + "=container", "DOCKER_HOST=tcp://127.0.0.1:1"}}
	e.write("0001_users.sql", createUsers)
	e.ok(args("plan", "-write", e.dir), "hold changes only", "wrote")
	p, err := plan.Decode([]byte(e.read("0001_users.plan.json")))
	if err != nil || p.Rendered() || len(p.Migration.Statements) != 1 {
		t.Errorf("want a plan with its change and no steps, got %+v, %v", p, err)
	}
}

func TestPlanAgainstALiveDatabase(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.inUse()
	e.exec(`ALTER TABLE users ADD COLUMN only_here text`)
	e.write("0002_rename.sql", renameEmail)
	e.write("0003_again.sql", "ALTER TABLE users RENAME COLUMN email_address TO mail;\n")
	e.write("0004_orders.sql", "CREATE TABLE orders (id bigint PRIMARY KEY);\n")
	r := e.want(1, args("plan", "-write", "-dsn", e.db.DSN, e.dir), "0001_users: the database has it already (it is complete)",
		"0003_again builds on 0002_rename, which this database does not have yet", "wrote      "+e.dir+"/0002_rename.plan.json", "wrote      "+e.dir+"/0004_orders.plan.json")
	if !strings.Contains(e.read("0002_rename.plan.json"), "only_here") {
		t.Errorf("want the live database's facts in the plan\n%s", r)
	}
	e.ok(args("status"), "0001_users")
	if r := e.run("status"); strings.Contains(r.out, "0002") {
		t.Errorf("planning ran something\n%s", r)
	}
}

func TestPlanFromADump(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.write("0001_users.sql", createUsers)
	e.write("0002_rename.sql", renameEmail)
	e.write("0003_again.sql", "ALTER TABLE users RENAME COLUMN email_address TO mail;\n")
	e.write("dump", `--
-- PostgreSQL database dump
--
\restrict abc
SET statement_timeout = 0;
SET transaction_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.users (
    id bigint NOT NULL,
    email character varying(200) NOT NULL
);
ALTER TABLE public.users OWNER TO somebody_unknown_here;
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
GRANT SELECT ON TABLE public.users TO somebody_unknown_here;
\unrestrict abc
`)
	e.ok(args("plan", "-schema", e.dir+"/dump", e.dir+"/0002_rename.sql", e.dir+"/0003_again.sql"),
		"character varying(200)", "-- migration 0003_again\n", "6 lines about owners")
	e.write("broken", "CREATE TABLE a (id int);\n\nCREATE TABLE b (id nosuchtype);\n")
	e.want(1, args("plan", "-schema", e.dir+"/broken", e.dir+"/0002_rename.sql"), "line 3: ", "nosuchtype")
}

func TestPlanOfAnotherServerVersion(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.write("0001_users.sql", createUsers)
	e.want(1, args("plan", "-server-version", "9", e.dir), "-server-version 9: the scratch server is PostgreSQL")
}

func TestPlanNamesFileLineAndStatement(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.write("0001_users.sql", createUsers+"\nALTER TABEL users;\n")
	e.write("0002_kind.sql", "ALTER TABLE users CLUSTER ON users_pkey;\n")
	e.want(1, args("plan", e.dir), "0001_users.sql:3: statement 2: unreadable", "0002_kind.sql:1: statement 1: ")
}
