package pgquery

// Node is what a statement says, for the kinds that can be planned.
type Node interface{ node() }

// Relation names a table, view or index as the statement does.
type Relation struct {
	Catalog, Schema, Name string
	Only                  bool // ONLY name: without the tables that inherit from it
}

// AlterTable is ALTER TABLE and its like for views, indexes, …
type AlterTable struct {
	Object   string // "TABLE", "VIEW", "MATERIALIZED VIEW", "INDEX", "SEQUENCE", …
	Relation Relation
	IfExists bool
	Clauses  []Clause
}

// Clause is one of the comma separated parts of ALTER TABLE.
type Clause struct {
	Words       string // in SQL's words: "ALTER COLUMN … SET NOT NULL"
	Column      string // that it names, if it names one
	Add         *Column
	Drop        bool // it drops Column
	Cascade     bool
	IfExists    bool // of what it drops
	IfNotExists bool // of what it adds
}

// Column is a column's definition in ADD COLUMN. Texts are as the parser writes
// them back, which gives the same tree when read again.
type Column struct {
	Name    string
	Type    string
	Serial  bool // serial and its like are no types, but a sequence and a default
	Set     bool // SETOF type, or type%TYPE
	Collate string
	Default string
	Null    bool
	NotNull bool
	Others  []string // what else it says, in SQL's words: "PRIMARY KEY"
}

// Rename is every ALTER … RENAME.
type Rename struct {
	Object   string // what is renamed: "COLUMN", "TABLE", "CONSTRAINT", "INDEX", …
	Of       string // what a column or constraint belongs to: "TABLE", "VIEW", …
	Relation Relation
	IfExists bool
	From, To string
}

// CreateTable is CREATE TABLE, but for CREATE TABLE AS.
type CreateTable struct {
	Relation    Relation
	IfNotExists bool
	Temporary   bool
	Inherits    bool
	PartitionOf bool
}

// CreateIndex is CREATE INDEX.
type CreateIndex struct {
	Relation    Relation
	Name        string
	Unique      bool
	IfNotExists bool
	Definition  string // what follows the table: "USING btree (lower(email)) WHERE active"
}

// Select is a query. Columns is 0 for one that does more than give values.
type Select struct{ Columns int }

func (*AlterTable) node()  {}
func (*Rename) node()      {}
func (*CreateTable) node() {}
func (*CreateIndex) node() {}
func (*Select) node()      {}
