// Package myquery reads the SQL of MySQL and MariaDB with TiDB's grammar, and hands it
// on in types of its own.
//
// It is the only package that imports github.com/pingcap/tidb/pkg/parser: no parser
// type leaves it, and nothing that production code needs may import it. It tells what
// a statement says; whether that can be planned is for expand/mysql to judge.
//
// The grammar is that of a third server. So statements are split, and named by their
// first words, without it; what it does not know and both servers do (types, character
// sets, expressions as defaults) is covered while it reads; and what it reads and
// forgets never gets lost, because the texts that travel on are cut from the file.
package myquery
