// Package mysql reads migration files written in the DDL of MySQL and MariaDB.
//
// # Reading
//
// [Parser] turns the text of a file into the changes that it means. It needs no
// database, and judges by the text alone: what a column's type is, or whether a table
// exists, is asked of the catalog when the changes become steps. One parser serves both
// servers: their files are written in the same way, and what only one of them knows
// (a type, a character set, an invisible index) that server tells.
//
// A file is read as under the default sql_mode: a backslash in a string takes the next
// character, and what stands in double quotes is a string. Write names in backticks.
// Lines that begin with "-- " and "#" are comments, and both may hold directives. A
// comment that is code to some servers (/*!80016 … */, /*M! … */) is taken by
// as-written statements only. DELIMITER belongs to a client and is refused: a semicolon
// within BEGIN … END, IF … END IF and their like ends no statement.
//
// # What is planned
//
//   - ALTER TABLE … RENAME COLUMN, with `-- phased:up` and `-- phased:down` beside it
//   - ALTER TABLE … RENAME, and RENAME TABLE, of several tables as well
//   - ALTER TABLE … ADD COLUMN, nullable or with a default, several of them as well
//   - ALTER TABLE … DROP COLUMN
//   - CREATE TABLE, kept as it is written
//   - CREATE INDEX, and ALTER TABLE … ADD INDEX and ADD UNIQUE, with a name
//
// One ALTER TABLE may hold several of these. Its ALGORITHM and LOCK may stand there
// where they stop no writes (INSTANT, NOCOPY, INPLACE, NONE, DEFAULT), and have no
// effect: each step asks for the gentlest way by itself, and fails where there is none.
//
// Any other statement is an error that says why, and what to write instead. With
// `-- phased:as-written reason="…"` on the line before, a statement runs unchanged,
// also one that cannot be read here, unless it would change the session or end a
// transaction.
//
// # Columns
//
// What ADD COLUMN says is passed on in the words of the file, without comments. COLLATE
// and DEFAULT have fields of their own; the character set, COMMENT and ON UPDATE
// CURRENT_TIMESTAMP belong to the type: plan.AddColumn's Type is "timestamp ON UPDATE
// CURRENT_TIMESTAMP COMMENT 'last change'". FIRST and AFTER are refused, because the
// order of columns is not kept, and so is what builds an index or a constraint.
//
// # Expressions
//
// The expressions of `-- phased:up` and `-- phased:down` are read over the one column
// that they follow from. What could give another value the next time is refused:
// queries, variables, other columns, and every function but those of the server that
// depend on their arguments alone. A stored function is none of these.
//
// # Errors
//
// An error is a *plan.InputError with file, line and statement. The grammar is that of
// TiDB, which is near MySQL's: a statement that it cannot read, although the server
// would, is an error that says "unreadable", with as-written as the way out. Nothing
// is passed over.
//
// # Building
//
// The package needs no cgo. Code that runs in production reads plan files, and does
// not import it.
package mysql
