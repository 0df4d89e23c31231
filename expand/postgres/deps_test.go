package postgres

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/phasedb/phased"

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list %v: %s", args, exit.Stderr)
		}
		t.Fatalf("go list %v: %v", args, err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func isParser(path string) bool {
	return strings.Contains(path, "pg_query_go") || strings.Contains(path, "pingcap/tidb")
}

// Most Go services are built with CGO_ENABLED=0, and none wants a parser in its
// binary: what production imports has to do without. A package that is missing
// fails the test, so that nothing is left out by a new name.
func TestProductionHasNoParser(t *testing.T) {
	for _, pkg := range []string{"expand", "backfill", "contract", "compat"} {
		t.Run(pkg, func(t *testing.T) {
			for _, p := range goList(t, "-deps", module+"/"+pkg) {
				if isParser(p.ImportPath) || p.ImportPath == module+"/internal/pgquery" {
					t.Errorf("%s reaches %s", pkg, p.ImportPath)
				}
			}
		})
	}
}

// Parsers are leaves: one package imports the parser of PostgreSQL, and one may
// use that package, so that no parser type travels further.
func TestParserIsALeaf(t *testing.T) {
	users := map[string][]string{}
	for _, p := range goList(t, module+"/...") {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if strings.Contains(path, "pg_query_go") || path == module+"/internal/pgquery" {
				users[path] = append(users[path], strings.TrimPrefix(p.ImportPath, module+"/"))
			}
		}
	}
	for path, by := range users {
		want := "internal/pgquery"
		if path == module+"/internal/pgquery" {
			want = "expand/postgres"
		}
		for _, user := range by {
			if user != want {
				t.Errorf("%s is imported by %s, want %s alone", path, user, want)
			}
		}
	}
	if len(users) < 2 {
		t.Errorf("the parser is imported nowhere: %v", users)
	}
}
