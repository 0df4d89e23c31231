package postgres

import "github.com/phasedb/phased/expand/plan"

// migration makes a migration of Go values.
func migration(name string, changes ...plan.Change) *plan.Migration {
	m := &plan.Migration{Name: name, Checksum: plan.Checksum(name)}
	for _, c := range changes {
		m.Statements = append(m.Statements, plan.Statement{Change: c})
	}
	return m
}
