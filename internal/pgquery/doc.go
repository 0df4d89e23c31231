// Package pgquery reads PostgreSQL's SQL with the server's own grammar (that of
// version 16) and hands it on in types of its own.
//
// It is the only package that imports github.com/pganalyze/pg_query_go, which is
// C: no parser type and no parser offset leaves it, and nothing that production
// code needs may import it. It tells what a statement says; whether that can be
// planned is for expand/postgres to judge.
package pgquery
