// Package bench measures what phased costs on a real server. It holds benchmarks
// only; `make bench` runs them and prints tables of ratios.
//
// Everything is measured in pairs: the same work with and without, in turns, on the
// same server and the same minute, so that a busy machine disturbs both alike. A
// control measures nothing against nothing and shows the noise.
package bench
