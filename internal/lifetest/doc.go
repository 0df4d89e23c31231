// Package lifetest tests whole lives of changes on real servers: old and new code
// write against a model while runner and backfill are killed and started again,
// stopped and continued, and rollback happens at random.
//
// Its programs are this package's own test binary, started again with a role: they
// are killed with SIGKILL, as a production process may be. What differs between the
// servers stands behind the interface family.
package lifetest
