// Package expand turns a schema change into a plan of three phases and runs the
// first of them at a service's start, safely, when any number of replicas start
// at once.
//
// # What you write
//
// A directory of .sql files in name order, each saying what is meant in the
// server's own DDL (`ALTER TABLE users RENAME COLUMN email TO email_address`).
// Beside each file stands its plan, compiled by `phased plan -write` and reviewed
// like code, so that the service needs no SQL parser. A service that links one
// anyway sets [Config.Parser] and needs no plan files.
//
// # What happens
//
//	m, err := expand.New(db, migrations, expand.Config{App: "billing", Version: "v42"})
//	if err != nil { … }            // bad input, with file, line and statement
//	if err := m.Up(ctx); err != nil { … }
//	defer m.Close(context.WithoutCancel(ctx))
//	http.Handle("/readyz", m.Ready())
//
// [Migrator.Up] runs the expand phase of everything pending: afterwards old and new
// code both work. Package backfill fills the new structure, package contract
// removes the old one once every gate allows it, and [Rollback] leads back at any
// time before that, in time that does not depend on the table's size.
//
// # When the old side may go
//
// A build that embeds the line `-- phased:contract 0007_rename_email` declares that
// it does not touch the old side of 0007. Every instance registers with the lines
// it embeds; contract waits for those that lack it. Without a line the old side
// stays in step for ever. On an empty database a migration whose line the build
// embeds goes to its end at once.
//
// # State
//
// Everything is kept in the user's database (schema phased on PostgreSQL). There is
// no dirty state: each step can ask the catalog whether it is already true, so
// running again is always the way on.
package expand
