package myquery

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// translate turns a tree of the parser into a Node; nil where there is no type for it.
func translate(s Statement, tree ast.StmtNode) (Node, error) {
	switch t := tree.(type) {
	case *ast.AlterTableStmt:
		return translateAlterTable(s, t)
	case *ast.RenameTableStmt:
		out := &RenameTable{}
		for _, pair := range t.TableToTables {
			out.From = append(out.From, relation(pair.OldTable))
			out.To = append(out.To, relation(pair.NewTable))
		}
		return out, nil
	case *ast.CreateTableStmt:
		return &CreateTable{
			Relation:    relation(t.Table),
			IfNotExists: t.IfNotExists,
			Like:        t.ReferTable != nil,
			AsSelect:    t.Select != nil,
		}, nil
	case *ast.CreateIndexStmt:
		return translateCreateIndex(s, t)
	}
	return nil, nil
}

func translateAlterTable(s Statement, t *ast.AlterTableStmt) (Node, error) {
	c := s.rest()
	for i := range c.at {
		if c.upper(i) == "IGNORE" {
			return &AlterTable{Relation: relation(t.Table), Ignore: true}, nil
		}
	}
	out := &AlterTable{Relation: relation(t.Table)}
	if len(t.Specs) == 0 {
		return out, nil
	}
	if c.relation() == nil {
		return nil, errDiffers
	}
	parts := c.parts()
	aligned := len(parts) == len(t.Specs)
	for i, spec := range t.Specs {
		clauses := []Clause{{Words: clauseWords(spec)}}
		if aligned {
			var err error
			if clauses, err = translateClause(parts[i], spec); err != nil {
				return nil, err
			}
		} else if planned[spec.Tp] {
			continue // another clause, which has no comma before it, is not planned
		}
		out.Clauses = append(out.Clauses, clauses...)
	}
	if !aligned && len(out.Clauses) == 0 {
		return nil, errDiffers
	}
	return out, nil
}

// planned are the clauses that translateClause does more with than name them.
var planned = map[ast.AlterTableType]bool{
	ast.AlterTableAddColumns: true, ast.AlterTableAddConstraint: true, ast.AlterTableDropColumn: true, ast.AlterTableRenameColumn: true,
	ast.AlterTableChangeColumn: true, ast.AlterTableRenameTable: true, ast.AlterTableAlgorithm: true, ast.AlterTableLock: true,
}

func translateClause(c *cursor, spec *ast.AlterTableSpec) ([]Clause, error) {
	out := Clause{Words: clauseWords(spec)}
	switch spec.Tp {
	case ast.AlterTableAddColumns:
		return addColumns(c, spec, out)
	case ast.AlterTableAddConstraint:
		if c.is("ADD", "SPATIAL") {
			out.Words = "ADD SPATIAL INDEX"
		}
		if words := out.Words; words != "ADD INDEX" && words != "ADD UNIQUE INDEX" {
			return []Clause{out}, nil
		}
		c.take("ADD")
		index, err := addIndex(c, spec.Constraint)
		if err != nil {
			return nil, err
		}
		out.Index, out.IfNotExists = index, index.IfNotExists
	case ast.AlterTableDropColumn:
		c.take("DROP")
		c.take("COLUMN")
		out.IfExists = takeIf(c)
		name, ok := c.name()
		if !ok || !strings.EqualFold(name, spec.OldColumnName.Name.O) {
			return nil, errDiffers
		}
		out.Drop, out.Cascade = name, c.is("CASCADE")
	case ast.AlterTableRenameColumn:
		out.From, out.To = spec.OldColumnName.Name.O, spec.NewColumnName.Name.O
	case ast.AlterTableChangeColumn:
		out.From, out.To, out.Change = spec.OldColumnName.Name.O, spec.NewColumns[0].Name.Name.O, true
	case ast.AlterTableRenameTable:
		r := relation(spec.NewTable)
		out.Rename = &r
	case ast.AlterTableAlgorithm, ast.AlterTableLock:
		rough := takeAlgorithm(c)
		out.Gentle = rough == ""
		if rough != "" {
			out.Words = rough
		}
	}
	return []Clause{out}, nil
}

// addColumns reads ADD [COLUMN] a int, and ADD [COLUMN] (a int, b int, KEY (a)).
func addColumns(c *cursor, spec *ast.AlterTableSpec, out Clause) ([]Clause, error) {
	c.take("ADD")
	c.take("COLUMN")
	out.IfNotExists = takeIf(c)
	parts := []*cursor{{sql: c.sql, toks: c.toks[c.at:]}}
	if inner, ok := c.group(); ok {
		parts = inner.parts()
	}
	if len(parts) != len(spec.NewColumns)+len(spec.NewConstraints) {
		return nil, errDiffers
	}
	// The parser keeps columns and constraints apart, each in order.
	columns, constraints := spec.NewColumns, spec.NewConstraints
	var clauses []Clause
	for _, part := range parts {
		one := out
		switch {
		case len(columns) > 0 && (len(constraints) == 0 || !beginsConstraint(part)):
			col, err := column(part)
			if err != nil || !sameColumn(col, columns[0]) {
				return nil, errDiffers
			}
			one.Add, columns = col, columns[1:]
		default:
			constraint := constraints[0]
			constraints = constraints[1:]
			one.Words = "ADD " + constraintWords(constraint)
			if part.is("SPATIAL") {
				one.Words = "ADD SPATIAL INDEX"
			}
			if one.Words == "ADD INDEX" || one.Words == "ADD UNIQUE INDEX" {
				index, err := addIndex(part, constraint)
				if err != nil {
					return nil, err
				}
				one.Index = index
			}
		}
		clauses = append(clauses, one)
	}
	return clauses, nil
}

// beginsConstraint reports whether a part of a table's definition is no column. The
// words are reserved, but for a column in backticks.
func beginsConstraint(c *cursor) bool {
	switch c.upper(0) {
	case "CONSTRAINT", "PRIMARY", "UNIQUE", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK":
		return true
	}
	return false
}

// addIndex reads an index of ALTER TABLE, behind ADD.
func addIndex(c *cursor, k *ast.Constraint) (*CreateIndex, error) {
	out := &CreateIndex{Unique: k.Tp != ast.ConstraintIndex && k.Tp != ast.ConstraintKey}
	symbol := ""
	if c.take("CONSTRAINT") && !c.is("UNIQUE") {
		symbol, _ = c.name()
	}
	c.take("UNIQUE")
	c.takeAny("INDEX", "KEY")
	out.IfNotExists = takeIf(c)
	if !c.is("(") && !(c.is("USING") && c.upper(c.at+2) == "(") {
		out.Name, _ = c.name()
	}
	if symbol != "" {
		out.Constraint = out.Name != "" && out.Name != symbol
		out.Name = symbol
	}
	using := takeUsing(c)
	if out.Name != k.Name {
		return nil, errDiffers
	}
	return out, index(c, out, using)
}

func translateCreateIndex(s Statement, t *ast.CreateIndexStmt) (Node, error) {
	out := &CreateIndex{Relation: relation(t.Table), Unique: t.KeyType == ast.IndexKeyTypeUnique}
	c := s.rest()
	out.IfNotExists = takeIf(c)
	name, ok := c.name()
	if !ok || name != t.IndexName {
		return nil, errDiffers
	}
	out.Name = name
	using := takeUsing(c)
	if !c.take("ON") || c.relation() == nil {
		return nil, errDiffers
	}
	return out, index(c, out, using)
}
