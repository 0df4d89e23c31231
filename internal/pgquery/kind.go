package pgquery

import (
	"strings"
	"unicode"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// kindOf names a statement in SQL's words, mostly as the server's own command tag does.
func kindOf(n *pg.Node) string {
	switch s := n.GetNode().(type) {
	case *pg.Node_AlterTableStmt:
		return "ALTER " + objectWords(s.AlterTableStmt.Objtype)
	case *pg.Node_RenameStmt:
		return "ALTER " + renamedWords(s.RenameStmt) + " … RENAME"
	case *pg.Node_AlterObjectSchemaStmt:
		return "ALTER " + objectWords(s.AlterObjectSchemaStmt.ObjectType) + " … SET SCHEMA"
	case *pg.Node_AlterOwnerStmt:
		return "ALTER " + objectWords(s.AlterOwnerStmt.ObjectType) + " … OWNER TO"
	case *pg.Node_AlterObjectDependsStmt:
		return "ALTER " + objectWords(s.AlterObjectDependsStmt.ObjectType) + " … DEPENDS ON EXTENSION"
	case *pg.Node_AlterEnumStmt:
		if s.AlterEnumStmt.OldVal != "" {
			return "ALTER TYPE … RENAME VALUE"
		}
		return "ALTER TYPE … ADD VALUE"
	case *pg.Node_AlterFunctionStmt:
		return "ALTER " + objectWords(s.AlterFunctionStmt.Objtype)
	case *pg.Node_CreateFunctionStmt:
		if s.CreateFunctionStmt.IsProcedure {
			return "CREATE PROCEDURE"
		}
	case *pg.Node_CreateTableAsStmt:
		if s.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_MATVIEW {
			return "CREATE MATERIALIZED VIEW"
		}
		return "CREATE TABLE AS"
	case *pg.Node_DefineStmt:
		return "CREATE " + objectWords(s.DefineStmt.Kind)
	case *pg.Node_DropStmt:
		return "DROP " + objectWords(s.DropStmt.RemoveType)
	case *pg.Node_GrantStmt:
		if !s.GrantStmt.IsGrant {
			return "REVOKE"
		}
	case *pg.Node_GrantRoleStmt:
		if !s.GrantRoleStmt.IsGrant {
			return "REVOKE"
		}
	case *pg.Node_SelectStmt:
		switch {
		case s.SelectStmt.IntoClause != nil:
			return "SELECT INTO"
		case s.SelectStmt.ValuesLists != nil:
			return "VALUES"
		}
	case *pg.Node_TransactionStmt:
		return transactionWords[s.TransactionStmt.Kind]
	case *pg.Node_VacuumStmt:
		if !s.VacuumStmt.IsVacuumcmd {
			return "ANALYZE"
		}
	case *pg.Node_VariableSetStmt:
		switch {
		case s.VariableSetStmt.Kind == pg.VariableSetKind_VAR_RESET || s.VariableSetStmt.Kind == pg.VariableSetKind_VAR_RESET_ALL:
			return "RESET"
		case s.VariableSetStmt.IsLocal:
			return "SET LOCAL"
		}
	}
	return plainKind(typeName(n))
}

// typeName is the name of a tree's topmost type: "CreateFunctionStmt".
func typeName(n *pg.Node) string {
	name := ""
	n.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		name = string(f.Message().Name())
		return false
	})
	return name
}

// plainKind makes words of a type's name, where the name alone tells.
func plainKind(typeName string) string {
	if words, ok := kindWords[typeName]; ok {
		return words
	}
	var b strings.Builder
	for i, r := range strings.TrimSuffix(typeName, "Stmt") {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// kindWords holds the types whose name is not the statement's.
var kindWords = map[string]string{
	"AlterDatabaseRefreshCollStmt": "ALTER DATABASE … REFRESH COLLATION VERSION",
	"AlterDatabaseSetStmt":         "ALTER DATABASE … SET",
	"AlterEventTrigStmt":           "ALTER EVENT TRIGGER",
	"AlterExtensionContentsStmt":   "ALTER EXTENSION",
	"AlterFdwStmt":                 "ALTER FOREIGN DATA WRAPPER",
	"AlterForeignServerStmt":       "ALTER SERVER",
	"AlterOpFamilyStmt":            "ALTER OPERATOR FAMILY",
	"AlterRoleSetStmt":             "ALTER ROLE … SET",
	"AlterSeqStmt":                 "ALTER SEQUENCE",
	"AlterStatsStmt":               "ALTER STATISTICS",
	"AlterTSConfigurationStmt":     "ALTER TEXT SEARCH CONFIGURATION",
	"AlterTSDictionaryStmt":        "ALTER TEXT SEARCH DICTIONARY",
	"AlterTableMoveAllStmt":        "ALTER TABLE ALL IN TABLESPACE",
	"AlterTableSpaceOptionsStmt":   "ALTER TABLESPACE",
	"CheckPointStmt":               "CHECKPOINT",
	"ClosePortalStmt":              "CLOSE",
	"CompositeTypeStmt":            "CREATE TYPE",
	"ConstraintsSetStmt":           "SET CONSTRAINTS",
	"CreateAmStmt":                 "CREATE ACCESS METHOD",
	"CreateEnumStmt":               "CREATE TYPE",
	"CreateEventTrigStmt":          "CREATE EVENT TRIGGER",
	"CreateFdwStmt":                "CREATE FOREIGN DATA WRAPPER",
	"CreateForeignServerStmt":      "CREATE SERVER",
	"CreateOpClassStmt":            "CREATE OPERATOR CLASS",
	"CreateOpFamilyStmt":           "CREATE OPERATOR FAMILY",
	"CreatePLangStmt":              "CREATE LANGUAGE",
	"CreateRangeStmt":              "CREATE TYPE",
	"CreateSeqStmt":                "CREATE SEQUENCE",
	"CreateStatsStmt":              "CREATE STATISTICS",
	"CreateStmt":                   "CREATE TABLE",
	"CreateTableSpaceStmt":         "CREATE TABLESPACE",
	"CreateTrigStmt":               "CREATE TRIGGER",
	"CreatedbStmt":                 "CREATE DATABASE",
	"DropTableSpaceStmt":           "DROP TABLESPACE",
	"DropdbStmt":                   "DROP DATABASE",
	"GrantRoleStmt":                "GRANT",
	"IndexStmt":                    "CREATE INDEX",
	"LockStmt":                     "LOCK TABLE",
	"RefreshMatViewStmt":           "REFRESH MATERIALIZED VIEW",
	"RuleStmt":                     "CREATE RULE",
	"SecLabelStmt":                 "SECURITY LABEL",
	"VariableSetStmt":              "SET",
	"VariableShowStmt":             "SHOW",
	"ViewStmt":                     "CREATE VIEW",
}

var transactionWords = map[pg.TransactionStmtKind]string{
	pg.TransactionStmtKind_TRANS_STMT_BEGIN:             "BEGIN",
	pg.TransactionStmtKind_TRANS_STMT_START:             "START TRANSACTION",
	pg.TransactionStmtKind_TRANS_STMT_COMMIT:            "COMMIT",
	pg.TransactionStmtKind_TRANS_STMT_ROLLBACK:          "ROLLBACK",
	pg.TransactionStmtKind_TRANS_STMT_SAVEPOINT:         "SAVEPOINT",
	pg.TransactionStmtKind_TRANS_STMT_RELEASE:           "RELEASE SAVEPOINT",
	pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:       "ROLLBACK TO SAVEPOINT",
	pg.TransactionStmtKind_TRANS_STMT_PREPARE:           "PREPARE TRANSACTION",
	pg.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED:   "COMMIT PREPARED",
	pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED: "ROLLBACK PREPARED",
}

// renamedWords names the statement of a RENAME: a column's is that of its table.
func renamedWords(s *pg.RenameStmt) string {
	switch s.RenameType {
	case pg.ObjectType_OBJECT_COLUMN:
		return objectWords(s.RelationType)
	case pg.ObjectType_OBJECT_TABCONSTRAINT:
		return "TABLE"
	case pg.ObjectType_OBJECT_DOMCONSTRAINT:
		return "DOMAIN"
	case pg.ObjectType_OBJECT_ATTRIBUTE:
		return "TYPE"
	}
	return objectWords(s.RenameType)
}

// objectWords names a kind of object in SQL's words.
func objectWords(o pg.ObjectType) string {
	switch o {
	case pg.ObjectType_OBJECT_FDW:
		return "FOREIGN DATA WRAPPER"
	case pg.ObjectType_OBJECT_FOREIGN_SERVER:
		return "SERVER"
	case pg.ObjectType_OBJECT_LARGEOBJECT:
		return "LARGE OBJECT"
	case pg.ObjectType_OBJECT_MATVIEW:
		return "MATERIALIZED VIEW"
	case pg.ObjectType_OBJECT_OPCLASS:
		return "OPERATOR CLASS"
	case pg.ObjectType_OBJECT_OPFAMILY:
		return "OPERATOR FAMILY"
	case pg.ObjectType_OBJECT_STATISTIC_EXT:
		return "STATISTICS"
	case pg.ObjectType_OBJECT_TABCONSTRAINT, pg.ObjectType_OBJECT_DOMCONSTRAINT:
		return "CONSTRAINT"
	case pg.ObjectType_OBJECT_TSCONFIGURATION:
		return "TEXT SEARCH CONFIGURATION"
	case pg.ObjectType_OBJECT_TSDICTIONARY:
		return "TEXT SEARCH DICTIONARY"
	case pg.ObjectType_OBJECT_TSPARSER:
		return "TEXT SEARCH PARSER"
	case pg.ObjectType_OBJECT_TSTEMPLATE:
		return "TEXT SEARCH TEMPLATE"
	}
	return strings.ReplaceAll(strings.TrimPrefix(o.String(), "OBJECT_"), "_", " ")
}
