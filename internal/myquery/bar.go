package myquery

import "strings"

// Bar is what keeps a statement from being a step, however it is marked.
type Bar int

// The bars.
const (
	BarNone        Bar = iota
	BarTransaction     // it begins or ends a transaction
	BarSession         // it changes the session, which goes on to do other work
	BarClient          // it needs a client that sends rows beside it
)

func barOf(s Statement) Bar {
	c := s.rest()
	switch s.Kind {
	case "BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT", "XA":
		return BarTransaction
	case "USE", "PREPARE", "EXECUTE", "DEALLOCATE PREPARE", "DROP PREPARE", "HANDLER", "LOCK TABLES", "LOCK TABLE", "LOCK INSTANCE",
		"UNLOCK TABLES", "UNLOCK TABLE", "UNLOCK INSTANCE", "BACKUP STAGE", "BACKUP LOCK",
		"CREATE TEMPORARY TABLE", "CREATE OR REPLACE TEMPORARY TABLE", "DROP TEMPORARY TABLE":
		return BarSession
	case "SET":
		if !setsServer(c) {
			return BarSession
		}
	case "FLUSH":
		// WITH READ LOCK and FOR EXPORT hold their locks until the session unlocks.
		if c.before(c.at, "LOCK", ";") || c.before(c.at, "EXPORT", ";") {
			return BarSession
		}
	case "LOAD DATA", "LOAD XML":
		if c.before(c.at, "LOCAL", "INFILE") {
			return BarClient
		}
	}
	return BarNone
}

// setsServer reports whether a SET changes nothing of the session: one variable of the
// server, a password, or what one statement runs under.
func setsServer(c *cursor) bool {
	if c.is("PASSWORD") || c.is("DEFAULT", "ROLE") || c.is("STATEMENT") {
		return true
	}
	if len(c.parts()) > 1 {
		return false
	}
	if c.take("@", "@") {
		scope := c.upper(c.at)
		return (scope == "GLOBAL" || strings.HasPrefix(scope, "PERSIST")) && c.upper(c.at+1) == "."
	}
	return c.takeAny("GLOBAL", "PERSIST", "PERSIST_ONLY") != ""
}
