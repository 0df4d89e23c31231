// Package lockcheck names what a schema statement locks.
//
// It holds the lock modes that the steps of a plan carry (see
// github.com/phasedb/phased/expand). Reading DDL and predicting its locks,
// rewrites and scans is not part of this release.
package lockcheck
