package myquery

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// clauseWords names a clause of ALTER TABLE in SQL's words.
func clauseWords(s *ast.AlterTableSpec) string {
	switch s.Tp {
	case ast.AlterTableAddConstraint:
		return "ADD " + constraintWords(s.Constraint)
	case ast.AlterTableAlterColumn:
		if len(s.NewColumns) == 1 && len(s.NewColumns[0].Options) == 0 {
			return "ALTER COLUMN … DROP DEFAULT"
		}
		return "ALTER COLUMN … SET DEFAULT"
	case ast.AlterTableOption:
		if len(s.Options) == 1 {
			return optionWords(s.Options[0])
		}
		return "in several options"
	}
	if words, ok := clauses[s.Tp]; ok {
		return words
	}
	return "in this form"
}

func optionWords(o *ast.TableOption) string {
	switch o.Tp {
	case ast.TableOptionCharset, ast.TableOptionCollate:
		if o.UintValue == ast.TableOptionCharsetWithConvertTo {
			return "CONVERT TO CHARACTER SET"
		}
		return "DEFAULT CHARACTER SET"
	case ast.TableOptionEngine:
		return "ENGINE"
	case ast.TableOptionRowFormat:
		return "ROW_FORMAT"
	case ast.TableOptionKeyBlockSize:
		return "KEY_BLOCK_SIZE"
	case ast.TableOptionAutoIncrement:
		return "AUTO_INCREMENT"
	case ast.TableOptionComment:
		return "COMMENT"
	}
	return "in this option"
}

func constraintWords(c *ast.Constraint) string {
	switch c.Tp {
	case ast.ConstraintPrimaryKey:
		return "PRIMARY KEY"
	case ast.ConstraintForeignKey:
		return "FOREIGN KEY"
	case ast.ConstraintFulltext:
		return "FULLTEXT INDEX"
	case ast.ConstraintCheck:
		return "CHECK"
	case ast.ConstraintUniq, ast.ConstraintUniqKey, ast.ConstraintUniqIndex:
		return "UNIQUE INDEX"
	case ast.ConstraintKey, ast.ConstraintIndex:
		return "INDEX"
	}
	return "INDEX in this form"
}

var clauses = map[ast.AlterTableType]string{
	ast.AlterTableAddColumns:                 "ADD COLUMN",
	ast.AlterTableDropColumn:                 "DROP COLUMN",
	ast.AlterTableDropPrimaryKey:             "DROP PRIMARY KEY",
	ast.AlterTableDropIndex:                  "DROP INDEX",
	ast.AlterTableDropForeignKey:             "DROP FOREIGN KEY",
	ast.AlterTableModifyColumn:               "MODIFY COLUMN",
	ast.AlterTableChangeColumn:               "CHANGE COLUMN",
	ast.AlterTableRenameColumn:               "RENAME COLUMN",
	ast.AlterTableRenameTable:                "RENAME",
	ast.AlterTableLock:                       "LOCK",
	ast.AlterTableAlgorithm:                  "ALGORITHM",
	ast.AlterTableRenameIndex:                "RENAME INDEX",
	ast.AlterTableForce:                      "FORCE",
	ast.AlterTableAddPartitions:              "ADD PARTITION",
	ast.AlterTableCoalescePartitions:         "COALESCE PARTITION",
	ast.AlterTableDropPartition:              "DROP PARTITION",
	ast.AlterTableTruncatePartition:          "TRUNCATE PARTITION",
	ast.AlterTablePartition:                  "PARTITION BY",
	ast.AlterTableEnableKeys:                 "ENABLE KEYS",
	ast.AlterTableDisableKeys:                "DISABLE KEYS",
	ast.AlterTableRemovePartitioning:         "REMOVE PARTITIONING",
	ast.AlterTableWithValidation:             "WITH VALIDATION",
	ast.AlterTableWithoutValidation:          "WITHOUT VALIDATION",
	ast.AlterTableSecondaryLoad:              "SECONDARY_LOAD",
	ast.AlterTableSecondaryUnload:            "SECONDARY_UNLOAD",
	ast.AlterTableRebuildPartition:           "REBUILD PARTITION",
	ast.AlterTableReorganizePartition:        "REORGANIZE PARTITION",
	ast.AlterTableCheckPartitions:            "CHECK PARTITION",
	ast.AlterTableExchangePartition:          "EXCHANGE PARTITION",
	ast.AlterTableOptimizePartition:          "OPTIMIZE PARTITION",
	ast.AlterTableRepairPartition:            "REPAIR PARTITION",
	ast.AlterTableImportPartitionTablespace:  "IMPORT PARTITION … TABLESPACE",
	ast.AlterTableDiscardPartitionTablespace: "DISCARD PARTITION … TABLESPACE",
	ast.AlterTableAlterCheck:                 "ALTER CHECK",
	ast.AlterTableDropCheck:                  "DROP CHECK",
	ast.AlterTableImportTablespace:           "IMPORT TABLESPACE",
	ast.AlterTableDiscardTablespace:          "DISCARD TABLESPACE",
	ast.AlterTableIndexInvisible:             "ALTER INDEX",
	ast.AlterTableOrderByColumns:             "ORDER BY",
}

// relation is a table's name as the parser read it.
func relation(t *ast.TableName) Relation {
	return Relation{Schema: t.Schema.O, Name: t.Name.O}
}

// upperWords is a text of tokens in capitals, for an error.
func upperWords(c *cursor, from, to int) string { return strings.ToUpper(c.slice(from, to)) }
