package main

import (
	"database/sql"

	"github.com/phasedb/phased/expand/plan"
)

// family is what differs between database servers for the demo.
type family struct {
	name    string
	dialect plan.Dialect // its migrations are in migrations/DIALECT
	release func(version int) string
	open    func(dsn, program string) (*sql.DB, error) // program is the name that the server knows the client by

	texts  statements
	fill   string // its two arguments are the first and the last id; at most 100,000 rows
	settle string // what a table wants behind that

	// What an error says. A statement that was refused has written nothing; where there
	// was no answer, nobody knows.
	refused, noColumn func(error) bool
}

// statements are what the service sends. COLUMN is what its version knows.
type statements struct {
	insert      string // id, email, name
	updateEmail string // email, id
	updateName  string // name, id
	upsert      string // id, email, name
	remove      string // id
	read        string // id
}

// families are the choices of -db.
var families = map[string]*family{"postgres": &onPostgres, "mariadb": onMySQL(plan.DialectMariaDB), "mysql": onMySQL(plan.DialectMySQL)}
