package pgquery

import pg "github.com/pganalyze/pg_query_go/v5"

// translate turns a tree of the parser into a Node; nil where there is no type for it.
func translate(n *pg.Node) (Node, error) {
	switch s := n.GetNode().(type) {
	case *pg.Node_AlterTableStmt:
		return translateAlterTable(s.AlterTableStmt)
	case *pg.Node_RenameStmt:
		return translateRename(s.RenameStmt), nil
	case *pg.Node_CreateStmt:
		return translateCreateTable(s.CreateStmt), nil
	case *pg.Node_IndexStmt:
		return translateCreateIndex(s.IndexStmt)
	case *pg.Node_SelectStmt:
		return translateSelect(s.SelectStmt), nil
	}
	return nil, nil
}

func translateRelation(r *pg.RangeVar) *Relation {
	return &Relation{Catalog: r.GetCatalogname(), Schema: r.GetSchemaname(), Name: r.GetRelname(), Only: !r.GetInh()}
}

func translateAlterTable(s *pg.AlterTableStmt) (*AlterTable, error) {
	out := &AlterTable{
		Object:   objectWords(s.Objtype),
		Relation: *translateRelation(s.Relation),
		IfExists: s.MissingOk,
	}
	for _, n := range s.Cmds {
		cmd := n.GetAlterTableCmd()
		c := Clause{
			Words:   clauseWords(cmd),
			Column:  cmd.GetName(),
			Cascade: cmd.GetBehavior() == pg.DropBehavior_DROP_CASCADE,
		}
		switch cmd.GetSubtype() {
		case pg.AlterTableType_AT_AddColumn:
			col, err := translateColumn(cmd.GetDef().GetColumnDef())
			if err != nil {
				return nil, err
			}
			c.Column, c.Add, c.IfNotExists = col.Name, col, cmd.GetMissingOk()
		case pg.AlterTableType_AT_DropColumn:
			c.Drop, c.IfExists = true, cmd.GetMissingOk()
		}
		out.Clauses = append(out.Clauses, c)
	}
	return out, nil
}

func translateRename(s *pg.RenameStmt) *Rename {
	out := &Rename{
		Object:   objectWords(s.RenameType),
		Of:       objectWords(s.RelationType),
		IfExists: s.MissingOk,
		From:     s.Subname,
		To:       s.Newname,
	}
	if s.Relation != nil {
		out.Relation = *translateRelation(s.Relation)
	}
	return out
}

func translateCreateTable(s *pg.CreateStmt) *CreateTable {
	return &CreateTable{
		Relation:    *translateRelation(s.Relation),
		IfNotExists: s.IfNotExists,
		Temporary:   s.Relation.GetRelpersistence() == "t",
		Inherits:    len(s.InhRelations) > 0 && s.Partbound == nil,
		PartitionOf: s.Partbound != nil,
	}
}

// translateSelect counts the columns of a plain SELECT of values.
func translateSelect(s *pg.SelectStmt) *Select {
	plain := s.Op == pg.SetOperation_SETOP_NONE && s.IntoClause == nil && s.FromClause == nil && s.WhereClause == nil &&
		s.DistinctClause == nil && s.GroupClause == nil && s.HavingClause == nil && s.WindowClause == nil &&
		s.ValuesLists == nil && s.SortClause == nil && s.LimitCount == nil && s.LimitOffset == nil &&
		s.LockingClause == nil && s.WithClause == nil
	for _, n := range s.TargetList {
		if n.GetResTarget().GetName() != "" {
			plain = false
		}
	}
	if !plain {
		return &Select{}
	}
	return &Select{Columns: len(s.TargetList)}
}
