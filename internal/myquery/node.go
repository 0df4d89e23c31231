package myquery

// Node is what a statement says, for the kinds that can be planned.
type Node interface{ node() }

// Relation names a table or view as the statement does. Schema is the database.
type Relation struct{ Schema, Name string }

// AlterTable is ALTER TABLE.
type AlterTable struct {
	Relation Relation
	Ignore   bool // ALTER IGNORE TABLE
	Clauses  []Clause
}

// Clause is one of the comma separated parts of ALTER TABLE.
type Clause struct {
	Words string // in SQL's words: "DROP INDEX"

	Add    *Column
	Index  *CreateIndex // but for its relation
	Drop   string       // the column that it drops
	Rename *Relation    // the table's new name
	// From and To are the columns of RENAME COLUMN, and of CHANGE, where they may be the same.
	From, To string
	Change   bool // it is CHANGE
	Gentle   bool // ALGORITHM or LOCK in a form that stops no writes, which is asked for anyway

	Cascade     bool
	IfExists    bool // of what it drops
	IfNotExists bool // of what it adds
}

// Column is a column's definition in ADD COLUMN, as texts of the statement.
type Column struct {
	Name     string
	Type     string // with character set and attributes: "varchar(10) CHARACTER SET ascii"
	Serial   bool   // SERIAL is no type, but a type, a default and an index
	Collate  string
	Default  string
	OnUpdate string // "CURRENT_TIMESTAMP"
	Comment  string // with its quotes
	Null     bool
	NotNull  bool
	Position string   // "FIRST" or "AFTER"
	Others   []string // what else it says, in SQL's words: "PRIMARY KEY"
}

// RenameTable is RENAME TABLE: old and new names in pairs.
type RenameTable struct{ From, To []Relation }

// CreateTable is CREATE TABLE.
type CreateTable struct {
	Relation    Relation
	IfNotExists bool
	Like        bool // another table
	AsSelect    bool
}

// CreateIndex is CREATE INDEX and ALTER TABLE … ADD INDEX.
type CreateIndex struct {
	Relation    Relation
	Name        string
	Constraint  bool // named as a constraint and as an index
	Unique      bool
	IfNotExists bool
	Rough       string // ALGORITHM or LOCK in a form that stops writes
	Definition  string // what follows the table: "(`a`, `b`(10) DESC) USING BTREE"
	Others      []string
}

func (*AlterTable) node()  {}
func (*RenameTable) node() {}
func (*CreateTable) node() {}
func (*CreateIndex) node() {}
