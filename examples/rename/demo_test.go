package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

// small is the demo on a small table.
func small(f *family) options {
	return options{family: f, rows: 20_000, lanes: 3, rate: 600, alone: 300e6}
}

// each runs a test for every kind of server; MySQL is left out where there is none.
func each(t *testing.T, fn func(t *testing.T, f *family)) {
	t.Parallel()
	for name, f := range families {
		if f.dialect == plan.DialectMySQL && !scratch.Available(f.dialect) {
			t.Log("no MySQL at hand: left out")
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, f)
		})
	}
}

func server(t *testing.T, f *family) *scratch.Server {
	t.Helper()
	if f.dialect == plan.DialectPostgres && os.Getenv(scratch.EnvPooler) != "" {
		// Its clients keep prepared statements, which PgBouncer before 1.21 does not know.
		return scratch.PostgresServer(t, scratch.Config{Pooler: scratch.PoolerNone})
	}
	scratch.On(t, f.dialect) // skips or fails where there is no server
	s, err := scratch.SharedOf(t.Context(), f.dialect)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDemo plays the demo on a small table: no statement fails, no row is lost.
func TestDemo(t *testing.T) { each(t, testDemo) }

func testDemo(t *testing.T, f *family) {
	var out bytes.Buffer
	r, err := play(t.Context(), &out, server(t, f), small(f))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	r.print(&out)
	if r.failed() || len(r.acts) != 2 || len(r.acts[0].compared) != 2 || len(r.acts[1].compared) != 1 {
		t.Fatalf("want both acts without a failure\n%s", out.String())
	}
	for _, a := range r.acts {
		for _, v := range a.versions {
			if v.stats.writes == 0 {
				t.Errorf("%s: %s wrote nothing\n%s", a.name, v.name, out.String())
			}
		}
	}
	if r.acts[0].v2().stats.reads == 0 || r.acts[1].rollback == 0 {
		t.Errorf("v2 read nothing, or nothing was rolled back\n%s", out.String())
	}
	for _, want := range []string{"contract refuses, gate register", "hide column email", "drop email~hidden", "no statement failed, no row was lost or differs"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q\n%s", want, out.String())
		}
	}
}

// TestDemoSeesDamage proves that the demo's verdict can be the other one.
func TestDemoSeesDamage(t *testing.T) { each(t, testDemoSeesDamage) }

func testDemoSeesDamage(t *testing.T, f *family) {
	ctx := t.Context()
	var out bytes.Buffer
	a, err := newAct(ctx, &out, server(t, f), "damage", small(f))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close(context.WithoutCancel(ctx))
	a.stop()
	for i, damage := range []string{
		`UPDATE users SET email = 'somebody@example.com' WHERE id = (SELECT id FROM (SELECT min(id) AS id FROM users) u)`,
		`UPDATE users SET n = n + 1 WHERE id = (SELECT id FROM (SELECT max(id) AS id FROM users) u)`,
		`DELETE FROM users WHERE id = (SELECT id FROM (SELECT id FROM users ORDER BY id LIMIT 1 OFFSET 5) u)`,
		`INSERT INTO users (id, email, name) VALUES (-1, 'nobody@example.com', 'Nobody')`,
	} {
		if _, err := a.db.DB.ExecContext(ctx, damage); err != nil {
			t.Fatal(err)
		}
		c, err := a.load.compare(ctx, a.db.DB, "email")
		if want := int64(i + 1); err != nil || c.differing != want {
			t.Errorf("after %q: %d rows differ, want %d; %v", damage, c.differing, want, err)
		}
	}
	if err := a.compare(ctx, "after damage", "email"); err != nil {
		t.Fatal(err)
	}
	if !(&result{acts: []*act{a}}).failed() {
		t.Error("a table that is not what the journals say counts as success")
	}
}

// The files of version 1 are a part of version 2's.
func TestVersionsKnowTheirFiles(t *testing.T) { each(t, testVersionsKnowTheirFiles) }

func testVersionsKnowTheirFiles(t *testing.T, f *family) {
	db := scratch.On(t, f.dialect)
	for _, c := range []struct {
		name, column string
		want         []string
		lines        []string
	}{
		{"v1", "email", []string{"0001_create_users"}, nil},
		{"v2", "email_address", []string{"0001_create_users", renameEmail, "0003_contract_email"}, []string{renameEmail}},
	} {
		files := filesV1
		if c.name == "v2" {
			files = filesV2
		}
		v, err := newVersion(c.name, c.column, f, db.DSN, files)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.migrator.Names(); strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s embeds %v, want %v", c.name, got, c.want)
		}
		if got := v.migrator.Lines(); strings.Join(got, " ") != strings.Join(c.lines, " ") {
			t.Errorf("%s embeds the lines %v, want %v", c.name, got, c.lines)
		}
		v.close(t.Context())
	}
}
