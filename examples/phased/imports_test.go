package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The command proves that the public API is enough, and the demo that a service
// needs no parser, which is C.
func TestExamplesImportWhatEverybodyCan(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-test", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		from, imports, _ := strings.Cut(line, " ")
		for _, path := range strings.Fields(imports) {
			if strings.Contains(path, "phased/internal/") {
				t.Errorf("%s imports %s", from, path)
			}
		}
	}
	out, err = exec.Command("go", "list", "-deps", "../rename").Output()
	if err != nil {
		t.Fatal(err)
	}
	if deps := string(out); strings.Contains(deps, "pg_query") || strings.Contains(deps, "expand/postgres") || strings.Contains(deps, "expand/mysql") || !strings.Contains(deps, "phased/expand\n") {
		t.Error("examples/rename reaches a parser, or not the library")
	}
}
