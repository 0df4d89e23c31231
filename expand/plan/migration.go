package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Migration is one migration file as it was meant: its changes, and what its
// comments say beside them. It can also be written as a Go value.
type Migration struct {
	Name       string      `json:"name"`     // the file's name without ".sql": it orders and identifies
	Checksum   string      `json:"checksum"` // of the SQL text, see Checksum
	SQL        string      `json:"-"`
	Statements []Statement `json:"statements"`
	Directives Directives  `json:"directives"`
}

// Directives is what a migration file says in `-- phased:` comments, apart from
// as-written, which belongs to the statement after it.
type Directives struct {
	// Contracts lists the migrations whose old side this build no longer touches
	// (`-- phased:contract NAME`).
	Contracts []string `json:"contracts,omitempty"`
	// Expressions are the `-- phased:up` and `-- phased:down` lines.
	Expressions []Expression `json:"expressions,omitempty"`
	// Accepts are the hazards that the author has looked at and accepts
	// (`-- phased:accept HAZARD reason="…"`).
	Accepts []Accept `json:"accepts,omitempty"`
	// SerializeInserts lists the columns of `-- phased:serialize-inserts TABLE.COLUMN`.
	SerializeInserts []ColumnName `json:"serialize_inserts,omitempty"`
}

// ColumnName is a column of a table, as written in a directive.
type ColumnName struct {
	Schema string `json:"schema,omitempty"`
	Table  string `json:"table"`
	Column string `json:"column"`
}

// String joins the parts with dots, unquoted.
func (c ColumnName) String() string { return Name{c.Schema, c.Table}.String() + "." + c.Column }

// Direction is the direction in which a value is carried.
type Direction string

// Up leads from the old side to the new one, Down back.
const (
	DirectionUp   Direction = "up"
	DirectionDown Direction = "down"
)

// Expression says how a column follows from the other side.
type Expression struct {
	Direction Direction  `json:"direction"`
	Column    ColumnName `json:"column"`
	SQL       string     `json:"sql"`
	Line      int        `json:"line"`
}

// Accept is a hazard named by preflight which the author accepts, and why.
type Accept struct {
	Hazard string `json:"hazard"`
	Reason string `json:"reason"`
	Line   int    `json:"line"`
}

// Accepted returns the reason given for accepting a hazard, and whether one was given.
func (d Directives) Accepted(hazard string) (string, bool) {
	for _, a := range d.Accepts {
		if a.Hazard == hazard {
			return a.Reason, true
		}
	}
	return "", false
}

// Checksum returns the checksum of a migration's SQL text. Line endings count as
// "\n", so that a checkout on another system does not change it.
func Checksum(sql string) string {
	norm := make([]byte, 0, len(sql))
	for i := 0; i < len(sql); i++ {
		if sql[i] == '\r' && i+1 < len(sql) && sql[i+1] == '\n' {
			continue
		}
		norm = append(norm, sql[i])
	}
	sum := sha256.Sum256(norm)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Parser turns the text of one migration file into changes. It needs no
// database. expand/postgres has the one for PostgreSQL, expand/mysql the one for
// MySQL and MariaDB. Errors name file, line and statement.
type Parser interface {
	Parse(file string, sql string) (*Migration, error)
}

// InputError is an error in a migration file.
type InputError struct {
	File      string
	Line      int // from 1; 0: the file as a whole
	Statement int // from 1; 0: the file as a whole
	Problem   string
	Way       string // the way out; may be empty
}

// Error says where and what, and the way out.
func (e *InputError) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	if e.Statement > 0 {
		s += fmt.Sprintf(": statement %d", e.Statement)
	}
	s += ": " + e.Problem
	if e.Way != "" {
		s += "; " + e.Way
	}
	return s
}
