package main

import (
	"testing"

	"github.com/phasedb/phased/compat"
	"github.com/phasedb/phased/expand/mysql"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/expand/postgres"
)

// What the demo runs is what is planned today.
func TestPlans(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		parser := mysql.Parser()
		if f.dialect == plan.DialectPostgres {
			parser = postgres.Parser()
		}
		compat.AssertPlansOn(t, f.dialect, "migrations/"+string(f.dialect), parser)
	})
}
