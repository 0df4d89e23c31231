package myquery

import "strings"

// relationOf returns the table or view that a statement is about; nil where there is
// none, more than one, or its first words do not tell.
func relationOf(s Statement) *Relation {
	c := s.rest()
	switch s.Kind {
	case "ALTER TABLE", "CREATE TABLE", "CREATE OR REPLACE TABLE", "CREATE VIEW", "ALTER VIEW", "CHECKSUM TABLE":
		takeIf(c)
		return c.relation()
	case "DROP TABLE", "DROP VIEW", "ANALYZE TABLE", "CHECK TABLE", "OPTIMIZE TABLE", "REPAIR TABLE":
		takeIf(c)
		return alone(c)
	case "RENAME TABLE", "RENAME TABLES":
		if len(c.parts()) == 1 {
			return c.relation()
		}
	case "TRUNCATE":
		c.take("TABLE")
		return c.relation()
	case "INSERT", "REPLACE":
		for c.takeAny("LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE", "INTO") != "" {
		}
		return c.relation()
	case "UPDATE", "DELETE":
		for c.takeAny("LOW_PRIORITY", "QUICK", "IGNORE", "FROM") != "" {
		}
		r := c.relation()
		if c.done() || c.is("SET") || c.is("WHERE") || c.is("ORDER") || c.is("LIMIT") || c.is("PARTITION") {
			return r
		}
	case "CREATE TRIGGER":
		return behindOn(c)
	case "CREATE INDEX", "CREATE OR REPLACE INDEX", "DROP INDEX":
		return behindOn(c)
	}
	if strings.HasSuffix(s.Kind, " INDEX") && strings.HasPrefix(s.Kind, "CREATE ") { // FULLTEXT, SPATIAL
		return behindOn(c)
	}
	return nil
}

func takeIf(c *cursor) bool { return c.take("IF", "EXISTS") || c.take("IF", "NOT", "EXISTS") }

// alone is a name that no other follows.
func alone(c *cursor) *Relation {
	if len(c.parts()) > 1 {
		return nil
	}
	return c.relation()
}

// behindOn is the table that ON names. A name may be ON in backticks only.
func behindOn(c *cursor) *Relation {
	for ; !c.done(); c.at++ {
		if c.take("ON") {
			return c.relation()
		}
	}
	return nil
}
