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
	Standard                           bool
	CgoFiles                           []string
	Imports, TestImports, XTestImports []string
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,CgoFiles,Imports,TestImports,XTestImports"}, args...)...)
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

// leaves are the parsers: one package imports each, and one may use that package.
var leaves = []struct{ parser, internal, public string }{
	{"github.com/pganalyze/pg_query_go", "internal/pgquery", "expand/postgres"},
	{"github.com/pingcap/tidb", "internal/myquery", "expand/mysql"},
}

func isParser(path string) bool {
	for _, l := range leaves {
		if strings.HasPrefix(path, l.parser) || path == module+"/"+l.internal {
			return true
		}
	}
	return false
}

// Most Go services are built with CGO_ENABLED=0, and none wants a parser in its
// binary: what production imports has to do without. A package that is missing
// fails the test, so that nothing is left out by a new name.
func TestProductionHasNoParser(t *testing.T) {
	for _, pkg := range []string{"expand", "expand/plan", "backfill", "contract", "compat"} {
		t.Run(pkg, func(t *testing.T) {
			for _, p := range goList(t, "-deps", module+"/"+pkg) {
				if isParser(p.ImportPath) {
					t.Errorf("%s reaches %s", pkg, p.ImportPath)
				}
			}
		})
	}
}

// A service on MySQL that reads its migrations itself builds without cgo, and has
// nothing of PostgreSQL's parser in it; nor the other way round.
func TestParsersAreApart(t *testing.T) {
	for _, l := range leaves {
		for _, p := range goList(t, "-deps", module+"/"+l.public) {
			if isParser(p.ImportPath) && !strings.HasPrefix(p.ImportPath, l.parser) && p.ImportPath != module+"/"+l.internal {
				t.Errorf("%s reaches %s", l.public, p.ImportPath)
			}
		}
	}
	for _, p := range goList(t, "-deps", module+"/expand/mysql") {
		if !p.Standard && len(p.CgoFiles) > 0 {
			t.Errorf("expand/mysql reaches %s, which needs cgo", p.ImportPath)
		}
	}
}

// Parsers are leaves: no parser type travels further than the package that imports
// the parser, and no parser's package further than the public one above it.
func TestParserIsALeaf(t *testing.T) {
	users := map[string][]string{}
	for _, p := range goList(t, module+"/...") {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, l := range leaves {
				by := strings.TrimPrefix(p.ImportPath, module+"/")
				switch {
				case strings.HasPrefix(path, l.parser):
					users[l.parser] = append(users[l.parser], by)
					if by != l.internal {
						t.Errorf("%s is imported by %s, want %s alone", path, by, l.internal)
					}
				case path == module+"/"+l.internal:
					users[l.internal] = append(users[l.internal], by)
					if by != l.public {
						t.Errorf("%s is imported by %s, want %s alone", path, by, l.public)
					}
				}
			}
		}
	}
	if len(users) < 2*len(leaves) {
		t.Errorf("a parser is imported nowhere: %v", users)
	}
}
