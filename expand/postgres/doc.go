// Package postgres reads migration files written in PostgreSQL's DDL.
//
// # Reading
//
// [Parser] turns the text of a file into the changes that it means. It needs no
// database, and it uses the server's own grammar. It judges by the text alone:
// what a column's type is, or whether a table exists, is asked of the catalog
// when the changes become steps.
//
// # What is planned
//
//   - ALTER TABLE … RENAME COLUMN, with `-- phased:up`, `-- phased:down` and
//     `-- phased:serialize-inserts` beside it
//   - ALTER TABLE … RENAME TO
//   - ALTER TABLE … ADD COLUMN, nullable or with a default
//   - ALTER TABLE … DROP COLUMN
//   - CREATE TABLE
//   - CREATE INDEX, which is always built without blocking writes
//
// Any other statement is an error that says why, and what to write instead. With
// `-- phased:as-written reason="…"` on the line before, a statement runs
// unchanged, unless the server refuses it within a transaction.
//
// # Errors
//
// An error is a *plan.InputError with file, line and statement. Nothing that the
// parser cannot read is passed over.
//
// # Building
//
// The grammar is C, so this package needs cgo. Code that runs in production reads
// plan files, and does not import it.
package postgres
