package pgquery

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
)

// clauseWords names a clause of ALTER TABLE in SQL's words.
func clauseWords(cmd *pg.AlterTableCmd) string {
	switch cmd.GetSubtype() {
	case pg.AlterTableType_AT_AddConstraint:
		c := cmd.GetDef().GetConstraint()
		words := "ADD " + constraintWords(c)
		switch {
		case c.GetIndexname() != "":
			words += " USING INDEX"
		case c.GetSkipValidation():
			words += " … NOT VALID"
		}
		return words
	case pg.AlterTableType_AT_ColumnDefault:
		if cmd.GetDef() == nil {
			return "ALTER COLUMN … DROP DEFAULT"
		}
	case pg.AlterTableType_AT_DetachPartition:
		if cmd.GetDef().GetPartitionCmd().GetConcurrent() {
			return "DETACH PARTITION … CONCURRENTLY"
		}
	}
	if words, ok := clauses[cmd.GetSubtype()]; ok {
		return words
	}
	return strings.TrimPrefix(cmd.GetSubtype().String(), "AT_")
}

var clauses = map[pg.AlterTableType]string{
	pg.AlterTableType_AT_AddColumn:                 "ADD COLUMN",
	pg.AlterTableType_AT_ColumnDefault:             "ALTER COLUMN … SET DEFAULT",
	pg.AlterTableType_AT_DropNotNull:               "ALTER COLUMN … DROP NOT NULL",
	pg.AlterTableType_AT_SetNotNull:                "ALTER COLUMN … SET NOT NULL",
	pg.AlterTableType_AT_DropExpression:            "ALTER COLUMN … DROP EXPRESSION",
	pg.AlterTableType_AT_SetStatistics:             "ALTER COLUMN … SET STATISTICS",
	pg.AlterTableType_AT_SetOptions:                "ALTER COLUMN … SET (…)",
	pg.AlterTableType_AT_ResetOptions:              "ALTER COLUMN … RESET (…)",
	pg.AlterTableType_AT_SetStorage:                "ALTER COLUMN … SET STORAGE",
	pg.AlterTableType_AT_SetCompression:            "ALTER COLUMN … SET COMPRESSION",
	pg.AlterTableType_AT_DropColumn:                "DROP COLUMN",
	pg.AlterTableType_AT_AlterConstraint:           "ALTER CONSTRAINT",
	pg.AlterTableType_AT_ValidateConstraint:        "VALIDATE CONSTRAINT",
	pg.AlterTableType_AT_DropConstraint:            "DROP CONSTRAINT",
	pg.AlterTableType_AT_AlterColumnType:           "ALTER COLUMN … TYPE",
	pg.AlterTableType_AT_AlterColumnGenericOptions: "ALTER COLUMN … OPTIONS",
	pg.AlterTableType_AT_ChangeOwner:               "OWNER TO",
	pg.AlterTableType_AT_ClusterOn:                 "CLUSTER ON",
	pg.AlterTableType_AT_DropCluster:               "SET WITHOUT CLUSTER",
	pg.AlterTableType_AT_SetLogged:                 "SET LOGGED",
	pg.AlterTableType_AT_SetUnLogged:               "SET UNLOGGED",
	pg.AlterTableType_AT_DropOids:                  "SET WITHOUT OIDS",
	pg.AlterTableType_AT_SetAccessMethod:           "SET ACCESS METHOD",
	pg.AlterTableType_AT_SetTableSpace:             "SET TABLESPACE",
	pg.AlterTableType_AT_SetRelOptions:             "SET (…)",
	pg.AlterTableType_AT_ResetRelOptions:           "RESET (…)",
	pg.AlterTableType_AT_EnableTrig:                "ENABLE TRIGGER",
	pg.AlterTableType_AT_EnableAlwaysTrig:          "ENABLE ALWAYS TRIGGER",
	pg.AlterTableType_AT_EnableReplicaTrig:         "ENABLE REPLICA TRIGGER",
	pg.AlterTableType_AT_DisableTrig:               "DISABLE TRIGGER",
	pg.AlterTableType_AT_EnableTrigAll:             "ENABLE TRIGGER ALL",
	pg.AlterTableType_AT_DisableTrigAll:            "DISABLE TRIGGER ALL",
	pg.AlterTableType_AT_EnableTrigUser:            "ENABLE TRIGGER USER",
	pg.AlterTableType_AT_DisableTrigUser:           "DISABLE TRIGGER USER",
	pg.AlterTableType_AT_EnableRule:                "ENABLE RULE",
	pg.AlterTableType_AT_EnableAlwaysRule:          "ENABLE ALWAYS RULE",
	pg.AlterTableType_AT_EnableReplicaRule:         "ENABLE REPLICA RULE",
	pg.AlterTableType_AT_DisableRule:               "DISABLE RULE",
	pg.AlterTableType_AT_AddInherit:                "INHERIT",
	pg.AlterTableType_AT_DropInherit:               "NO INHERIT",
	pg.AlterTableType_AT_AddOf:                     "OF",
	pg.AlterTableType_AT_DropOf:                    "NOT OF",
	pg.AlterTableType_AT_ReplicaIdentity:           "REPLICA IDENTITY",
	pg.AlterTableType_AT_EnableRowSecurity:         "ENABLE ROW LEVEL SECURITY",
	pg.AlterTableType_AT_DisableRowSecurity:        "DISABLE ROW LEVEL SECURITY",
	pg.AlterTableType_AT_ForceRowSecurity:          "FORCE ROW LEVEL SECURITY",
	pg.AlterTableType_AT_NoForceRowSecurity:        "NO FORCE ROW LEVEL SECURITY",
	pg.AlterTableType_AT_GenericOptions:            "OPTIONS",
	pg.AlterTableType_AT_AttachPartition:           "ATTACH PARTITION",
	pg.AlterTableType_AT_DetachPartition:           "DETACH PARTITION",
	pg.AlterTableType_AT_DetachPartitionFinalize:   "DETACH PARTITION … FINALIZE",
	pg.AlterTableType_AT_AddIdentity:               "ALTER COLUMN … ADD GENERATED AS IDENTITY",
	pg.AlterTableType_AT_SetIdentity:               "ALTER COLUMN … SET GENERATED",
	pg.AlterTableType_AT_DropIdentity:              "ALTER COLUMN … DROP IDENTITY",
}

// constraintWords names a constraint in SQL's words.
func constraintWords(c *pg.Constraint) string {
	switch c.GetContype() {
	case pg.ConstrType_CONSTR_IDENTITY:
		return "GENERATED AS IDENTITY"
	case pg.ConstrType_CONSTR_GENERATED:
		return "GENERATED ALWAYS AS"
	case pg.ConstrType_CONSTR_CHECK:
		return "CHECK"
	case pg.ConstrType_CONSTR_PRIMARY:
		return "PRIMARY KEY"
	case pg.ConstrType_CONSTR_UNIQUE:
		return "UNIQUE"
	case pg.ConstrType_CONSTR_EXCLUSION:
		return "EXCLUDE"
	case pg.ConstrType_CONSTR_FOREIGN:
		return "FOREIGN KEY"
	}
	return strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(c.GetContype().String(), "CONSTR_"), "ATTR_"), "_", " ")
}
