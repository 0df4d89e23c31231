package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand"
)

// TestRenameLife leads a rename through its whole life by the command alone, with
// plan files, as a team would that plans in review and runs in production.
func TestRenameLife(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.write("0001_users.sql", createUsers)
	e.ok(args("status"), "phased has not been used in this database yet", "next: phased up DIR")
	e.inUse()
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("plan", "-write", e.dir), "wrote")
	e.ok(args("up", e.dir), "0002_rename  expanded", "next: phased backfill")
	e.ok(args("up", e.dir), "nothing to do", "next: phased backfill")
	e.ok(args("status"), "0002_rename  expanded", "backfill has not begun", "next: phased backfill")

	e.exec(`INSERT INTO users (id, email) VALUES (2001, 'old code')`)
	e.exec(`INSERT INTO users (id, email_address) VALUES (2002, 'new code')`)
	e.ok(args("pause", "0002_rename"), "0002_rename is paused", "phased resume")
	e.ok(args("status"), "expanded, paused")
	e.ok(args("resume"), "everything is resumed")
	e.ok(args("backfill", "-target", "50ms", "0002_rename"), "1000 filled", "verified: 0002_rename", "next: phased contract -dry-run DIR")
	e.exec(`DO $$ BEGIN ASSERT (SELECT count(*) = 1002 FROM users WHERE email = email_address); END $$`)

	// Without the line nothing may go.
	e.want(1, args("contract", "-dry-run", "-soak", "3m", "-apps", "phased", e.dir), "0002_rename", "NOT MET")
	e.want(1, args("contract", "-soak", "3m", "-apps", "phased", e.dir), "0002_rename", "NOT MET")
	e.ok(args("status"), "0002_rename  verified")

	// With the line, the builds without it (this command, a moment ago) are too near.
	e.write("0003_contract.sql", "-- phased:contract 0002_rename\n")
	e.ok(args("up", e.dir), "0003_contract  complete")
	e.want(1, args("contract", "-dry-run", "-soak", "3m", "-apps", "phased", e.dir), "0002_rename", "NOT MET register", "met line", "met verification")

	// When those have been gone for the soak, and no write came from the old side, it goes:
	// the command itself is the running build that embeds the line.
	e.exec(`UPDATE phased.instance SET seen_at = seen_at - interval '1 hour'`)
	e.exec(`UPDATE phased.evidence SET changed_at = changed_at - interval '1 hour'`)
	e.ok(args("contract", "-dry-run", "-soak", "3m", "-apps", "phased", e.dir), "which every gate allows")
	e.ok(args("status"), "0002_rename  verified")
	e.ok(args("contract", "-soak", "3m", "-apps", "phased", e.dir), "0002_rename is hidden", "-drop drops")
	e.ok(args("status"), "0002_rename  hidden")

	// Hidden for a moment only, unless somebody knows better and says why.
	e.want(1, args("contract", "-soak", "3m", "-drop", e.dir), "NOT MET soak", "hidden for")
	e.ok(args("contract", "-dry-run", "-drop", "-assume-gone", "a test", e.dir), "skipped soak")
	e.ok(args("contract", "-drop", "-assume-gone", "a test", e.dir), "0002_rename is dropped")
	e.ok(args("status"), "reason given: assumed gone: a test")
	e.ok(args("status"), "0002_rename  dropped")
	e.exec(`DO $$ BEGIN ASSERT (SELECT string_agg(column_name, ',' ORDER BY ordinal_position) = 'id,email_address' FROM information_schema.columns WHERE table_name = 'users'); END $$`)
	e.want(1, args("rollback", "0002_rename"), "there is no way back")
	e.ok(args("contract", "-soak", "3m", "-apps", "phased", e.dir), "nothing to contract")
}

func TestRollbackAndResume(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.inUse()
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("up", e.dir))
	e.exec(`INSERT INTO users (id, email_address) VALUES (2002, 'new code')`)
	e.ok(args("rollback", "0002_rename"), "0002_rename is rolled back (it was expanded), in ", "phased resume 0002_rename")
	e.exec(`DO $$ BEGIN ASSERT (SELECT email = 'new code' FROM users WHERE id = 2002); END $$`)
	e.ok(args("rollback", "0002_rename"), "was rolled back already")
	e.ok(args("up", e.dir), "nothing to do", "0002_rename is rolled back and was left alone")
	e.ok(args("resume", "0002_rename"), "0002_rename is resumed")
	e.ok(args("up", e.dir), "0002_rename  expanded")
}

// A reviewed plan runs as it stands, although the command could render one itself.
func TestPlanFilesAreWhatRuns(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.inUse()
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("plan", "-write", e.dir))
	e.write("0002_rename.plan.json", strings.Replace(e.read("0002_rename.plan.json"), `"title": "add column email_address`, `"title": "as reviewed: add column email_address`, 1))
	e.ok(args("up", "-v", e.dir), "as reviewed")
}

// An interrupted backfill says that the next one goes on. The pause is what it
// waits in, so that the signal finds it at work.
func TestInterruptedBackfill(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.inUse()
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("up", e.dir))
	e.ok(args("pause"), "everything is paused")
	cmd := e.command("backfill")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.Contains(lines.Text(), "waiting for `phased resume 0002_rename`") {
		t.Errorf("want it to say that it waits, got %q", lines.Text())
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), "phased backfill: interrupted; running it again goes on where it stopped") {
		t.Errorf("want it to say that it was interrupted, got %q", lines.Text())
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("want exit code 1, got %v", err)
	}
	e.ok(args("resume", "0002_rename"))
	e.ok(args("backfill", "-workers", "2"), "1000 filled", "verified: 0002_rename")
}

func TestStalePlanFile(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.inUse()
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("plan", "-write", e.dir))
	e.write("0002_rename.sql", strings.Replace(renameEmail, "email_address", "mail", 1))
	e.want(1, args("up", e.dir), "0002_rename.sql: it changed after its plan was written", "phased plan -write")
}

func TestPlanOfAnotherCatalog(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.inUse()
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("plan", "-write", e.dir))
	e.exec(`ALTER TABLE users ALTER COLUMN email DROP NOT NULL`)
	e.want(1, args("up", e.dir), "the database is not what its plan assumes, nothing was changed", "phased plan -write -dsn")
	e.ok(args("plan", "-write", "-dsn", e.db.DSN, e.dir), "wrote      "+e.dir+"/0002_rename.plan.json")
	e.ok(args("up", e.dir), "0002_rename  expanded")
}

func TestStatusAsJSON(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var s struct {
		Used       bool
		Migrations []struct {
			Name  string
			State expand.State
		}
		Instances []any
		Backfills []struct{ Migration, State, Column string }
	}
	decode := func() {
		t.Helper()
		r := e.ok(args("status", "-format", "json"))
		if err := json.Unmarshal([]byte(r.out), &s); err != nil {
			t.Fatalf("%v\n%s", err, r)
		}
	}
	if decode(); s.Used || s.Migrations == nil || s.Backfills == nil || s.Instances == nil {
		t.Errorf("want empty lists for an unused database, got %+v", s)
	}
	e.inUse()
	e.write("0002_rename.sql", renameEmail)
	e.ok(args("up", e.dir))
	decode()
	if !s.Used || len(s.Migrations) != 2 || s.Migrations[1].State != expand.StateExpanded || len(s.Backfills) != 1 || s.Backfills[0].Column != "email_address" {
		t.Errorf("got %+v", s)
	}
}

func TestUnknownMigration(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.inUse()
	for _, verb := range []string{"rollback", "backfill", "pause", "resume"} {
		e.want(1, args(verb, "0009_nothing"), "phased "+verb+": ", "0009_nothing", "no such migration in this database")
	}
	e.want(1, args("baseline", e.dir, "0009_nothing"), "no such migration among the files")
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.exec(createUsers)
	e.write("0001_users.sql", createUsers)
	e.write("0002_rename.sql", renameEmail)
	e.want(1, args("up", e.dir), "phased baseline -dsn")
	e.ok(args("baseline", e.dir, "0001_users"), "1 migrations count as done, 1 are pending", "next: phased up "+e.dir)
	e.ok(args("up", e.dir), "0002_rename  expanded")
	e.ok(args("status"), "0001_users   baseline")
}

// The demo runs plan files, so what is committed has to be what is written today.
func TestExamplesPlansAreCurrent(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	if err := os.CopyFS(e.dir, os.DirFS("../rename/migrations/postgres")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(e.dir + "/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	if r := e.ok(append(args("plan", "-write"), files...), "unchanged"); strings.Contains(r.out, "wrote") {
		t.Errorf("the plan files of examples/rename are not what `phased plan -write` writes\n%s", r)
	}
}
