package mysql

import "fmt"

// The questions that steps ask the catalog. Names are constants in them, compared byte
// by byte: the catalog's own comparison takes é for e.

func exists(from, where string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM information_schema.%s WHERE %s)", from, where)
}

func not(question string) string { return "SELECT NOT (" + question + ")" }
func both(a, b string) string    { return "SELECT (" + a + ") AND (" + b + ")" }
func either(a, b string) string  { return "SELECT (" + a + ") OR (" + b + ")" }
func inTable(table string) string {
	return "TABLE_SCHEMA = DATABASE() AND TABLE_NAME = " + literal(table)
}

// exactly compares a name or text of the catalog.
func exactly(column, value string) string {
	return fmt.Sprintf("CAST(%s AS BINARY) = CAST(%s AS BINARY)", column, literal(value))
}

func doneColumn(table, column string) string { return columnIs(table, column, "") }

func doneNoColumn(table, column string) string { return not(doneColumn(table, column)) }

// columnIs asks for a column with a property.
func columnIs(table, column, property string) string {
	where := inTable(table) + " AND " + exactly("COLUMN_NAME", column)
	if property != "" {
		where += " AND " + property
	}
	return exists("COLUMNS", where)
}

func isTemporary(table, column string) string {
	return columnIs(table, column, exactly("COLUMN_COMMENT", temporaryName))
}

func doneIndex(table, index string) string {
	return exists("STATISTICS", inTable(table)+" AND "+exactly("INDEX_NAME", index))
}

// indexOn asks for an index of that name with that column.
func indexOn(table, index, column string) string {
	return exists("STATISTICS", inTable(table)+" AND "+exactly("INDEX_NAME", index)+" AND "+exactly("COLUMN_NAME", column))
}

func doneForeignKey(table, name string) string {
	return exists("TABLE_CONSTRAINTS", inTable(table)+" AND CONSTRAINT_TYPE = 'FOREIGN KEY' AND "+exactly("CONSTRAINT_NAME", name))
}

// foreignKeyOn asks for a foreign key of that name with that column.
func foreignKeyOn(table, name, column string) string {
	return exists("KEY_COLUMN_USAGE", inTable(table)+" AND REFERENCED_TABLE_NAME IS NOT NULL AND "+exactly("CONSTRAINT_NAME", name)+" AND "+exactly("COLUMN_NAME", column))
}

// doneRelation asks for a table or view of that name: kind is "BASE TABLE" or "VIEW".
func doneRelation(name, kind string) string {
	return exists("TABLES", inTable(name)+" AND TABLE_TYPE = "+literal(kind))
}

func doneLink(id string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM phased_link WHERE id = %s)", literal(id))
}

// doneAdded asks for a link that is not an early one.
func doneAdded(id string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM phased_link WHERE id = %s AND JSON_EXTRACT(link, '$.early') IS NULL)", literal(id))
}

func doneHidden(id string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM phased_link WHERE id = %s AND hidden = 1)", literal(id))
}

// linkWith asks for another pair in flight on the table with that column on a side
// ("old", "new").
func linkWith(table, side, column, id string) string {
	return fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM phased_link WHERE table_name = %s AND id <> %s AND %s)",
		literal(table), literal(id), exactly("JSON_UNQUOTE(JSON_EXTRACT(link, '$."+side+"'))", column))
}
