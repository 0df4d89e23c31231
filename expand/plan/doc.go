// Package plan holds the data of a schema change: the changes that somebody
// meant, and the plan they become.
//
// A plan is data. It prints as annotated SQL ([Plan.SQL]), goes through JSON
// unchanged, and can be run by any tool; package expand is the first one. This
// package imports no SQL parser and no database driver.
package plan
