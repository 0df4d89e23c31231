// Package compat holds assertions for unit tests: that what a build brings along
// fits the schema it will meet.
//
// In this release it checks that every migration has a plan file and that none is
// stale ([AssertPlans]). Checking the statements of old and new code against every
// phase comes later. It imports no SQL parser: the test passes one in.
package compat
