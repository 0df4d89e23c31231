package mysql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/myquery"
)

// changesOf says what a statement means, or why it is not planned.
func changesOf(s myquery.Statement) ([]plan.Change, *refusal) {
	switch s.Kind {
	case "ALTER TABLE", "RENAME TABLE", "RENAME TABLES", "CREATE TABLE", "CREATE INDEX", "":
	default:
		return nil, refuseKind(s.Kind, s.Bar)
	}
	if s.Code != "" {
		return nil, &refusal{Line: s.CodeLine, What: fmt.Sprintf("the comment %s … */ is code to some servers and none to others", s.Code), Way: "write what it holds as plain SQL, or leave it away"}
	}
	if no := checkIdents(s); no != nil {
		return nil, no
	}
	node, err := s.Read()
	if err != nil {
		return nil, unreadable(err)
	}
	switch n := node.(type) {
	case *myquery.AlterTable:
		return alterTable(n)
	case *myquery.RenameTable:
		return renameTables(n)
	case *myquery.CreateTable:
		return createTable(s, n)
	case *myquery.CreateIndex:
		c, no := createIndex(n.Relation, n)
		return []plan.Change{c}, no
	}
	kind := s.Kind
	if kind == "" {
		kind = strings.ToUpper(s.Names[0].Name)
	}
	return nil, refuseKind(kind, s.Bar)
}

func alterTable(n *myquery.AlterTable) ([]plan.Change, *refusal) {
	what := "ALTER TABLE " + show(n.Relation)
	if n.Ignore {
		return nil, refuse(what+": IGNORE loses rows and values without a word", "leave it away")
	}
	if len(n.Clauses) == 0 {
		return nil, refuse(what+" says nothing", "leave it away, or write what it is for")
	}
	var out []plan.Change
	for _, c := range n.Clauses {
		change, no := clause(what, n.Relation, c)
		switch {
		case no != nil:
			return nil, no
		case change != nil:
			out = append(out, change)
		}
	}
	if len(out) == 0 {
		return nil, refuse(what+" says nothing beside ALGORITHM and LOCK", "leave it away, or write what it is for")
	}
	// The clauses of one statement hold at once: an index may stand in front of its column.
	slices.SortStableFunc(out, func(a, b plan.Change) int { return late(a) - late(b) })
	return out, nil
}

func late(c plan.Change) int {
	if c.Kind() == plan.KindCreateIndex {
		return 1
	}
	return 0
}

func clause(what string, r myquery.Relation, c myquery.Clause) (plan.Change, *refusal) {
	switch {
	case c.Add != nil:
		return addColumn(what, r, c)
	case c.Index != nil:
		return createIndex(r, c.Index)
	case c.Drop != "":
		return dropColumn(what, r, c)
	case c.Rename != nil:
		return renameTable(what+" RENAME", r, *c.Rename)
	case c.Change:
		return nil, change(what, c)
	case c.From != "":
		return renameColumn(what, r, c)
	case c.Gentle:
		return nil, nil // what a step asks for anyway
	case strings.Contains(c.Words, "="):
		return nil, refuseRough(what, c.Words)
	}
	return nil, refuseKind("ALTER TABLE … "+c.Words, myquery.BarNone)
}

func refuseRough(what, words string) *refusal {
	return refuse(what+": "+words+" stops writes", "leave it away: each step asks for the gentlest way by itself")
}

func renameColumn(what string, r myquery.Relation, c myquery.Clause) (plan.Change, *refusal) {
	switch {
	case c.From == c.To:
		return nil, refuse(fmt.Sprintf("%s RENAME COLUMN: the old name and the new name are both %s", what, showName(c.To)), "drop the statement, or write the new name")
	case sameName(c.From, c.To):
		return nil, refuse(fmt.Sprintf("%s RENAME COLUMN: %s and %s are the same name to the server", what, showName(c.From), showName(c.To)), wayAsWritten)
	}
	return plan.RenameColumn{Schema: r.Schema, Table: r.Name, From: c.From, To: c.To}, nil
}

// change refuses CHANGE, which writes the whole definition anew: whether that differs
// from the old one, the catalog alone tells.
func change(what string, c myquery.Clause) *refusal {
	if sameName(c.From, c.To) {
		return refuseKind("ALTER TABLE … MODIFY COLUMN", myquery.BarNone)
	}
	return refuse(fmt.Sprintf("%s CHANGE %s %s: it may change the type along with the name", what, showName(c.From), showName(c.To)),
		fmt.Sprintf("write RENAME COLUMN %s TO %s", showName(c.From), showName(c.To)))
}

func renameTables(n *myquery.RenameTable) ([]plan.Change, *refusal) {
	var out []plan.Change
	for i, from := range n.From {
		c, no := renameTable("RENAME TABLE "+show(from), from, n.To[i])
		if no != nil {
			return nil, no
		}
		out = append(out, c)
	}
	return out, nil
}

func renameTable(what string, from, to myquery.Relation) (plan.Change, *refusal) {
	switch {
	case from.Schema != to.Schema && to.Schema != "":
		return nil, refuse(fmt.Sprintf("%s: %s may lie in another database", what, show(to)), "write both names without a database, or both with the same one")
	case from.Name == to.Name:
		return nil, refuse(fmt.Sprintf("%s: the old name and the new name are both %s", what, showName(to.Name)), "drop the statement, or write the new name")
	case from.Schema != "" && to.Schema == "":
		// The new name without a database means the current one.
		return nil, refuse(fmt.Sprintf("%s: %s may lie in another database", what, show(from)), "write both names without a database, or both with the same one")
	}
	return plan.RenameTable{Schema: from.Schema, From: from.Name, To: to.Name}, nil
}

func addColumn(what string, r myquery.Relation, c myquery.Clause) (plan.Change, *refusal) {
	col := c.Add
	what += " ADD COLUMN " + showName(col.Name)
	switch {
	case c.IfNotExists:
		return nil, refuse(what+": IF NOT EXISTS leaves open what the statement does", "leave it away: a plan asks the catalog itself")
	case col.Serial:
		return nil, refuse(what+": SERIAL is AUTO_INCREMENT and UNIQUE, which rebuilds the table and stops writes", "add an integer column without default, and fill it in code")
	case col.Position != "":
		return nil, refuse(what+": "+col.Position+" asks for an order of columns, which is not kept", "leave it away, and name columns where their order matters")
	case col.Null && col.NotNull:
		return nil, refuse(what+": NULL and NOT NULL contradict each other", "keep one of them")
	}
	for _, other := range col.Others {
		why, way := inlineWay(other)
		return nil, refuse(fmt.Sprintf("%s: %s %s", what, other, why), way)
	}
	if col.NotNull && (col.Default == "" || strings.EqualFold(col.Default, "NULL")) {
		return nil, refuse(what+": NOT NULL without a default gives the rows that are there a value that nobody wrote, and breaks the inserts of old code", "add a default, or leave NOT NULL away")
	}
	return plan.AddColumn{
		Schema: r.Schema, Table: r.Name, Column: col.Name,
		Type: typeOf(col), Collate: col.Collate, Default: col.Default, NotNull: col.NotNull,
	}, nil
}

// typeOf is the type with what belongs to no other field. A timestamp that may be null
// says so: under explicit_defaults_for_timestamp=OFF it would not be.
func typeOf(col *myquery.Column) string {
	t := col.Type
	if col.Null && strings.HasPrefix(strings.ToUpper(t), "TIMESTAMP") {
		t += " NULL"
	}
	if col.OnUpdate != "" {
		t += " ON UPDATE " + col.OnUpdate
	}
	if col.Comment != "" {
		t += " COMMENT " + col.Comment
	}
	return t
}

func dropColumn(what string, r myquery.Relation, c myquery.Clause) (plan.Change, *refusal) {
	what += " DROP COLUMN " + showName(c.Drop)
	switch {
	case c.Cascade:
		return nil, refuse(what+": CASCADE has no meaning to the server", "leave it away")
	case c.IfExists:
		return nil, refuse(what+": IF EXISTS leaves open what the statement does", "leave it away: a plan asks the catalog itself")
	}
	return plan.DropColumn{Schema: r.Schema, Table: r.Name, Column: c.Drop}, nil
}

func createTable(s myquery.Statement, n *myquery.CreateTable) ([]plan.Change, *refusal) {
	what := "CREATE TABLE " + show(n.Relation)
	switch {
	case n.IfNotExists:
		return nil, refuse(what+": IF NOT EXISTS leaves open what the statement does", "leave it away: a plan asks the catalog itself")
	case n.Like:
		return nil, refuse(what+": LIKE makes it the same as a table that may be another one elsewhere", "write its columns")
	case n.AsSelect:
		return nil, refuse(what+": it holds the locks of its query until every row is copied", "create the table alone, and copy the rows in code; or "+wayMark)
	}
	return []plan.Change{plan.CreateTable{Schema: n.Relation.Schema, Name: n.Relation.Name, SQL: s.SQL}}, nil
}

func createIndex(r myquery.Relation, n *myquery.CreateIndex) (plan.Change, *refusal) {
	what := "CREATE INDEX on " + show(r)
	if n.Name != "" {
		what = "CREATE INDEX " + showName(n.Name)
	}
	switch {
	case n.Name == "":
		return nil, refuse(what+": a name that the server makes up cannot be asked for later", "give the index a name")
	case n.Constraint:
		return nil, refuse(what+": it has one name as a constraint and another one as an index", "keep one of them")
	case n.IfNotExists:
		return nil, refuse(what+": IF NOT EXISTS takes another index of that name for this one", "leave it away: a plan asks the catalog itself")
	case n.Rough != "":
		return nil, refuseRough(what, n.Rough)
	case len(n.Others) > 0:
		return nil, refuse(what+": "+n.Others[0]+" is not planned", wayAsWritten)
	}
	return plan.CreateIndex{Schema: r.Schema, Table: r.Name, Name: n.Name, Unique: n.Unique, Definition: n.Definition}, nil
}

// asWritten passes a statement on unchanged, unless a step cannot run it.
func asWritten(s myquery.Statement, reason string) ([]plan.Change, *refusal) {
	if no := refuseBar(s.Kind, s.Bar); no != nil {
		return nil, no
	}
	c := plan.AsWritten{SQL: s.SQL, Reason: reason}
	if s.Relation != nil {
		c.Schema, c.Table = s.Relation.Schema, s.Relation.Name
	}
	return []plan.Change{c}, nil
}
