package plan

import (
	"encoding/json"
	"fmt"
	"sort"
)

// Kind names a kind of change; the values stand in plan files and are stable.
type Kind string

// The kinds of change that can be planned.
const (
	KindRenameColumn Kind = "rename-column"
	KindRenameTable  Kind = "rename-table"
	KindAddColumn    Kind = "add-column"
	KindDropColumn   Kind = "drop-column"
	KindCreateTable  Kind = "create-table"
	KindCreateIndex  Kind = "create-index"
	KindAsWritten    Kind = "as-written"
)

// Change is what somebody wants of the schema, free of any server: an intent.
// It comes from parsed DDL or is written as a Go value. The implementations are
// the structs of this package; others cannot be planned.
type Change interface {
	// Kind names the change's kind.
	Kind() Kind
	// Target is the table the change is about. Schema is empty where the
	// connection's search_path decides.
	Target() Name
	// Describe says the change in a few words, for logs and errors.
	Describe() string
}

// Name is the name of a table, view or index, unquoted. An empty Schema is
// resolved by the connection's search_path.
type Name struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
}

// String joins schema and name with a dot, unquoted: for messages, never for SQL.
func (n Name) String() string {
	if n.Schema == "" {
		return n.Name
	}
	return n.Schema + "." + n.Name
}

// RenameColumn renames a column. The column is copied: the new one is added
// beside the old one, both are kept in step, and the old one goes at contract.
type RenameColumn struct {
	Schema string `json:"schema,omitempty"` // empty: by search_path
	Table  string `json:"table"`
	From   string `json:"from"`
	To     string `json:"to"`

	// Up and Down say how the new side follows from the old one and back, as
	// expressions over the column names (`lower(email)`); empty means that the
	// value is taken as it is. Set both or none.
	Up   string `json:"up,omitempty"`
	Down string `json:"down,omitempty"`

	// SerializeInserts makes concurrent inserts of the same value into a UNIQUE
	// column wait for each other (an advisory transaction lock on the value), so
	// that old clients' `ON CONFLICT (from)` does not meet the second unique index.
	// It costs a lock table entry a row: not for bulk inserts.
	SerializeInserts bool `json:"serialize_inserts,omitempty"`
}

// RenameTable renames a table. Until contract the new name is an updatable view.
type RenameTable struct {
	Schema string `json:"schema,omitempty"`
	From   string `json:"from"`
	To     string `json:"to"`
}

// AddColumn adds a column that is nullable or has a constant default.
type AddColumn struct {
	Schema  string `json:"schema,omitempty"`
	Table   string `json:"table"`
	Column  string `json:"column"`
	Type    string `json:"type"`              // as in DDL: "numeric(10,2)"
	Collate string `json:"collate,omitempty"` // as in DDL, quoted where it has to be
	Default string `json:"default,omitempty"` // an expression; empty: none
	NotNull bool   `json:"not_null,omitempty"`
}

// DropColumn drops a column: made optional first, hidden and dropped at contract.
type DropColumn struct {
	Schema string `json:"schema,omitempty"`
	Table  string `json:"table"`
	Column string `json:"column"`
}

// CreateTable creates a table as SQL says; Schema and Name repeat its name.
type CreateTable struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
	SQL    string `json:"sql"` // the whole statement, without the semicolon
}

// CreateIndex creates an index, always without blocking writes.
type CreateIndex struct {
	Schema     string `json:"schema,omitempty"` // of the table
	Table      string `json:"table"`
	Name       string `json:"name"` // required: a generated name cannot be asked for later
	Unique     bool   `json:"unique,omitempty"`
	Definition string `json:"definition"` // what follows the table's name: "USING btree (lower(email)) WHERE active"
}

// AsWritten runs a statement unchanged, because its author says so and why.
type AsWritten struct {
	SQL    string `json:"sql"`
	Reason string `json:"reason"`
	// Schema and Table name the relation it is about, where the parser could tell.
	Schema string `json:"schema,omitempty"`
	Table  string `json:"table,omitempty"`
}

func (c RenameColumn) Kind() Kind { return KindRenameColumn }
func (c RenameTable) Kind() Kind  { return KindRenameTable }
func (c AddColumn) Kind() Kind    { return KindAddColumn }
func (c DropColumn) Kind() Kind   { return KindDropColumn }
func (c CreateTable) Kind() Kind  { return KindCreateTable }
func (c CreateIndex) Kind() Kind  { return KindCreateIndex }
func (c AsWritten) Kind() Kind    { return KindAsWritten }

func (c RenameColumn) Target() Name { return Name{c.Schema, c.Table} }
func (c RenameTable) Target() Name  { return Name{c.Schema, c.From} }
func (c AddColumn) Target() Name    { return Name{c.Schema, c.Table} }
func (c DropColumn) Target() Name   { return Name{c.Schema, c.Table} }
func (c CreateTable) Target() Name  { return Name{c.Schema, c.Name} }
func (c CreateIndex) Target() Name  { return Name{c.Schema, c.Table} }
func (c AsWritten) Target() Name    { return Name{c.Schema, c.Table} }

func (c RenameColumn) Describe() string {
	return fmt.Sprintf("rename column %s.%s to %s", c.Target(), c.From, c.To)
}
func (c RenameTable) Describe() string { return fmt.Sprintf("rename table %s to %s", c.Target(), c.To) }
func (c AddColumn) Describe() string   { return fmt.Sprintf("add column %s.%s", c.Target(), c.Column) }
func (c DropColumn) Describe() string  { return fmt.Sprintf("drop column %s.%s", c.Target(), c.Column) }
func (c CreateTable) Describe() string { return fmt.Sprintf("create table %s", c.Target()) }
func (c CreateIndex) Describe() string {
	return fmt.Sprintf("create index %s on %s", c.Name, c.Target())
}
func (c AsWritten) Describe() string { return "run a statement as written: " + c.Reason }

// Statement is a change together with the statement it came from. A statement
// with several clauses (ALTER TABLE … ADD …, DROP …) gives several of them.
type Statement struct {
	Change Change
	File   string // empty for Go values
	Line   int    // where the statement begins, from 1
	Index  int    // of the statement in its file, from 1
	SQL    string // as it stands in the file
}

// Where says where the statement stands: "0007_rename_email.sql:3: statement 2".
func (s Statement) Where() string {
	if s.File == "" {
		return s.Change.Describe()
	}
	return fmt.Sprintf("%s:%d: statement %d", s.File, s.Line, s.Index)
}

type statementJSON struct {
	Kind   Kind            `json:"kind"`
	File   string          `json:"file,omitempty"`
	Line   int             `json:"line,omitempty"`
	Index  int             `json:"index,omitempty"`
	SQL    string          `json:"sql,omitempty"`
	Change json.RawMessage `json:"change"`
}

// MarshalJSON writes the change under its kind.
func (s Statement) MarshalJSON() ([]byte, error) {
	if s.Change == nil {
		return nil, fmt.Errorf("%s:%d: statement %d has no change", s.File, s.Line, s.Index)
	}
	raw, err := json.Marshal(s.Change)
	if err != nil {
		return nil, err
	}
	return json.Marshal(statementJSON{s.Change.Kind(), s.File, s.Line, s.Index, s.SQL, raw})
}

// UnmarshalJSON reads what MarshalJSON wrote; an unknown kind is an error that names it.
func (s *Statement) UnmarshalJSON(b []byte) error {
	var j statementJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	read, ok := readers[j.Kind]
	if !ok {
		known := make([]string, 0, len(readers))
		for k := range readers {
			known = append(known, string(k))
		}
		sort.Strings(known)
		return fmt.Errorf("kind of change %q is not known to this build (it knows %v)", j.Kind, known)
	}
	c, err := read(j.Change)
	if err != nil {
		return fmt.Errorf("change of kind %s: %w", j.Kind, err)
	}
	*s = Statement{Change: c, File: j.File, Line: j.Line, Index: j.Index, SQL: j.SQL}
	return nil
}

var readers = map[Kind]func(json.RawMessage) (Change, error){
	KindRenameColumn: readAs[RenameColumn],
	KindRenameTable:  readAs[RenameTable],
	KindAddColumn:    readAs[AddColumn],
	KindDropColumn:   readAs[DropColumn],
	KindCreateTable:  readAs[CreateTable],
	KindCreateIndex:  readAs[CreateIndex],
	KindAsWritten:    readAs[AsWritten],
}

func readAs[C Change](raw json.RawMessage) (Change, error) {
	var c C
	err := json.Unmarshal(raw, &c)
	return c, err
}
