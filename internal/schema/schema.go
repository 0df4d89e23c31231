// Package schema is the catalog model: tables as a server describes them, free
// of any driver and any parser. It is filled from a live catalog; plans keep
// parts of it as the facts they rest on.
package schema

import "sort"

// Catalog is a set of tables by qualified name.
type Catalog struct {
	Tables []*Table `json:"tables"`
}

// Table returns the table of that schema and name, or nil.
func (c *Catalog) Table(schema, name string) *Table {
	if c == nil {
		return nil
	}
	for _, t := range c.Tables {
		if t.Schema == schema && t.Name == name {
			return t
		}
	}
	return nil
}

// Kind of relation.
type Kind string

// The kinds of relation that a name can lead to.
const (
	KindTable            Kind = "table"
	KindPartitionedTable Kind = "partitioned table"
	KindView             Kind = "view"
	KindMaterializedView Kind = "materialized view"
	KindForeignTable     Kind = "foreign table"
	KindOther            Kind = "other relation"
)

// Table is one relation with everything a plan has to know about it.
type Table struct {
	Schema      string       `json:"schema"`
	Name        string       `json:"name"`
	Kind        Kind         `json:"kind"`
	Columns     []Column     `json:"columns"`
	Indexes     []Index      `json:"indexes,omitempty"`
	Constraints []Constraint `json:"constraints,omitempty"`
	// ReferencedBy are foreign keys of other tables that point here.
	ReferencedBy []Constraint `json:"referenced_by,omitempty"`
	Triggers     []Trigger    `json:"triggers,omitempty"`
	// PartitionKey lists the columns of a partitioned table's key; an expression is "".
	PartitionKey []string `json:"partition_key,omitempty"`
	Parent       string   `json:"parent,omitempty"` // of a partition or an inheritance child
	IsPartition  bool     `json:"is_partition,omitempty"`
	HasChildren  bool     `json:"has_children,omitempty"` // inheritance children, not partitions
	RowSecurity  bool     `json:"row_security,omitempty"`
	// Collation is what a text column gets that is declared without one, on MySQL and MariaDB.
	Collation string `json:"collation,omitempty"`

	// What follows is read from a live catalog and is not part of a plan's facts.
	OID        uint32      `json:"-"`
	Owner      string      `json:"-"`
	Unlogged   bool        `json:"-"`
	Temporary  bool        `json:"-"`
	Dependents []Dependent `json:"-"`
	Engine     string      `json:"-"` // of MySQL and MariaDB
	Versioned  bool        `json:"-"` // the server keeps old versions of its rows
	MayAlter   bool        `json:"-"` // the connected role owns it or is a superuser
	Grants     []Grant     `json:"-"`
	Subscribed bool        `json:"-"` // filled by logical replication
	Prepared   []string    `json:"-"` // prepared transactions that hold a lock on it
}

// Column is a column of a table.
type Column struct {
	Name      string `json:"name"`
	Type      string `json:"type"`                // with its modifiers, qualified: "numeric(10,2)"
	Collation string `json:"collation,omitempty"` // quoted and qualified; empty: the type's own
	NotNull   bool   `json:"not_null,omitempty"`
	Default   string `json:"default,omitempty"` // an expression
	Identity  string `json:"identity,omitempty"`
	Generated string `json:"generated,omitempty"` // "stored", "virtual"
	OnUpdate  string `json:"on_update,omitempty"` // what an UPDATE that leaves it out writes
	Invisible bool   `json:"invisible,omitempty"` // left out of SELECT *

	// ImageEqual says that the type's = is identity: two values are equal only
	// when they are stored alike.
	ImageEqual bool `json:"image_equal,omitempty"`
	// DefaultClass says what evaluating Default twice gives.
	DefaultClass DefaultClass `json:"default_class,omitempty"`

	Number      int      `json:"-"`
	Comment     string   `json:"-"`
	DomainWith  string   `json:"-"` // "constraint" or "default": what a domain type brings along
	Statistics  int      `json:"-"` // target; -1 is the server's default
	Storage     string   `json:"-"` // "PLAIN", …, where it differs from the type's own
	Compression string   `json:"-"`
	Options     []string `json:"-"`
	Expression  string   `json:"-"` // of a generated column
	Declared    string   `json:"-"` // the type as the server's own CREATE TABLE says it
	Grants      []Grant  `json:"-"`
	OwnedSeq    string   `json:"-"` // a sequence that goes when the column goes, quoted and qualified
}

// DefaultClass says what evaluating a default gives.
type DefaultClass string

// The classes of default. Constant ones give the same value in one statement,
// however often they are evaluated (now() does).
const (
	DefaultNone     DefaultClass = ""
	DefaultConstant DefaultClass = "constant"
	DefaultVolatile DefaultClass = "volatile"
)

// Index is an index of a table.
type Index struct {
	Name       string   `json:"name"`
	Definition string   `json:"definition"` // what follows the table's name in CREATE INDEX
	Columns    []string `json:"columns"`    // every column it mentions, also in expressions and its predicate
	Key        []string `json:"key,omitempty"`
	Unique     bool     `json:"unique,omitempty"`
	Primary    bool     `json:"primary,omitempty"`
	Exclusion  bool     `json:"exclusion,omitempty"`
	Immediate  bool     `json:"immediate,omitempty"`
	Partial    bool     `json:"partial,omitempty"`
	Plain      bool     `json:"plain,omitempty"`      // whole key columns only, no expression
	Type       string   `json:"type,omitempty"`       // "fulltext", "spatial", … on MySQL and MariaDB
	Constraint string   `json:"constraint,omitempty"` // the constraint it carries
	Valid      bool     `json:"valid"`

	OID             uint32 `json:"-"`
	ReplicaIdentity bool   `json:"-"`
	Clustered       bool   `json:"-"`
	Comment         string `json:"-"`
}

// ConstraintKind is the kind of a constraint.
type ConstraintKind string

// The kinds of constraint. NOT NULL is a property of the column.
const (
	ConstraintCheck     ConstraintKind = "check"
	ConstraintForeign   ConstraintKind = "foreign key"
	ConstraintPrimary   ConstraintKind = "primary key"
	ConstraintUnique    ConstraintKind = "unique"
	ConstraintExclusion ConstraintKind = "exclusion"
	ConstraintTrigger   ConstraintKind = "constraint trigger"
)

// Constraint is a constraint of a table, or a foreign key that points to one.
type Constraint struct {
	Name       string         `json:"name"`
	Kind       ConstraintKind `json:"kind"`
	Definition string         `json:"definition"`
	Columns    []string       `json:"columns,omitempty"`
	Valid      bool           `json:"valid"`
	Index      string         `json:"index,omitempty"` // its own, or the referenced one of a foreign key
	Deferrable bool           `json:"deferrable,omitempty"`
	Deferred   bool           `json:"deferred,omitempty"`

	// Foreign keys.
	Table      string   `json:"table,omitempty"` // who owns it, in ReferencedBy; quoted
	References string   `json:"references,omitempty"`
	RefColumns []string `json:"ref_columns,omitempty"`
	Tail       string   `json:"tail,omitempty"`        // MATCH …, ON DELETE …, as DDL
	SetColumns []string `json:"set_columns,omitempty"` // of ON DELETE SET NULL (…)

	NoInherit bool   `json:"no_inherit,omitempty"`
	Inherited bool   `json:"inherited,omitempty"`
	Comment   string `json:"-"`
}

// Trigger is a trigger of somebody else's on a table.
type Trigger struct {
	Name      string   `json:"name"`
	Before    bool     `json:"before,omitempty"`
	Row       bool     `json:"row,omitempty"`
	Insert    bool     `json:"insert,omitempty"`
	Update    bool     `json:"update,omitempty"`
	Delete    bool     `json:"delete,omitempty"`
	Columns   []string `json:"columns,omitempty"` // of UPDATE OF
	Enabled   string   `json:"enabled"`           // O, D, R, A
	Function  string   `json:"function"`
	Source    string   `json:"-"` // of the function, or the trigger's own body
	Definer   string   `json:"-"` // the account whose rights it has: "user@host"
	When      string   `json:"-"`
	Inherited bool     `json:"inherited,omitempty"`
}

// Dependent is an object that a column carries and that DROP COLUMN would
// refuse to drop, or would drop with it.
type Dependent struct {
	Column string
	Kind   string // "view", "rule", "policy", "generated column", "publication", "statistics", "trigger", "function", …
	Name   string
	Blocks bool // DROP COLUMN would need CASCADE, or would break it
}

// Grant is a set of privileges of one role.
type Grant struct {
	Role       string // "" is PUBLIC; unquoted
	Privileges []string
	Grantable  bool
}

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Index returns the index of that name, or nil.
func (t *Table) Index(name string) *Index {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name {
			return &t.Indexes[i]
		}
	}
	return nil
}

// Constraint returns the constraint of that name, or nil.
func (t *Table) Constraint(name string) *Constraint {
	for i := range t.Constraints {
		if t.Constraints[i].Name == name {
			return &t.Constraints[i]
		}
	}
	return nil
}

// Key returns the columns of the key that a keyset walk can use: the primary key,
// else the first valid unique index over NOT NULL columns. Nil: there is none.
func (t *Table) Key() []string {
	var best *Index
	for i := range t.Indexes {
		x := &t.Indexes[i]
		if !x.Unique || !x.Valid || x.Partial || !x.Plain || !x.Immediate || x.Exclusion || !t.allNotNull(x.Key) {
			continue
		}
		if x.Primary {
			return x.Key
		}
		if best == nil || len(x.Key) < len(best.Key) {
			best = x
		}
	}
	if best == nil {
		return nil
	}
	return best.Key
}

func (t *Table) allNotNull(cols []string) bool {
	for _, c := range cols {
		if col := t.Column(c); col == nil || !col.NotNull {
			return false
		}
	}
	return len(cols) > 0
}

// Normalize sorts what has no order of its own, so that equal tables compare equal.
func (t *Table) Normalize() {
	sort.Slice(t.Indexes, func(i, j int) bool { return t.Indexes[i].Name < t.Indexes[j].Name })
	sort.Slice(t.Constraints, func(i, j int) bool { return t.Constraints[i].Name < t.Constraints[j].Name })
	sort.Slice(t.ReferencedBy, func(i, j int) bool {
		a, b := t.ReferencedBy[i], t.ReferencedBy[j]
		return a.Table+"."+a.Name < b.Table+"."+b.Name
	})
	sort.Slice(t.Triggers, func(i, j int) bool { return t.Triggers[i].Name < t.Triggers[j].Name })
}

// Has reports whether list holds s.
func Has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
