package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// find resolves a name as the connection's search_path path would; 0: there is none.
func find(ctx context.Context, q querier, path string, n plan.Name) (uint32, error) {
	var oid uint32
	var err error
	if n.Schema != "" {
		err = q.QueryRowContext(ctx, `SELECT coalesce(pg_catalog.to_regclass($1)::pg_catalog.oid, 0)`, qualified(n.Schema, n.Name)).Scan(&oid)
	} else {
		// to_regclass follows search_path, which is empty while looking.
		err = q.QueryRowContext(ctx, `SELECT set_config('search_path', $2, true) IS NOT NULL,
			coalesce(to_regclass($1)::oid, 0), set_config('search_path', '', true) IS NOT NULL`, ident(n.Name), path).Scan(new(bool), &oid, new(bool))
	}
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", n, err)
	}
	return oid, nil
}

// createSchema is the schema in which an unqualified name would be created.
func createSchema(ctx context.Context, q querier, path string, n plan.Name) (string, error) {
	if n.Schema != "" {
		return n.Schema, nil
	}
	var s *string
	err := q.QueryRowContext(ctx, `SELECT set_config('search_path', $1, true) IS NOT NULL, current_schema(), set_config('search_path', '', true) IS NOT NULL`, path).Scan(new(bool), &s, new(bool))
	if err != nil {
		return "", fmt.Errorf("ask for the current schema: %w", err)
	}
	if s == nil {
		return "", fmt.Errorf("no schema of search_path (%s) exists; qualify the name or create the schema", path)
	}
	return *s, nil
}

// table reads one relation into the model, in one round trip. q's search_path is
// empty, so that everything is printed qualified.
func table(ctx context.Context, q querier, oid uint32) (*schema.Table, error) {
	var raw []byte
	if err := q.QueryRowContext(ctx, catalogSQL, oid).Scan(&raw); err != nil {
		return nil, fmt.Errorf("read the catalog of relation %d: %w", oid, err)
	}
	var row catalogRow
	if err := json.Unmarshal(raw, &row); err != nil {
		return nil, fmt.Errorf("read the catalog of relation %d: %w", oid, err)
	}
	t := row.table()
	t.Normalize()
	return t, nil
}

// catalogRow is what catalogSQL gives.
type catalogRow struct {
	OID                                   uint32
	Schema, Name, Relkind, Owner          string
	Unlogged, Temporary, MayAlter         bool
	RowSecurity, IsPartition, HasChildren bool
	Parent                                string
	PartitionKey                          []string
	Subscribed                            bool
	Prepared                              []string
	Grants                                []schema.Grant
	Columns                               []catalogColumn
	Indexes                               []catalogIndex
	Constraints, ReferencedBy             []catalogConstraint
	Triggers                              []catalogTrigger
}

type catalogColumn struct {
	schema.Column
	Number               int
	DomainWith           string
	Comment              string
	Statistics           int
	Storage, Compression string
	Options              []string
	Grants               []schema.Grant
	OwnedSeq             string
	Functions            string // volatility letters of the functions in the default
	SQLValue             bool   // CURRENT_TIMESTAMP and the like
	NextValue            bool
}

type catalogIndex struct {
	schema.Index
	OID                        uint32
	Full, Head, Table          string
	Predicate                  string
	Tablespace                 string
	ReplicaIdentity, Clustered bool
	Comment                    string
}

// catalogTrigger also reads what is not part of a plan's facts.
type catalogTrigger struct {
	schema.Trigger
	Source, When string
}

type catalogConstraint struct {
	schema.Constraint
	Comment                   string
	OnUpdate, OnDelete, Match string
	SetColumns                []string
}

func (r catalogRow) table() *schema.Table {
	t := &schema.Table{
		Schema: r.Schema, Name: r.Name, Kind: relKinds[r.Relkind], OID: r.OID, Owner: r.Owner,
		Unlogged: r.Unlogged, Temporary: r.Temporary, MayAlter: r.MayAlter, RowSecurity: r.RowSecurity,
		IsPartition: r.IsPartition, HasChildren: r.HasChildren, Parent: r.Parent, PartitionKey: r.PartitionKey,
		Subscribed: r.Subscribed, Prepared: r.Prepared, Grants: r.Grants,
	}
	for _, g := range r.Triggers {
		g.Trigger.Source, g.Trigger.When = g.Source, g.When
		t.Triggers = append(t.Triggers, g.Trigger)
	}
	if t.Kind == "" {
		t.Kind = schema.KindOther
	}
	for _, c := range r.Columns {
		col := c.Column
		col.Number, col.DomainWith, col.Comment, col.Statistics = c.Number, c.DomainWith, c.Comment, c.Statistics
		col.Storage, col.Compression, col.Options, col.Grants, col.OwnedSeq = c.Storage, c.Compression, c.Options, c.Grants, c.OwnedSeq
		switch {
		case col.Default == "":
		case c.NextValue || strings.Contains(c.Functions, "v"):
			col.DefaultClass = schema.DefaultVolatile
		default:
			col.DefaultClass = schema.DefaultConstant
		}
		t.Columns = append(t.Columns, col)
	}
	for _, x := range r.Indexes {
		idx := x.Index
		idx.OID, idx.ReplicaIdentity, idx.Clustered, idx.Comment = x.OID, x.ReplicaIdentity, x.Clustered, x.Comment
		idx.Definition = indexDefinition(x)
		t.Indexes = append(t.Indexes, idx)
	}
	for _, c := range r.Constraints {
		t.Constraints = append(t.Constraints, c.constraint())
	}
	for _, c := range r.ReferencedBy {
		t.ReferencedBy = append(t.ReferencedBy, c.constraint())
	}
	return t
}

var relKinds = map[string]schema.Kind{
	"r": schema.KindTable, "p": schema.KindPartitionedTable, "v": schema.KindView,
	"m": schema.KindMaterializedView, "f": schema.KindForeignTable,
}

// indexDefinition cuts what follows the table's name out of pg_get_indexdef's
// text, and puts in the tablespace, which that leaves out.
func indexDefinition(x catalogIndex) string {
	def, ok := strings.CutPrefix(x.Full, x.Head)
	if !ok { // PostgreSQL 15 and later print a temporary table's schema as pg_temp
		_, name, _ := strings.Cut(x.Table, ".")
		def = strings.TrimPrefix(x.Full, strings.TrimSuffix(x.Head, x.Table)+"pg_temp."+name)
	}
	def = strings.TrimPrefix(def, " ")
	if x.Tablespace == "" {
		return def
	}
	where := ""
	if x.Predicate != "" {
		where = " WHERE " + x.Predicate
		def = strings.TrimSuffix(def, where)
	}
	return def + " TABLESPACE " + x.Tablespace + where
}

var (
	fkActions = map[string]string{"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
	fkMatches = map[string]string{"f": " MATCH FULL", "p": " MATCH PARTIAL"}
)

// constraint renders a foreign key's tail: what follows REFERENCES t(columns).
func (c catalogConstraint) constraint() schema.Constraint {
	out := c.Constraint
	out.Comment = c.Comment
	if out.Kind != schema.ConstraintForeign {
		return out
	}
	tail := fkMatches[c.Match]
	if a := fkActions[c.OnUpdate]; a != "" {
		tail += " ON UPDATE " + a
	}
	if a := fkActions[c.OnDelete]; a != "" {
		tail += " ON DELETE " + a
	}
	out.Tail = tail
	out.SetColumns = c.SetColumns
	return out
}
