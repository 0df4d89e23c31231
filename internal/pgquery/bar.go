package pgquery

import pg "github.com/pganalyze/pg_query_go/v5"

// Bar is what keeps a statement from running within somebody else's transaction.
type Bar int

// The bars.
const (
	BarNone         Bar = iota
	BarAlone            // the server refuses it within a transaction
	BarTransaction      // it begins or ends one
	BarSession          // it changes the session, which goes on to do other work
	BarClient           // it needs a client that sends or reads rows beside it
	BarSubscription     // it talks to another server, mostly outside of transactions
)

// barOf follows the calls of PreventInTransactionBlock in the server's source, as
// far as the text of a statement tells.
func barOf(n *pg.Node) Bar {
	alone := false
	switch s := n.GetNode().(type) {
	case *pg.Node_TransactionStmt:
		return BarTransaction
	case *pg.Node_VariableSetStmt:
		if !s.VariableSetStmt.IsLocal {
			return BarSession
		}
	case *pg.Node_DiscardStmt, *pg.Node_PrepareStmt, *pg.Node_ExecuteStmt, *pg.Node_DeallocateStmt, *pg.Node_ListenStmt,
		*pg.Node_UnlistenStmt, *pg.Node_LoadStmt, *pg.Node_DeclareCursorStmt, *pg.Node_FetchStmt, *pg.Node_ClosePortalStmt:
		return BarSession
	case *pg.Node_CopyStmt:
		if s.CopyStmt.Filename == "" {
			return BarClient
		}
	case *pg.Node_CreateSubscriptionStmt, *pg.Node_AlterSubscriptionStmt, *pg.Node_DropSubscriptionStmt:
		return BarSubscription
	case *pg.Node_CreatedbStmt, *pg.Node_DropdbStmt, *pg.Node_CreateTableSpaceStmt, *pg.Node_DropTableSpaceStmt, *pg.Node_AlterSystemStmt:
		alone = true
	case *pg.Node_AlterDatabaseStmt:
		alone = has(s.AlterDatabaseStmt.Options, "tablespace")
	case *pg.Node_VacuumStmt:
		alone = s.VacuumStmt.IsVacuumcmd
	case *pg.Node_ClusterStmt:
		alone = s.ClusterStmt.Relation == nil
	case *pg.Node_IndexStmt:
		alone = s.IndexStmt.Concurrent
	case *pg.Node_DropStmt:
		alone = s.DropStmt.Concurrent
	case *pg.Node_ReindexStmt:
		r := s.ReindexStmt
		alone = has(r.Params, "concurrently") || r.Kind != pg.ReindexObjectType_REINDEX_OBJECT_INDEX && r.Kind != pg.ReindexObjectType_REINDEX_OBJECT_TABLE
	case *pg.Node_AlterTableStmt:
		for _, cmd := range s.AlterTableStmt.Cmds {
			alone = alone || cmd.GetAlterTableCmd().GetDef().GetPartitionCmd().GetConcurrent()
		}
	}
	if alone {
		return BarAlone
	}
	return BarNone
}

func has(options []*pg.Node, name string) bool {
	for _, o := range options {
		if o.GetDefElem().GetDefname() == name {
			return true
		}
	}
	return false
}
