package postgres

import (
	"fmt"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/pgquery"
)

// changesOf says what a statement means, or why it is not planned.
func changesOf(s pgquery.Statement) ([]plan.Change, *refusal) {
	if s.Problem != "" {
		return nil, refuse(s.Kind+" is not planned: "+s.Problem, wayAsWritten)
	}
	if s.Relation != nil && s.Relation.Catalog != "" {
		return nil, refuse(fmt.Sprintf("%s.%s.%s names a database", s.Relation.Catalog, s.Relation.Schema, s.Relation.Name), "write schema and name: the connection decides on the database")
	}
	switch n := s.Node.(type) {
	case *pgquery.Rename:
		return renames(s, n)
	case *pgquery.AlterTable:
		return alterTable(s, n)
	case *pgquery.CreateTable:
		return createTable(s, n)
	case *pgquery.CreateIndex:
		return createIndex(n)
	}
	return nil, refuseKind(s.Kind, s.Bar)
}

func renames(s pgquery.Statement, n *pgquery.Rename) ([]plan.Change, *refusal) {
	column := n.Object == "COLUMN" && n.Of == "TABLE"
	if !column && n.Object != "TABLE" {
		return nil, refuseKind(s.Kind, s.Bar)
	}
	what := "ALTER TABLE " + show(n.Relation) + " RENAME"
	if no := refuseOptions(what, n.Relation.Only, n.IfExists); no != nil {
		return nil, no
	}
	from := n.Relation.Name
	if column {
		from = n.From
	}
	if from == n.To {
		return nil, refuse(fmt.Sprintf("%s: the old name and the new name are both %q", what, n.To), "drop the statement, or write the new name")
	}
	if column {
		return []plan.Change{plan.RenameColumn{Schema: n.Relation.Schema, Table: n.Relation.Name, From: from, To: n.To}}, nil
	}
	return []plan.Change{plan.RenameTable{Schema: n.Relation.Schema, From: from, To: n.To}}, nil
}

func alterTable(s pgquery.Statement, n *pgquery.AlterTable) ([]plan.Change, *refusal) {
	if n.Object != "TABLE" {
		return nil, refuseKind(s.Kind, s.Bar)
	}
	what := "ALTER TABLE " + show(n.Relation)
	if no := refuseOptions(what, n.Relation.Only, n.IfExists); no != nil {
		return nil, no
	}
	var out []plan.Change
	for _, c := range n.Clauses {
		var change plan.Change
		var no *refusal
		switch {
		case c.Add != nil:
			change, no = addColumn(what, n.Relation, c)
		case c.Drop:
			change, no = dropColumn(what, n.Relation, c)
		default:
			no = refuseKind("ALTER TABLE … "+c.Words, s.Bar)
		}
		if no != nil {
			return nil, no
		}
		out = append(out, change)
	}
	return out, nil
}

func addColumn(what string, r pgquery.Relation, c pgquery.Clause) (plan.Change, *refusal) {
	col := c.Add
	what += " ADD COLUMN " + showName(col.Name)
	switch {
	case c.IfNotExists:
		return nil, refuse(what+": IF NOT EXISTS leaves open what the statement does", "leave it away: a plan asks the catalog itself")
	case col.Serial:
		return nil, refuse(fmt.Sprintf("%s: %s fills every row, under a lock that stops reads", what, col.Type), "add an integer column without default here, and its sequence and default in as-written statements")
	case col.Set:
		return nil, refuse(fmt.Sprintf("%s: %s is no type of a column", what, col.Type), "write the type itself")
	case col.Null && col.NotNull:
		return nil, refuse(what+": NULL and NOT NULL contradict each other", "keep one of them")
	}
	for _, other := range col.Others {
		why, way := inlineWay(other)
		return nil, refuse(fmt.Sprintf("%s: %s %s", what, other, why), way)
	}
	if col.NotNull && (col.Default == "" || col.Default == "NULL") {
		return nil, refuse(what+": NOT NULL without a default is refused by any table with rows, and breaks the inserts of old code", "add a default, or leave NOT NULL away")
	}
	return plan.AddColumn{
		Schema: r.Schema, Table: r.Name, Column: col.Name,
		Type: col.Type, Collate: col.Collate, Default: col.Default, NotNull: col.NotNull,
	}, nil
}

func dropColumn(what string, r pgquery.Relation, c pgquery.Clause) (plan.Change, *refusal) {
	what += " DROP COLUMN " + showName(c.Column)
	switch {
	case c.Cascade:
		return nil, refuse(what+": CASCADE drops what nobody has named", "drop what depends on the column first, each by its name")
	case c.IfExists:
		return nil, refuse(what+": IF EXISTS leaves open what the statement does", "leave it away: a plan asks the catalog itself")
	}
	return plan.DropColumn{Schema: r.Schema, Table: r.Name, Column: c.Column}, nil
}

func createTable(s pgquery.Statement, n *pgquery.CreateTable) ([]plan.Change, *refusal) {
	what := "CREATE TABLE " + show(n.Relation)
	switch {
	case n.IfNotExists:
		return nil, refuse(what+": IF NOT EXISTS leaves open what the statement does", "leave it away: a plan asks the catalog itself")
	case n.Temporary:
		return nil, refuse(what+": a temporary table is gone with the session that runs the step", "leave TEMPORARY away")
	case n.PartitionOf:
		return nil, refuse(what+": PARTITION OF locks the parent against reads and writes", "create the table alone, and attach it in an as-written statement")
	case n.Inherits:
		return nil, refuse(what+": INHERITS locks the parent", "create the table alone, and add INHERIT in an as-written statement")
	}
	return []plan.Change{plan.CreateTable{Schema: n.Relation.Schema, Name: n.Relation.Name, SQL: s.SQL}}, nil
}

func createIndex(n *pgquery.CreateIndex) ([]plan.Change, *refusal) {
	what := "CREATE INDEX on " + show(n.Relation)
	if n.Name != "" {
		what = "CREATE INDEX " + showName(n.Name)
	}
	switch {
	case n.Name == "":
		return nil, refuse(what+": a name that the server makes up cannot be asked for later", "give the index a name")
	case n.IfNotExists:
		return nil, refuse(what+": IF NOT EXISTS takes an invalid index for a good one", "leave it away: a plan asks the catalog itself")
	case n.Relation.Only:
		return nil, refuse(what+": ON ONLY leaves an invalid index that waits for those of the partitions", wayAsWritten)
	}
	return []plan.Change{plan.CreateIndex{
		Schema: n.Relation.Schema, Table: n.Relation.Name, Name: n.Name, Unique: n.Unique, Definition: n.Definition,
	}}, nil
}

// asWritten passes a statement on unchanged, unless a step cannot run it.
func asWritten(s pgquery.Statement, reason string) ([]plan.Change, *refusal) {
	if no := refuseBar(s.Kind, s.Bar); no != nil {
		return nil, no
	}
	c := plan.AsWritten{SQL: s.SQL, Reason: reason}
	if s.Relation != nil {
		c.Schema, c.Table = s.Relation.Schema, s.Relation.Name
	}
	return []plan.Change{c}, nil
}

func refuseOptions(what string, only, ifExists bool) *refusal {
	switch {
	case only:
		return refuse(what+": ONLY would leave the tables that inherit from it behind", "leave ONLY away")
	case ifExists:
		return refuse(what+": IF EXISTS leaves open what the statement does", "leave it away: a plan asks the catalog itself")
	}
	return nil
}
