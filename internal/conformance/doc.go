// Package conformance holds the tests that every family of servers has to pass alike:
// what the public packages promise, in SQL that all of them understand.
package conformance
