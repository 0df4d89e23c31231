package pgquery

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// translateColumn reads a column's definition. Its parts are written back one by
// one, and all together have to give the same tree again: the text, not the
// tree, is what reaches the server.
func translateColumn(def *pg.ColumnDef) (*Column, error) {
	out := &Column{Name: def.GetColname()}
	if def.GetCompression() != "" {
		out.Others = append(out.Others, "COMPRESSION")
	}
	if def.GetStorageName() != "" {
		out.Others = append(out.Others, "STORAGE")
	}
	if len(def.GetFdwoptions()) > 0 {
		out.Others = append(out.Others, "OPTIONS")
	}
	same := &pg.ColumnDef{Colname: "c", TypeName: def.TypeName, CollClause: def.CollClause, IsLocal: true}
	var dflt *pg.Node
	for _, n := range def.Constraints {
		switch c := n.GetConstraint(); c.GetContype() {
		case pg.ConstrType_CONSTR_NULL:
			out.Null = true
		case pg.ConstrType_CONSTR_NOTNULL:
			out.NotNull = true
		case pg.ConstrType_CONSTR_DEFAULT:
			if dflt != nil {
				out.Others = append(out.Others, "a second DEFAULT")
			}
			dflt = n
			same.Constraints = []*pg.Node{n}
		default:
			out.Others = append(out.Others, constraintWords(c))
		}
	}
	t := def.GetTypeName()
	out.Set = t.GetSetof() || t.GetPctType()
	out.Serial = len(t.GetNames()) == 1 && serials[t.GetNames()[0].GetString_().GetSval()]

	var err error
	if out.Type, err = columnText(&pg.ColumnDef{Colname: "c", TypeName: t, IsLocal: true}, ""); err != nil {
		return nil, fmt.Errorf("column %s: its type: %w", out.Name, err)
	}
	if def.CollClause != nil {
		col := &pg.ColumnDef{Colname: "c", TypeName: textType(), CollClause: def.CollClause, IsLocal: true}
		if out.Collate, err = columnText(col, "text COLLATE "); err != nil {
			return nil, fmt.Errorf("column %s: its collation: %w", out.Name, err)
		}
	}
	if dflt != nil {
		col := &pg.ColumnDef{Colname: "c", TypeName: textType(), Constraints: []*pg.Node{dflt}, IsLocal: true}
		if out.Default, err = columnText(col, "text DEFAULT "); err != nil {
			return nil, fmt.Errorf("column %s: its default: %w", out.Name, err)
		}
	}
	text := addColumnPrefix + out.Type
	if out.Collate != "" {
		text += " COLLATE " + out.Collate
	}
	if out.Default != "" {
		text += " DEFAULT " + out.Default
	}
	if err := readsAs(text, addColumn(same)); err != nil {
		return nil, fmt.Errorf("column %s: %w", out.Name, err)
	}
	return out, nil
}

// serials are what the grammar takes for types and the server expands
// (parse_utilcmd.c, transformColumnDefinition).
var serials = map[string]bool{"smallserial": true, "serial2": true, "serial": true, "serial4": true, "bigserial": true, "serial8": true}

const addColumnPrefix = "ALTER TABLE t ADD COLUMN c "

func textType() *pg.TypeName {
	return &pg.TypeName{Names: []*pg.Node{pg.MakeStrNode("text")}, Typemod: -1}
}

func addColumn(def *pg.ColumnDef) *pg.Node {
	return &pg.Node{Node: &pg.Node_AlterTableStmt{AlterTableStmt: &pg.AlterTableStmt{
		Relation: tableT(),
		Objtype:  pg.ObjectType_OBJECT_TABLE,
		Cmds: []*pg.Node{{Node: &pg.Node_AlterTableCmd{AlterTableCmd: &pg.AlterTableCmd{
			Subtype:  pg.AlterTableType_AT_AddColumn,
			Def:      &pg.Node{Node: &pg.Node_ColumnDef{ColumnDef: def}},
			Behavior: pg.DropBehavior_DROP_RESTRICT,
		}}}},
	}}}
}

func tableT() *pg.RangeVar { return &pg.RangeVar{Relname: "t", Inh: true, Relpersistence: "p"} }

// columnText writes a column's definition and takes off what is known to stand before it.
func columnText(def *pg.ColumnDef, prefix string) (string, error) {
	return deparse(addColumn(def), addColumnPrefix+prefix)
}

func translateCreateIndex(s *pg.IndexStmt) (*CreateIndex, error) {
	out := &CreateIndex{
		Relation:    *translateRelation(s.Relation),
		Name:        s.Idxname,
		Unique:      s.Unique,
		IfNotExists: s.IfNotExists,
	}
	plain := proto.Clone(s).(*pg.IndexStmt)
	plain.Relation, plain.Idxname = tableT(), "i"
	plain.Unique, plain.Concurrent, plain.IfNotExists = false, false, false
	node := &pg.Node{Node: &pg.Node_IndexStmt{IndexStmt: plain}}
	var err error
	if out.Definition, err = deparse(node, "CREATE INDEX i ON t "); err != nil {
		return nil, fmt.Errorf("index %s: %w", out.Name, err)
	}
	if err := readsAs("CREATE INDEX i ON t "+out.Definition, node); err != nil {
		return nil, fmt.Errorf("index %s: %w", out.Name, err)
	}
	return out, nil
}

// deparse writes a tree as SQL and takes off what is known to stand before it.
func deparse(n *pg.Node, prefix string) (string, error) {
	text, err := pg.Deparse(&pg.ParseResult{Stmts: []*pg.RawStmt{{Stmt: n}}})
	if err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return "", fmt.Errorf("the parser writes it back in a form that is not known (%s)", text)
	}
	return rest, nil
}

// readsAs checks that a text gives the tree that it was written from.
func readsAs(text string, want *pg.Node) error {
	tree, err := pg.Parse(text)
	if err == nil && len(tree.Stmts) == 1 {
		got, want := tree.Stmts[0].Stmt, proto.Clone(want)
		clearLocations(got.ProtoReflect())
		clearLocations(want.ProtoReflect())
		if proto.Equal(got, want) {
			return nil
		}
	}
	return fmt.Errorf("the parser cannot write it back faithfully (%s)", text)
}

// clearLocations makes trees of differently spaced texts equal.
func clearLocations(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Name() == "location":
			m.Clear(f)
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				clearLocations(v.List().Get(i).Message())
			}
		case f.Kind() == protoreflect.MessageKind:
			clearLocations(v.Message())
		}
		return true
	})
}
