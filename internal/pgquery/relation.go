package pgquery

import pg "github.com/pganalyze/pg_query_go/v5"

// relationOf returns the table or view that a statement is about; nil where there
// is none, or more than one.
func relationOf(n *pg.Node) *pg.RangeVar {
	switch s := n.GetNode().(type) {
	case *pg.Node_AlterTableStmt:
		return ofTable(s.AlterTableStmt.Objtype, s.AlterTableStmt.Relation)
	case *pg.Node_RenameStmt:
		switch s.RenameStmt.RenameType {
		case pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_TABCONSTRAINT, pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_RULE:
			return s.RenameStmt.Relation
		}
		return ofTable(s.RenameStmt.RenameType, s.RenameStmt.Relation)
	case *pg.Node_AlterObjectSchemaStmt:
		return ofTable(s.AlterObjectSchemaStmt.ObjectType, s.AlterObjectSchemaStmt.Relation)
	case *pg.Node_CreateStmt:
		return s.CreateStmt.Relation
	case *pg.Node_CreateForeignTableStmt:
		return s.CreateForeignTableStmt.GetBaseStmt().GetRelation()
	case *pg.Node_CreateTableAsStmt:
		return s.CreateTableAsStmt.GetInto().GetRel()
	case *pg.Node_SelectStmt:
		return s.SelectStmt.GetIntoClause().GetRel()
	case *pg.Node_ViewStmt:
		return s.ViewStmt.View
	case *pg.Node_RefreshMatViewStmt:
		return s.RefreshMatViewStmt.Relation
	case *pg.Node_IndexStmt:
		return s.IndexStmt.Relation
	case *pg.Node_CreateTrigStmt:
		return s.CreateTrigStmt.Relation
	case *pg.Node_RuleStmt:
		return s.RuleStmt.Relation
	case *pg.Node_CreatePolicyStmt:
		return s.CreatePolicyStmt.Table
	case *pg.Node_AlterPolicyStmt:
		return s.AlterPolicyStmt.Table
	case *pg.Node_CreateStatsStmt:
		return single(s.CreateStatsStmt.Relations)
	case *pg.Node_InsertStmt:
		return s.InsertStmt.Relation
	case *pg.Node_UpdateStmt:
		return s.UpdateStmt.Relation
	case *pg.Node_DeleteStmt:
		return s.DeleteStmt.Relation
	case *pg.Node_MergeStmt:
		return s.MergeStmt.Relation
	case *pg.Node_CopyStmt:
		return s.CopyStmt.Relation
	case *pg.Node_TruncateStmt:
		return single(s.TruncateStmt.Relations)
	case *pg.Node_LockStmt:
		return single(s.LockStmt.Relations)
	case *pg.Node_ClusterStmt:
		return s.ClusterStmt.Relation
	case *pg.Node_ReindexStmt:
		if s.ReindexStmt.Kind == pg.ReindexObjectType_REINDEX_OBJECT_TABLE {
			return s.ReindexStmt.Relation
		}
	case *pg.Node_VacuumStmt:
		if rels := s.VacuumStmt.Rels; len(rels) == 1 {
			return rels[0].GetVacuumRelation().GetRelation()
		}
	case *pg.Node_DropStmt:
		if len(s.DropStmt.Objects) == 1 {
			return named(s.DropStmt.RemoveType, s.DropStmt.Objects[0])
		}
	case *pg.Node_CommentStmt:
		return named(s.CommentStmt.Objtype, s.CommentStmt.Object)
	case *pg.Node_SecLabelStmt:
		return named(s.SecLabelStmt.Objtype, s.SecLabelStmt.Object)
	case *pg.Node_GrantStmt:
		if s.GrantStmt.Objtype == pg.ObjectType_OBJECT_TABLE {
			return single(s.GrantStmt.Objects)
		}
	}
	return nil
}

// ofTable passes on the relations that hold rows or show them, not indexes and sequences.
func ofTable(o pg.ObjectType, r *pg.RangeVar) *pg.RangeVar {
	switch o {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW, pg.ObjectType_OBJECT_FOREIGN_TABLE:
		return r
	}
	return nil
}

func single(nodes []*pg.Node) *pg.RangeVar {
	if len(nodes) != 1 {
		return nil
	}
	return nodes[0].GetRangeVar()
}

// named reads a relation that is given as a list of names, of which those of a
// column, trigger, policy, rule or constraint end with the name of that.
func named(o pg.ObjectType, n *pg.Node) *pg.RangeVar {
	var names []string
	for _, part := range n.GetList().GetItems() {
		names = append(names, part.GetString_().GetSval())
	}
	switch o {
	case pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_TABCONSTRAINT:
		if len(names) > 0 {
			names = names[:len(names)-1]
		}
		o = pg.ObjectType_OBJECT_TABLE
	}
	r := &pg.RangeVar{Inh: true}
	switch len(names) {
	case 1:
		r.Relname = names[0]
	case 2:
		r.Schemaname, r.Relname = names[0], names[1]
	case 3:
		r.Catalogname, r.Schemaname, r.Relname = names[0], names[1], names[2]
	default:
		return nil
	}
	return ofTable(o, r)
}
