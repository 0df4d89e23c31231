package compat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
)

// AssertPlans fails t where a migration of the directory has no plan file, or one
// that is not what its SQL gives: the SQL changed, an earlier migration changed the
// tables it rests on, or a later release of phased plans it better. The plans are
// made on a scratch PostgreSQL, from the directory alone; [AssertPlansOn] is for
// other servers.
//
// With -update (where the test binary has such a flag) or PHASED_UPDATE=1 the files
// are written instead. Review the difference like code.
//
//	func TestPlans(t *testing.T) { compat.AssertPlans(t, "migrations", postgres.Parser()) }
func AssertPlans(t testing.TB, dir string, parser expand.Parser) {
	t.Helper()
	AssertPlansOn(t, plan.DialectPostgres, dir, parser)
}

// AssertPlansOn is [AssertPlans] for any dialect. MySQL and MariaDB have one parser, and
// different plans.
//
//	compat.AssertPlansOn(t, plan.DialectMariaDB, "migrations", mysql.Parser())
func AssertPlansOn(t testing.TB, d plan.Dialect, dir string, parser expand.Parser) {
	t.Helper()
	db := scratch.On(t, d)
	plans, err := expand.Compile(t.Context(), db.DB, os.DirFS(dir), expand.Config{Parser: parser, Direct: db.PastPooler()})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		file := filepath.Join(dir, p.Migration.Name+".plan.json")
		if updating() {
			if err := write(file, p); err != nil {
				t.Error(err)
			}
			continue
		}
		if err := compare(file, p); err != nil {
			t.Error(err)
		}
	}
}

func updating() bool {
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		return true
	}
	return os.Getenv("PHASED_UPDATE") != ""
}

// write leaves a file alone that says the same.
func write(file string, p *plan.Plan) error {
	if compare(file, p) == nil {
		return nil
	}
	b, err := p.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// compare tells a stale plan file. The server that made it does not matter: the
// facts do.
func compare(file string, want *plan.Plan) error {
	const again = "run the test with PHASED_UPDATE=1, or `phased plan -write`, and review the difference"
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w; %s", err, again)
	}
	have, err := plan.Decode(raw)
	if err != nil {
		return fmt.Errorf("%s: %w; %s", file, err, again)
	}
	have.Server = want.Server
	a, err := have.Encode()
	if err != nil {
		return err
	}
	b, err := want.Encode()
	if err != nil {
		return err
	}
	if string(a) == string(b) {
		return nil
	}
	diff := plan.DiffFacts(have.Facts, want.Facts)
	if have.Migration.Checksum != want.Migration.Checksum {
		diff = append([]string{"its SQL changed"}, diff...)
	}
	if len(diff) == 0 {
		diff = firstDifference(string(a), string(b))
	}
	return fmt.Errorf("%s is stale:\n  - %s\n%s", file, strings.Join(diff, "\n  - "), again)
}

// firstDifference shows the first line in which two files differ.
func firstDifference(have, want string) []string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return []string{fmt.Sprintf("line %d is %s, want %s", i+1, strings.TrimSpace(a[i]), strings.TrimSpace(b[i]))}
		}
	}
	return []string{fmt.Sprintf("it has %d lines, want %d", len(a), len(b))}
}
