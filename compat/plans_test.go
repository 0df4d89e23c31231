package compat_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phasedb/phased/compat"
	"github.com/phasedb/phased/expand/postgres"
)

// recorder is a test that notes what it is told. Fatal ends it by a panic, which
// verdict catches.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper()           {}
func (r *recorder) Error(args ...any) { r.said = append(r.said, fmt.Sprintln(args...)) }
func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	panic(r)
}

// verdict runs AssertPlans as a test of its own would.
func verdict(t *testing.T, dir string) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		compat.AssertPlans(r, dir, postgres.Parser())
	}()
	return strings.Join(r.said, "")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAssertPlansTellsMissingAndStalePlans(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "0001_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL);\n")
	write(t, dir, "0002_rename.sql", "ALTER TABLE users RENAME COLUMN email TO email_address;\n")
	if said := verdict(t, dir); !strings.Contains(said, "0001_users.plan.json") || !strings.Contains(said, "0002_rename.plan.json") || !strings.Contains(said, "phased plan -write") {
		t.Errorf("without plan files it says %q", said)
	}
	t.Setenv("PHASED_UPDATE", "1")
	if said := verdict(t, dir); said != "" {
		t.Fatalf("writing the files: %s", said)
	}
	t.Setenv("PHASED_UPDATE", "")
	if said := verdict(t, dir); said != "" {
		t.Fatalf("fresh plans: %s", said)
	}
	// The SQL of the second did not change, but what it rests on did.
	write(t, dir, "0001_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email varchar(99) NOT NULL);\n")
	said := verdict(t, dir)
	if !strings.Contains(said, "0001_users.plan.json is stale:\n  - its SQL changed") || !strings.Contains(said, `0002_rename.plan.json is stale`) || !strings.Contains(said, "character varying(99)") {
		t.Errorf("stale plans: %s", said)
	}
	write(t, dir, "0002_rename.sql", "ALTER TABLE users RENAME COLUMN nothing TO email_address;\n")
	if said := verdict(t, dir); !strings.Contains(said, "0002_rename.sql:1: statement 1") {
		t.Errorf("bad input: %s", said)
	}
}
